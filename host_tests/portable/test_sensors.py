"""Sensors: building from the config, reading all, and each driver's failures."""

import fakes_chip
import fakes_wifi
from linkpost.errors import ConfigError, SensorError
from linkpost.ports.esp32 import ESP32Port
from linkpost.ports.host import HostPort
from linkpost.ports.rp2 import RP2Port
from linkpost.sensors import read_all
from linkpost.sensors.analog import Analog
from linkpost.sensors.building import build
from linkpost.sensors.dht import DHT11, DHT22
from linkpost.sensors.ds18x20 import DS18X20
from linkpost.sensors.onchip import OnChip
from linkpost.sensors.simulated import Simulated
from linkpost.sensors.system import System


def esp32_port(chip=None):
    chip = chip or fakes_chip.ESP32Chip()
    network = fakes_wifi.Network(chip, fakes_wifi.Air(), fakes_wifi.ESP32Station)
    return ESP32Port(chip.machine, network, fakes_chip.ESP32Module(), chip.time)


def rp2_port(chip=None):
    chip = chip or fakes_chip.RP2Chip()
    network = fakes_wifi.Network(chip, fakes_wifi.Air(), fakes_wifi.CYW43Station)
    return RP2Port(chip.machine, network, chip.implementation, chip.time)


def config_error(specs, port=None):
    try:
        build(specs, port or esp32_port())
    except ConfigError as error:
        return error
    raise AssertionError("built: %r" % (specs,))


def sensor_error(act):
    try:
        act()
    except SensorError as error:
        return str(error)
    raise AssertionError("a value")


class Fixed:
    """A person's own sensor."""

    def __init__(self, values):
        self.values = values

    def read(self):
        if isinstance(self.values, Exception):
            raise self.values
        return self.values


# -- build ----------------------------------------------------------------------------------------


def test_build_each_type_gives_its_object():
    specs = [
        {"type": "simulated", "name": "room"},
        {"type": "onchip"},
        {"type": "system"},
        {"type": "analog", "pin": 34, "name": "soil"},
    ]
    built = build(specs, esp32_port())
    assert [name for name, _ in built] == ["room", "", "", "soil"]
    assert [type(sensor) for _, sensor in built] == [Simulated, OnChip, System, Analog]


def test_build_default_is_what_the_chip_can():
    later = fakes_chip.ESP32Chip()
    s3 = ESP32Port(later.machine, None, fakes_chip.ESP32S3Module(), later.time)
    for port, sensor_class in (
        (esp32_port(), System),
        (s3, OnChip),
        (rp2_port(), OnChip),
        (HostPort(), System),
    ):
        ((name, sensor),) = build(None, port)
        assert name == "" and type(sensor) is sensor_class, port.name


def test_build_nothing_is_an_empty_list():
    assert build([], esp32_port()) == []
    assert read_all([]) == {}


def test_build_every_type_has_its_file_and_class():
    for kind in ("onchip", "simulated", "system"):  # the others: test_readme.py
        ((_, sensor),) = build([{"type": kind}], esp32_port())
        assert sensor.kind == kind and isinstance(sensor.OPTIONS, dict)


def test_build_what_is_wrong_is_named_by_its_key():
    for specs, key in (
        ([{"type": "onchip"}, {"type": "analog"}], "sensors[1].pin"),
        ([{"type": "analog", "pin": "x" * 9}], "sensors[0]"),
        ([{"type": "analog", "pin": 1.5}], "sensors[0].pin"),
        ([{"type": "analog", "pin": True}], "sensors[0].pin"),
        ([{"type": "analog", "pin": 34, "scale": "2"}], "sensors[0].scale"),
        ([{"type": "analog", "pin": 34, "samples": 0}], "sensors[0]"),
        ([{"type": "analog", "pin": 34, "digits": 7}], "sensors[0]"),
        ([{"type": "analog", "pin": 34, "value": ""}], "sensors[0]"),
        ([{"type": "analog", "pin": 5}], "sensors[0]"),  # no ADC there
        ([{"type": "onchip", "pin": 4}], "sensors[0].pin"),
        ([{"type": "system", "app": 5}], "sensors[0].app"),  # its class takes that, a config not
    ):
        assert config_error(specs).key == key, specs


def test_build_driver_that_the_build_of_micropython_lacks_is_named():
    for kind, driver in (("dht22", "dht"), ("ds18x20", "ds18x20")):
        try:
            __import__(driver)
        except ImportError:
            error = config_error([{"type": kind, "pin": 4}])
            assert (
                error.key == "sensors[0].type"
                and "not on this board" in str(error)
                and driver in str(error)
            )


def test_build_file_of_the_type_not_on_the_board_says_deploy():
    for kind in (
        "lost",
        "users.soil",
        "dht33",
        "building",
        "i2c",
        "user",
        "__init__",
        ".",
        "..",
        "a.b",
        "_",
    ):
        error = config_error([{"type": kind}])
        assert error.key == "sensors[0].type" and "deploy again" in str(error), kind


def test_build_on_the_desktop_a_sensor_with_a_pin_is_refused_in_words():
    error = config_error([{"type": "analog", "pin": 34}], HostPort())
    assert "no analog pins" in str(error)


def test_build_driver_that_fails_at_boot_is_tried_with_each_reading():
    for error, words in (
        (OSError(0x103), "OSError: %s" % OSError(0x103)),
        (RuntimeError("no resources"), "RuntimeError: no resources"),
        (MemoryError(), "out of memory"),
    ):
        port = esp32_port()
        failures = [error, error]

        def analog(pin, failures=failures):
            if failures:
                raise failures.pop(0)
            return lambda: 1_500_000

        port.analog = analog
        built = build([{"type": "analog", "pin": 34}], port)
        assert read_all(built) == {"error": {"analog": words}}
        assert read_all(built) == {"voltage": 1.5}
        assert read_all(built) == {"voltage": 1.5}


# -- read_all -------------------------------------------------------------------------------------


def test_read_all_names_prefix_the_values():
    sensors = [("room", Fixed({"temperature": 21.5})), ("", Fixed({"door": True, "mode": "eco"}))]
    assert read_all(sensors) == {"room_temperature": 21.5, "door": True, "mode": "eco"}


def test_read_all_one_fails_the_others_are_read():
    sensors = [
        ("a", Fixed(SensorError("broken wire"))),
        ("b", Fixed(OSError(116))),
        ("", Simulated(fail_every=1)),
        ("", Fixed(SensorError("mine"))),
        ("c", Fixed({"level": 3})),
    ]
    assert read_all(sensors) == {
        "c_level": 3,
        "error": {
            "a": "broken wire",
            "b": "OSError: %s" % OSError(116),
            "simulated": "simulated failure",
            "Fixed": "mine",
        },
    }


class Wordless(Exception):
    """An error of a person's own that fails when it is asked for its words."""

    def __str__(self):
        raise MemoryError


def test_read_all_whatever_a_driver_raises_stops_no_board():
    for error, words in (
        (RuntimeError("Wifi Unknown Error 0x0101"), "RuntimeError: Wifi Unknown Error 0x0101"),
        (MemoryError("memory allocation failed, allocating 9 bytes"), "out of memory"),
        (ValueError("invalid pin"), "ValueError: invalid pin"),
        (OSError(), "OSError: "),
        (ZeroDivisionError("divide by zero"), "ZeroDivisionError: divide by zero"),
        (Wordless(), "Wordless"),
    ):
        reading = read_all([("a", Fixed(error)), ("b", Fixed({"y": 1}))])
        assert reading == {"b_y": 1, "error": {"a": words}}, words


def test_read_all_a_bug_in_a_persons_sensor_stops_no_board():
    sensors = [("a", Fixed(KeyError("x"))), ("b", Fixed(3)), ("c", Fixed({"y": 1}))]
    reading = read_all(sensors)
    assert reading["c_y"] == 1
    assert reading["error"]["a"].startswith("KeyError")
    assert reading["error"]["b"].startswith("AttributeError")


def test_read_all_ctrl_c_passes():
    class Stopped(Fixed):
        def read(self):
            raise KeyboardInterrupt

    try:
        read_all([("a", Stopped(0))])
    except KeyboardInterrupt:
        return
    raise AssertionError("swallowed")


def test_read_all_value_that_json_cannot_carry_is_an_error():
    infinity = 1e30 * 1e30  # 32-bit floats: infinite there too
    infinity *= infinity * infinity * infinity * infinity * infinity
    for value in (infinity, -infinity, infinity - infinity, b"bytes", None, [1], {"a": 1}):
        reading = read_all([("a", Fixed({"x": value})), ("b", Fixed({"y": 1}))])
        assert set(reading) == {"b_y", "error"}, value
        assert "x" in reading["error"]["a"]


def test_read_all_two_sensors_with_one_name_of_value_is_told():
    reading = read_all([("", Fixed({"t": 1})), ("", Fixed({"t": 2}))])
    assert reading["t"] == 1
    assert "give this sensor a name" in reading["error"]["Fixed"]


def test_read_all_names_of_the_reading_itself_are_refused():
    for name in ("stream", "seq", "time", "error"):
        reading = read_all([("", Fixed({name: 1}))])
        assert set(reading) == {"error"} and name in reading["error"]["Fixed"]


# -- simulated, onchip, system --------------------------------------------------------------------


def test_simulated_is_plausible_and_the_same_every_time():
    first = Simulated()
    second = Simulated()
    seen = set()
    for _ in range(300):
        values = first.read()
        assert values == second.read()
        assert 10 <= values["temperature"] <= 30 and 20 <= values["humidity"] <= 70
        seen.add(values["temperature"])
    assert len(seen) > 10


def test_simulated_fail_every_third():
    sensor = build([{"type": "simulated", "fail_every": 3}], None)
    outcomes = ["error" in read_all(sensor) for _ in range(6)]
    assert outcomes == [False, False, True, False, False, True]


def test_onchip_both_chips_one_decimal():
    assert OnChip(esp32_port()).read() == {"temperature": 52.8}
    assert OnChip(rp2_port()).read() == {"temperature": 27.0}


def test_onchip_desktop_has_none():
    assert "no temperature sensor" in sensor_error(OnChip(HostPort()).read)


def onchip(*raws):
    port = esp32_port()
    port._esp32.raw_temperatures = list(raws)
    return OnChip(port)


def test_onchip_a_plain_esp32_that_says_128_for_ever_has_no_sensor():
    sensor = onchip(128)
    for _ in range(3):
        assert "no temperature sensor" in sensor_error(sensor.read)
    assert onchip(128, 128, 128, 172).read() == {"temperature": 77.8}  # 128 only in between


def test_onchip_a_plain_esp32_that_says_others_too_may_have_53_degrees():
    sensor = onchip(129, 128)
    assert sensor.read() == {"temperature": 53.9}
    assert sensor.read() == {"temperature": 53.3}


def test_onchip_adc_that_is_stuck_is_an_error():
    port = rp2_port()
    for degrees in (437.2, -1479.0):  # an ADC's 0 and 65535
        port.chip_temperature = lambda degrees=degrees: degrees
        assert "out of the chip's range" in sensor_error(OnChip(port).read)


def test_system_tells_what_the_board_knows():
    port = rp2_port()
    port.heap_free = lambda: 123_456
    port.heap_largest = lambda: None
    port.sleep_ms(7_900)

    class App:
        class config:  # noqa: N801
            format = "json"

        class outbox:  # noqa: N801
            dropped = 2
            quarantined = 1
            stream = "0badcafe"

    values = System(port, App).read()
    assert values["reset_cause"] == "power on"
    assert values["uptime_s"] == 7
    assert values["heap_free"] == 123_456
    assert values["chip_id"] == "e66044" + "30433a8b2f"
    assert (values["dropped"], values["quarantined"]) == (2, 1)
    assert not [name for name in ("wifi_rssi", "heap_largest", "stream") if name in values]
    App.config.format = "alink"
    assert System(port, App).read()["stream"] == "0badcafe"
    assert values["version"].count(".") == 2


def test_system_signal_and_largest_block_are_there_where_known():
    chip = fakes_chip.ESP32Chip()
    network = fakes_wifi.Network(chip, fakes_wifi.Air(lab=("x", True)), fakes_wifi.ESP32Station)
    port = ESP32Port(chip.machine, network, fakes_chip.ESP32Module(), chip.time)
    port.heap_free = lambda: 1
    port.start_station("", "")
    port.station().connect("lab", "x")
    port.sleep_ms(10_000)
    values = System(port).read()
    assert values["wifi_rssi"] == -61 and values["heap_largest"] == 40_960
    assert "error" not in read_all([("", System(port))])


# -- DHT ------------------------------------------------------------------------------------------


class FakeDHT:
    """dht.DHTBase: each measure() takes the next outcome, an error or the frame's first bytes."""

    outcomes = []

    def __init__(self, pin):
        self.pin = pin
        self.buf = bytearray(5)

    def measure(self):
        outcome = FakeDHT.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        # Its sum is right: the driver refuses the others.
        self.buf[:] = outcome[:4] + bytes((sum(outcome[:4]) & 0xFF,))


ETIMEDOUT = OSError(116)  # what dht_readinto raises on esp32; 110 on rp2
CHECKSUM = Exception("checksum error")  # the driver's own
GOOD = b"\x02\x92\x01\x0d\xa2"  # the AM2302 datasheet's example, but for its 35.1 degrees
AGAIN = b"\x01\xff\x00\xcb\xcb"


def dht22(outcomes, sensor_class=DHT22, port=None):
    FakeDHT.outcomes = list(outcomes)
    port = port or esp32_port()
    return port, sensor_class(port, 4, driver=FakeDHT)


def test_dht22_frames():
    for frame, temperature, humidity in (
        (b"\x02\x92\x01\x0d\xa2", 26.9, 65.8),
        (b"\x02\x8c\x01\x5f\xee", 35.1, 65.2),  # AM2302 datasheet, section 7
        (b"\x02\x8c\x80\x65\x73", -10.1, 65.2),  # the same: the highest bit is the sign
        (b"\x01\xc8\x80\x02\x4b", -0.2, 45.6),  # Tasmota issue 14165
        (b"\x02\x90\x81\x90\xa3", -40.0, 65.6),
        # The clones: issue 14, item 7; Tasmota 14165; Adafruit 182 and its minus zero.
        (b"\x02\xb7\xff\xe9\xa1", -2.3, 69.5),
        (b"\x02\x33\xff\xf7\x2b", -0.9, 56.3),
        (b"\x01\xf3\x80\x00\x74", 0, 49.9),
        (b"\x01\xf5\xff\xff\xf4", -0.1, 50.1),
        (b"\x02\x58\xfe\x70\xc8", -40.0, 60.0),
        # Zero degrees or zero percent alone may be true.
        (b"\x01\xf1\x00\x00\xf2", 0, 49.7),
        (b"\x00\x00\x00\xeb\xeb", 23.5, 0),
    ):
        assert sum(frame[:4]) & 0xFF == frame[4], frame
        _, sensor = dht22([frame])
        assert sensor.read() == {"temperature": temperature, "humidity": humidity}, frame


def test_dht11_frames():
    for frame, temperature, humidity in (
        (b"\x35\x00\x18\x04\x51", 24.4, 53.0),  # ASAIR, DHT11 datasheet 1.3
        (b"\x35\x00\x18\x00\x4d", 24.0, 53.0),  # one without tenths
        (b"\x35\x08\x18\x04\x59", 24.4, 53.8),
        (b"\x2d\x00\x05\x83\xb5", -5.3, 45.0),  # issue 14, item 7
        (b"\x2d\x00\x00\x80\xad", 0, 45.0),
    ):
        assert sum(frame[:4]) & 0xFF == frame[4], frame
        _, sensor = dht22([frame], DHT11)
        assert sensor.read() == {"temperature": temperature, "humidity": humidity}, frame


def test_dht22_its_whole_range_in_both_ways_of_counting():
    for tenths in list(range(-400, 801, 37)) + [-1, 0, 1, 800]:
        for raw in (tenths & 0xFFFF, tenths if tenths >= 0 else 0x8000 - tenths):
            _, sensor = dht22([bytes((1, 0xF4, raw >> 8, raw & 0xFF))])
            assert sensor.read()["temperature"] == tenths / 10, raw


def test_dht_asked_too_soon_gives_the_last_values():
    port, sensor = dht22([GOOD, AGAIN])
    first = sensor.read()
    port.sleep_ms(1_999)
    assert sensor.read() == first
    port.sleep_ms(1)
    assert sensor.read()["temperature"] == 20.3


def test_dht_fails_once_is_tried_again_after_the_pause():
    for failure in (ETIMEDOUT, CHECKSUM, bytes(5), b"\x01\xf4\x03\xde"):
        port, sensor = dht22([failure, GOOD])
        start = port.uptime_ms()
        assert sensor.read()["temperature"] == 26.9
        assert 2_000 <= port.uptime_ms() - start < 2_600


def test_dht_fails_twice_says_why():
    for failure, words in (
        (ETIMEDOUT, "no answer on pin 4"),
        (CHECKSUM, "checksum"),
        (bytes(5), "zeros on pin 4"),
        (b"\x01\xf4\x03\x2a", "temperature 81.0 is out of"),
        (b"\x01\xf4\xfe\x6f", "temperature -40.1 is out of"),
        (b"\x01\xf4\x81\x91", "temperature -40.1 is out of"),
        (b"\x03\xe9\x00\xc8", "humidity 100.1 is out of"),
        (b"\x35\x00\x18\x04", "temperature 614.8 is out of"),  # a DHT11
        (b"\xff\xff\x00\xc8", "humidity 6553.5 is out of"),
    ):
        _, sensor = dht22([failure, failure])
        assert words in sensor_error(sensor.read), failure


def test_dht11_what_it_cannot_have_sent_is_an_error():
    for frame, words in (
        (bytes(5), "zeros on pin 4"),
        (b"\x02\x92\x01\x0d", "is it a DHT22?"),
        (b"\x02\x92\x01\x05", "is it a DHT22?"),
        (b"\x02\x05\x01\x05", "humidity 2.5 is out of"),
        (b"\x2d\x00\x15\x83", "temperature -21.3 is out of"),
        (b"\x2d\x00\x3d\x00", "temperature 61.0 is out of"),
        (b"\x2d\x00\x05\x8a", "is it a DHT22?"),
    ):
        _, sensor = dht22([frame, frame], DHT11)
        assert words in sensor_error(sensor.read), frame


def test_dht_failure_leaves_no_old_values_behind():
    port, sensor = dht22([GOOD, ETIMEDOUT, ETIMEDOUT, ETIMEDOUT, ETIMEDOUT])
    sensor.read()
    port.sleep_ms(60_000)
    sensor_error(sensor.read)
    sensor_error(sensor.read)


def test_dht_error_of_another_kind_is_not_hidden():
    _, sensor = dht22([MemoryError()])
    try:
        sensor.read()
    except MemoryError:
        return
    raise AssertionError("hidden")


def test_dht11_has_its_own_pause():
    port, sensor = dht22([ETIMEDOUT, b"\x35\x00\x18\x04"], DHT11)
    start = port.uptime_ms()
    assert sensor.read()["temperature"] == 24.4
    assert 1_000 <= port.uptime_ms() - start < 1_600


def test_dht_watchdog_is_fed_while_it_waits():
    port, sensor = dht22([CHECKSUM, GOOD])
    port.start_watchdog(1_000)
    sensor.read()  # a watchdog that bites raises Reset


def test_dht_however_long_ago_it_was_read_it_is_read_anew_and_at_once():
    # Longer than ticks can tell apart, and where they are the same again: they wrap at 2^30 ms.
    day_ms = 86_400_000
    for make_port in (esp32_port, rp2_port):
        for wait_ms in (day_ms, 1 << 29, 7 * day_ms, 1 << 30, 1 << 31, 30 * day_ms):
            port, sensor = dht22([GOOD, AGAIN], port=make_port())
            sensor.read()
            left_ms = wait_ms
            while left_ms:  # the loop looks at the time far more often
                port.sleep_ms(min(left_ms, day_ms))
                left_ms -= min(left_ms, day_ms)
                port.uptime_ms()
            assert sensor.read()["temperature"] == 20.3, wait_ms
            assert port.uptime_ms() == wait_ms


def test_dht_loop_of_ones_own_that_sleeps_for_a_week_does_not_wait_for_days():
    for make_port in (esp32_port, rp2_port):
        for days in (7, 8, 12):
            port, sensor = dht22([GOOD, AGAIN], port=make_port())
            sensor.read()
            start = port._time._chip.now_ms
            port.sleep_ms(days * 86_400_000)
            assert sensor.read()["temperature"] == 20.3
            assert port._time._chip.now_ms - start == days * 86_400_000


# -- DS18x20 --------------------------------------------------------------------------------------

ROM_A = b"\x28\xff\x64\x1e\x0f\x00\x00\x01"
ROM_B = b"\x28\xff\x64\x1e\x0f\x00\x00\x02"
ROM_S = b"\x10\xb0\x15\x16\x03\x08\x00\xf1"  # a DS18S20
# cpetrich/counterfeit_DS18B20, issue 40 and issue 3 (for the DS18S20).
POWER_ON = b"\x50\x05\x4b\x46\x7f\xff\x0c\x10\x1c"
ROM_N = b"\x28\x00\x74\x28\x59\x43\x0f\x7a"  # NOVOSENSE NS18B20, family E there
POWER_ON_N = b"\x50\x05\x4b\x46\x7f\xff\x10\x10\xbd"
POWER_ON_S = b"\xaa\x00\xb4\xb9\xff\xff\x0c\x10\x18"


class FakeOneWire:
    """The module onewire."""

    class OneWireError(Exception):
        pass

    @staticmethod
    def OneWire(pin):  # noqa: N802 - the module's name
        return pin


class FakeDS18X20:
    """The module ds18x20; `degrees` is {rom: the scratchpad, or the error that read_temp raises}.

    A number stands for the scratchpad that an authentic DS18B20 has after that conversion.
    """

    def __init__(self, degrees):
        self.degrees = degrees
        self.convert_error = None
        self.buf = bytearray(9)

    def DS18X20(self, bus):  # noqa: N802
        return self

    def scan(self):
        return [bytearray(rom) for rom in self.degrees]

    def convert_temp(self):
        if self.convert_error:
            raise self.convert_error

    def read_temp(self, rom):
        value = self.degrees[bytes(rom)]
        if isinstance(value, Exception):
            raise value
        if isinstance(value, bytes):
            self.buf[:] = value
        else:
            raw = int(value * 16)
            head = bytes((raw & 0xFF, raw >> 8 & 0xFF)) + b"\x4b\x46\x7f\xff"
            self.buf[:] = head + bytes((16 - (raw & 15), 0x10, 0))
        # The driver's own reckoning.
        low, high = self.buf[0], self.buf[1]
        if rom[0] == 0x10:
            whole = (low >> 1) - 128 if high else low >> 1
            return whole - 0.25 + (self.buf[7] - self.buf[6]) / self.buf[7]
        raw = high << 8 | low
        return (raw - 65_536 if high & 0x80 else raw) / 16


def ds18x20(degrees, roms=None):
    chip = fakes_chip.ESP32Chip()
    driver = FakeDS18X20(degrees)
    sensor = DS18X20(esp32_port(chip), 5, roms=roms, onewire=FakeOneWire, driver=driver)
    return chip, driver, sensor


def test_ds18x20_one_on_the_bus_is_read_after_its_conversion():
    chip, _, sensor = ds18x20({ROM_A: 21.0625})
    start = chip.now_ms
    assert sensor.read() == {"temperature": 21.06}
    assert chip.now_ms - start == 750


def test_ds18x20_a_real_85_and_a_real_zero_are_values():
    for rom, memory, degrees in (
        (ROM_A, b"\x50\x05\x4b\x46\x7f\xff\x10\x10\xbd", 85.0),
        (ROM_A, b"\x00\x00\x4b\x46\x7f\xff\x10\x10\x71", 0.0),
        (ROM_A, b"\x51\x05\x4b\x46\x7f\xff\x0c\x10\x00", 85.06),  # a clone: always 0x0C
        (ROM_S, b"\x00\x00\xb4\xb9\xff\xff\x0c\x10\x00", 0.0),
        (ROM_S, b"\xaa\x00\xb4\xb9\xff\xff\x0b\x10\x00", 85.06),
    ):
        _, _, sensor = ds18x20({rom: memory})
        assert sensor.read() == {"temperature": degrees}, memory


def test_ds18x20_several_named_by_rom():
    roms = {"in": "28ff641e0f000001", "out": "28FF641E0F000002"}
    _, _, sensor = ds18x20({ROM_A: 21.0, ROM_B: -3.5}, roms)
    assert sensor.read() == {"in": 21.0, "out": -3.5}


def test_ds18x20_several_not_named_tells_their_ids():
    _, _, sensor = ds18x20({ROM_A: 21.0, ROM_B: -3.5})
    words = sensor_error(sensor.read)
    assert "2 thermometers" in words and "28ff641e0f000001" in words


def test_ds18x20_failures_are_told_as_such():
    for degrees, words in (
        ({}, "0 thermometers on pin 5"),
        ({ROM_A: Exception("CRC error")}, "wrong CRC"),
        ({ROM_A: FakeOneWire.OneWireError()}, "does not answer"),
        ({ROM_A: POWER_ON}, "power-on value"),
        ({ROM_S: POWER_ON_S}, "power-on value"),
        ({ROM_N: POWER_ON_N}, "power-on value"),
        ({ROM_A: bytes(9)}, "nothing but zeros"),
        ({ROM_S: bytes(9)}, "nothing but zeros"),
        ({ROM_A: b"\xff\x07\x4b\x46\x7f\xff\x01\x10\x7f"}, "127.9"),  # a failed conversion
        ({ROM_A: 126}, "out of the sensor's range"),
    ):
        _, _, sensor = ds18x20(degrees)
        assert words in sensor_error(sensor.read), words
    _, driver, sensor = ds18x20({ROM_A: 20})
    driver.convert_error = FakeOneWire.OneWireError()
    assert "check wiring" in sensor_error(sensor.read)


def test_ds18x20_error_of_another_kind_is_not_hidden():
    _, _, sensor = ds18x20({ROM_A: MemoryError()})
    try:
        sensor.read()
    except MemoryError:
        return
    raise AssertionError("hidden")


def test_ds18x20_rom_that_is_none_is_refused():
    for rom in ("", "28ff", "zz" * 8, "28ff641e0f00000101", 5):
        try:
            ds18x20({}, {"in": rom})
        except ValueError as error:
            assert "roms.in" in str(error)
        else:
            raise AssertionError(rom)


# -- analog ---------------------------------------------------------------------------------------


def test_analog_volts_scaled_and_named():
    port = esp32_port()
    assert Analog(port, 34).read() == {"voltage": 1.65}
    scaled = Analog(port, 34, scale=100, offset=-40, value="moisture", digits=1)
    assert scaled.read() == {"moisture": 125.0}
    assert abs(Analog(rp2_port(), 26).read()["voltage"] - 1.65) < 0.002


def test_analog_samples_are_averaged():
    readings = [1_000_000, 2_000_000, 3_000_000]
    port = esp32_port()
    port.analog = lambda pin: lambda: readings.pop(0)
    assert Analog(port, 34, samples=3).read() == {"voltage": 2.0}
    assert readings == []


def test_analog_pin_taken_by_the_radio_says_so():
    def busy():
        raise OSError(0x105)

    port = esp32_port()
    port.analog = lambda pin: busy
    assert "while Wi-Fi is on" in sensor_error(Analog(port, 34).read)
