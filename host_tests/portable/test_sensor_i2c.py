"""What sensors on an I2C bus share: one bus for all, pins, addresses, failures, the checksum."""

import sys

import fakes_i2c
from linkpost.config import Config
from linkpost.errors import ConfigError, SensorError
from linkpost.ports.host import HostPort
from linkpost.sensors import i2c, read_all
from linkpost.sensors.building import build
from linkpost.sensors.i2c import I2CSensor, crc8
from test_sensor_aht20 import FRAMES
from test_sensor_aht20 import Chip as AHTChip
from test_sensor_bme280 import Chip as BMEChip

DEVICE = {
    "endpoint": "iot.example",
    "product_key": "a1B2c3D4e5F",
    "device_name": "sensor01",
    "device_secret": "0123456789abcdef",
}


class Echo(I2CSensor):
    """Writes two bytes, reads one."""

    kind = "echo"
    ADDRESSES = (0x10, 0x11)
    prepared = 0

    def _prepare(self):
        self.prepared += 1

    def _measure(self):
        self._write(b"ab")
        return {"x": self._read(1)[0]}


class Answer:
    """A chip that acknowledges so many bytes and answers 7."""

    acknowledges = 2

    def written(self, data):
        return min(len(data), self.acknowledges)

    def read(self, length):
        return b"\x07" * length


def refused(make):
    try:
        make()
    except ValueError as error:
        return str(error)
    raise AssertionError("made")


def failed(sensor):
    try:
        sensor.read()
    except SensorError as error:
        return str(error)
    raise AssertionError("read")


def test_crc_of_the_datasheet():
    # SHT3x datasheet, table 20.
    assert crc8(b"\xbe\xef") == 0x92
    assert crc8(b"") == 0xFF
    for data in (b"\x00", b"\xff\x00", b"\x1c\x26\x9a\x76\x42\xe7", bytes(range(40))):
        assert crc8(data) == fakes_i2c.crc(data), data


def test_sensors_on_the_same_pins_share_one_bus():
    bench = fakes_i2c.Bench()
    one, two = bench.make(Echo), bench.make(Echo, address=0x11)
    assert one._bus is two._bus
    assert [made[:4] for made in bench.machine.made] == [(None, 21, 22, 100_000)]
    other = bench.make(Echo, sda=4, scl=5)
    assert other._bus is not one._bus


def test_chips_own_bus_with_its_own_pins_or_given_ones():
    bench = fakes_i2c.Bench()
    bench.make(Echo, i2c=0)
    bench.make(Echo, i2c=0)
    bench.make(Echo, i2c=1, sda=4, scl=5)
    assert [made[:3] for made in bench.machine.made] == [(0, None, None), (1, 4, 5)]
    # Made again with other pins, the first sensor's bus would be gone.
    assert "other pins" in refused(lambda: bench.make(Echo, i2c=0, sda=4, scl=5))
    assert "exist" in refused(lambda: bench.make(Echo, i2c=7))


def test_pins_come_in_pairs_and_are_the_chips():
    bench = fakes_i2c.Bench()
    assert "both" in refused(lambda: Echo(bench.port, sda=4, machine=bench.machine))
    assert "invalid pin" in refused(lambda: bench.make(Echo, sda=99))
    assert i2c.buses == {}


def test_usual_pins_are_those_of_the_chip_that_it_runs_on():
    class Implementation:
        _machine = "Generic ESP32S3 module with ESP32S3"

    class System:
        implementation = Implementation

    bench = fakes_i2c.Bench()
    i2c.sys = System
    try:
        Echo(bench.port, machine=bench.machine)
        assert bench.machine.made[0][1:3] == (8, 9)
        System.implementation._machine = "Raspberry Pi Pico 2 W with RP2350-RISCV"
        Echo(bench.port, machine=bench.machine)
        assert bench.machine.made[1][1:3] == (4, 5)
        System.implementation._machine = "some board"
        assert "sda and scl" in refused(lambda: Echo(bench.port, machine=bench.machine))
    finally:
        i2c.sys = sys


def test_address_is_a_number_or_hex_and_one_of_the_chips():
    bench = fakes_i2c.Bench()
    assert bench.make(Echo)._address == 0x10
    assert bench.make(Echo, address=17)._address == 0x11
    assert bench.make(Echo, address="0x11")._address == 0x11
    assert bench.make(Echo, address="11")._address == 0x11
    for bad in (0x12, "0x12", "", "zz", -1):
        assert "0x10 or 0x11" in refused(lambda bad=bad: bench.make(Echo, address=bad))


def test_read_chip_that_is_not_there_says_where_it_was_looked_for():
    sensor = fakes_i2c.Bench().make(Echo)
    assert "0x10" in failed(sensor) and "wiring" in failed(sensor)


def test_read_each_error_of_a_bus_is_a_sensor_error():
    bench = fakes_i2c.Bench()
    sensor = bench.make(Echo)
    bench.bus.chips[0x10] = Answer()
    for number, words in (
        (fakes_i2c.ENODEV, "no answer"),
        (fakes_i2c.EIO, "no answer"),
        (fakes_i2c.ETIMEDOUT, "bus hangs"),
    ):
        for quiet in (0, 1):  # at the write, at the read
            bench.bus.fail = ([0] * quiet + [number]) * 2
            if quiet:
                bench.bus.fail = [0, number, 0, number]
            assert words in failed(sensor), (number, quiet)
            assert bench.bus.fail == []
    assert sensor.read() == {"x": 7}


def test_read_byte_that_was_not_acknowledged_is_no_answer():
    bench = fakes_i2c.Bench()
    sensor = bench.make(Echo)
    bench.bus.chips[0x10] = chip = Answer()
    chip.acknowledges = 1
    assert "no answer" in failed(sensor)


def test_read_fails_once_is_tried_again_from_the_beginning():
    bench = fakes_i2c.Bench()
    sensor = bench.make(Echo)
    bench.bus.chips[0x10] = Answer()
    sensor.read()
    sensor.read()
    assert sensor.prepared == 1
    bench.bus.fail = [fakes_i2c.EIO]
    assert sensor.read() == {"x": 7}
    assert sensor.prepared == 2


def test_read_error_of_another_kind_is_not_hidden():
    bench = fakes_i2c.Bench()
    sensor = bench.make(Echo)
    bench.bus.chips[0x10] = chip = Answer()

    def full(length):
        raise MemoryError

    chip.read = full
    try:
        sensor.read()
    except MemoryError:
        return
    raise AssertionError("hidden")


def test_build_where_there_is_no_bus_names_the_key():
    i2c.buses.clear()
    for kind in ("aht20", "sht3x", "bme280"):
        # No machine that runs these tests has an I2C bus.
        for spec in ({"type": kind, "sda": 4, "scl": 5}, {"type": kind}):
            try:
                build([spec], HostPort())
            except ConfigError as error:
                assert error.key.startswith("sensors[0]"), error
                continue
            raise AssertionError(spec)


def test_build_from_a_config_two_sensors_are_read_over_one_bus():
    bench = fakes_i2c.Bench()
    kept = sys.modules.get("machine")
    sys.modules["machine"] = bench.machine
    try:
        specs = [
            {"type": "aht20", "sda": 21, "scl": 22},
            {"type": "bme280", "sda": 21, "scl": 22, "address": "0x77", "name": "out"},
            {"type": "sht3x", "sda": 21, "scl": 22, "name": "in"},
        ]
        built = build(Config(dict(DEVICE, sensors=specs)).sensors, bench.port)
        for spec, key in (
            ({"type": "bme280", "sda": 21, "scl": 22, "address": 5}, "sensors[0]"),
            ({"type": "sht3x", "sda": 99, "scl": 22}, "sensors[0]"),
            ({"type": "aht20", "sda": [21], "scl": 22}, "sensors[0].sda"),
            ({"type": "aht20", "pin": 21}, "sensors[0].pin"),
        ):
            try:
                build([spec], bench.port)
            except ConfigError as error:
                assert error.key == key, error
                continue
            raise AssertionError(spec)
    finally:
        if kept is None:
            del sys.modules["machine"]
        else:
            sys.modules["machine"] = kept
    assert len(bench.machine.made) == 1
    bench.bus.chips[0x38] = AHTChip(bench.chip, FRAMES[0][0])
    bench.bus.chips[0x77] = BMEChip(bench.chip)
    reading = read_all(built)
    assert reading["out_temperature"] == 25.08
    assert reading["temperature"] == 20.16
    # The one that is not there stops no other.
    assert list(reading["error"]) == ["in"] and "0x44" in reading["error"]["in"]
