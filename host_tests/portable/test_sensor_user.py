"""A person's own sensors in /user: found, built, and told about when they cannot be used."""

import os
import sys
from binascii import hexlify

import fakes_app
from linkpost.errors import ConfigError
from linkpost.sensors import read_all
from linkpost.sensors.building import build

GOOD = """
class Sensor:
    def __init__(self, options, port):
        self.options = options
        self.port = port

    def read(self):
        return {"moisture": self.options["pin"] + 0.5}
"""
# Makes its chip answer only the second time.
SLOW = """
tries = []

class Sensor:
    def __init__(self, options, port):
        tries.append(1)
        if len(tries) < 3:
            raise OSError(19)

    def read(self):
        return {"x": len(tries)}
"""
_count = 0


def with_file(act, source=None):
    """Call `act(type)` on a board whose /user holds that source, under a name of its own."""
    global _count
    _count += 1
    # The other runtime may run this very test meanwhile.
    here = os.getcwd()
    folder = "%s/user_%s.tmp" % (here, hexlify(os.urandom(8)).decode())
    # Another name each time, as modules are kept.
    path = "user/own_%d.py" % _count
    os.mkdir(folder)
    os.chdir(folder)
    os.mkdir("user")
    sys.modules.pop("user", None)
    sys.path.insert(0, folder)
    try:
        if source is not None:
            with open(path, "w") as file:
                file.write(source)
        return act("user.own_%d" % _count)
    finally:
        sys.path.pop(0)
        if source is not None:
            os.remove(path)
        for name in os.listdir("user"):  # CPython keeps byte code
            for kept in os.listdir("user/" + name):
                os.remove("user/%s/%s" % (name, kept))
            os.rmdir("user/" + name)
        os.rmdir("user")
        os.chdir(here)
        os.rmdir(folder)


def build_one(source, **options):
    port = fakes_app.FakePort()

    def act(kind):
        return build([dict(options, type=kind)], port)

    return with_file(act, source)


def config_error(source, **options):
    try:
        build_one(source, **options)
    except ConfigError as error:
        assert error.key == "sensors[0]"
        assert "user/own_%d.py" % _count in str(error), error
        return str(error)
    raise AssertionError("built")


def test_user_sensor_has_its_options_and_the_port():
    built = build_one(GOOD, pin=34, name="bed", more=[1, {"a": None}])
    assert read_all(built) == {"bed_moisture": 34.5}
    sensor = built[0][1]._sensor
    assert sensor.options == {"pin": 34, "more": [1, {"a": None}]}
    assert isinstance(sensor.port, fakes_app.FakePort)


def test_user_sensor_missing_says_how_it_gets_there():
    words = config_error(None)
    assert "mpremote mkdir :user + cp own_" in words


def test_user_sensor_with_a_mistake_names_file_and_line():
    words = config_error("a = 1\nclass Sensor:\n    def read(self)\n        return {}\n")
    assert "line 3" in words and "SyntaxError" in words
    words = config_error("a = 1\nimport no_such_module\n")
    assert "line 2" in words and "no_such_module" in words
    assert "ZeroDivisionError" in config_error("1 // 0\n")


def test_user_sensor_without_a_class_sensor_says_so():
    assert "no class Sensor" in config_error("class Sensors:\n    pass\n")
    assert "no class Sensor" in config_error("Sensor = 5\n")


def test_user_sensor_that_refuses_its_options_is_a_config_error():
    source = GOOD.replace("self.options = options", "raise ValueError('pin: 0 to 39')")
    assert "pin: 0 to 39" in config_error(source, pin=99)
    assert "TypeError" in config_error("def Sensor(options):\n    return 1\n")


def test_user_sensor_whose_chip_does_not_answer_at_boot_is_tried_with_each_reading():
    others = [("b", build_one(GOOD, pin=1)[0][1])]
    built = build_one(SLOW) + others
    reading = read_all(built)
    assert reading["b_moisture"] == 1.5
    (label,) = reading["error"]
    assert label == "user/own_%d.py" % _count
    assert "OSError" in reading["error"][label] and "19" in reading["error"][label]
    assert read_all(built) == {"x": 3, "b_moisture": 1.5}


def test_user_sensor_whose_read_fails_stops_no_other():
    source = GOOD.replace('return {"moisture": self.options["pin"] + 0.5}', "return 1 // 0")
    built = build_one(source, name="bed") + build_one(GOOD, pin=2)
    reading = read_all(built)
    assert reading["moisture"] == 2.5
    assert reading["error"]["bed"].startswith("ZeroDivisionError")


def test_user_sensor_ctrl_c_passes_and_so_does_a_file_that_finds_no_memory():
    inside = GOOD.replace("self.options = options", "raise KeyboardInterrupt")
    for source in ("raise KeyboardInterrupt\n", inside, "raise MemoryError\n"):
        try:
            build_one(source)
        except (KeyboardInterrupt, MemoryError):
            continue
        raise AssertionError(source)


def test_user_sensor_that_finds_no_memory_is_tried_with_each_reading():
    built = build_one(SLOW.replace("OSError(19)", "MemoryError"), name="bed")
    assert read_all(built) == {"error": {"bed": "out of memory"}}
    assert read_all(built) == {"bed_x": 3}
