"""Sensors: building from the config, reading all, and each driver's failures."""

import fakes_chip
import fakes_wifi
from linkpost.errors import ConfigError, SensorError
from linkpost.ports.esp32 import ESP32Port
from linkpost.ports.host import HostPort
from linkpost.ports.rp2 import RP2Port
from linkpost.sensor_types import TYPES, files
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


def test_build_nothing_is_an_empty_list():
    assert build([], esp32_port()) == []
    assert read_all([]) == {}


def test_build_every_type_has_its_file_and_class():
    for kind in TYPES:
        file, class_name = TYPES[kind]
        module = __import__("linkpost.sensors." + file, None, None, (class_name,))
        assert getattr(module, class_name).kind == kind
        assert isinstance(getattr(module, class_name).OPTIONS, dict)


def test_files_are_those_that_the_config_needs():
    assert files([]) == ["system"]  # each boot stores one
    specs = [{"type": "dht22"}, {"type": "onchip"}, {"type": "dht11"}]
    assert files(specs) == ["dht", "onchip", "system"]
    assert files([{"type": "user.soil"}, {"type": "bme280"}]) == ["bme280", "system", "user"]


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
        # No machine that runs these tests has the drivers of MicroPython's chips.
        ([{"type": "dht22", "pin": 4}], "sensors[0].type"),
        ([{"type": "ds18x20", "pin": 4}], "sensors[0].type"),
    ):
        assert config_error(specs).key == key, specs


def test_build_file_of_the_type_not_on_the_board_says_deploy():
    TYPES["lost"] = ("lost", "Lost")
    try:
        error = config_error([{"type": "lost"}])
    finally:
        del TYPES["lost"]
    assert error.key == "sensors[0].type" and "deploy again" in str(error)


def test_build_on_the_desktop_a_sensor_with_a_pin_is_refused_in_words():
    error = config_error([{"type": "analog", "pin": 34}], HostPort())
    assert "no analog pins" in str(error)


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
            "b": "I/O error 116",
            "simulated": "simulated failure",
            "Fixed": "mine",
        },
    }


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
    assert OnChip(esp32_port()).read() == {"temperature": 53.3}
    assert OnChip(rp2_port()).read() == {"temperature": 27.0}


def test_onchip_desktop_has_none():
    assert "no temperature sensor" in sensor_error(OnChip(HostPort()).read)


def test_system_tells_what_the_board_knows():
    port = rp2_port()
    port.heap_free = lambda: 123_456
    port.sleep_ms(7_900)
    values = System(port, lambda: {"dropped": 2}).read()
    assert values["reset_cause"] == "power on"
    assert values["uptime_s"] == 7
    assert values["heap_free"] == 123_456
    assert values["chip_id"] == "e66044" + "30433a8b2f"
    assert values["dropped"] == 2
    assert "wifi_rssi" not in values and "heap_largest" not in values
    assert values["version"].count(".") == 2


def test_system_signal_and_largest_block_are_there_where_known():
    chip = fakes_chip.ESP32Chip()
    network = fakes_wifi.Network(chip, fakes_wifi.Air(lab=("x", True)), fakes_wifi.ESP32Station)
    port = ESP32Port(chip.machine, network, fakes_chip.ESP32Module(), chip.time)
    port.heap_free = lambda: 1
    port.start_station("", "", False)
    port.station().connect("lab", "x")
    port.sleep_ms(10_000)
    values = System(port).read()
    assert values["wifi_rssi"] == -61 and values["heap_largest"] == 40_960
    assert "error" not in read_all([("", System(port))])


# -- DHT ------------------------------------------------------------------------------------------


class FakeDHT:
    """dht.DHT22: each measure() takes the next outcome, an error or (temperature, humidity)."""

    outcomes = []

    def __init__(self, pin):
        self.pin = pin

    def measure(self):
        outcome = FakeDHT.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        self._values = outcome

    def temperature(self):
        return self._values[0]

    def humidity(self):
        return self._values[1]


ETIMEDOUT = OSError(116)  # what dht_readinto raises on esp32; 110 on rp2
CHECKSUM = Exception("checksum error")  # the driver's own


def dht22(outcomes, sensor_class=DHT22):
    chip = fakes_chip.ESP32Chip()
    FakeDHT.outcomes = list(outcomes)
    return chip, sensor_class(esp32_port(chip), 4, driver=FakeDHT)


def test_dht_values_have_one_decimal():
    _, sensor = dht22([(23.400000000000002, 45.6)])
    assert sensor.read() == {"temperature": 23.4, "humidity": 45.6}


def test_dht_asked_too_soon_gives_the_last_values():
    chip, sensor = dht22([(20.0, 50.0), (21.0, 51.0)])
    first = sensor.read()
    chip.advance(1_999)
    assert sensor.read() == first
    chip.advance(1)
    assert sensor.read()["temperature"] == 21.0


def test_dht_fails_once_is_tried_again_after_the_pause():
    for failure in (ETIMEDOUT, CHECKSUM, (99.0, 50.0)):
        chip, sensor = dht22([failure, (20.0, 50.0)])
        start = chip.now_ms
        assert sensor.read()["temperature"] == 20.0
        assert 2_000 <= chip.now_ms - start < 2_600


def test_dht_fails_twice_says_why():
    for failure, words in (
        (ETIMEDOUT, "no answer on pin 4"),
        (CHECKSUM, "checksum"),
        ((81.0, 50.0), "temperature 81.0 is out of"),
        ((20.0, 100.1), "humidity 100.1 is out of"),
    ):
        _, sensor = dht22([failure, failure])
        assert words in sensor_error(sensor.read), failure


def test_dht_failure_leaves_no_old_values_behind():
    chip, sensor = dht22([(20.0, 50.0), ETIMEDOUT, ETIMEDOUT, ETIMEDOUT, ETIMEDOUT])
    sensor.read()
    chip.advance(60_000)
    sensor_error(sensor.read)
    sensor_error(sensor.read)


def test_dht_error_of_another_kind_is_not_hidden():
    _, sensor = dht22([MemoryError()])
    try:
        sensor.read()
    except MemoryError:
        return
    raise AssertionError("hidden")


def test_dht11_has_its_own_range_and_pause():
    chip, sensor = dht22([(51, 50), (20, 50)], DHT11)
    start = chip.now_ms
    assert sensor.read() == {"temperature": 20, "humidity": 50}
    assert 1_000 <= chip.now_ms - start < 1_600


def test_dht_watchdog_is_fed_while_it_waits():
    chip, sensor = dht22([CHECKSUM, (20.0, 50.0)])
    port = sensor._port
    port.start_watchdog(1_000)
    sensor.read()
    assert chip.resets == 0


# -- DS18x20 --------------------------------------------------------------------------------------

ROM_A = b"\x28\xff\x64\x1e\x0f\x00\x00\x01"
ROM_B = b"\x28\xff\x64\x1e\x0f\x00\x00\x02"


class FakeOneWire:
    """The module onewire."""

    class OneWireError(Exception):
        pass

    @staticmethod
    def OneWire(pin):  # noqa: N802 - the module's name
        return pin


class FakeDS18X20:
    """The module ds18x20; `degrees` is {rom: number or the error that read_temp raises}."""

    def __init__(self, degrees):
        self.degrees = degrees
        self.convert_error = None

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
        return value


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
        ({ROM_A: 85}, "power-on value"),
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
