"""SHT3x: the datasheet's formulas and checksum, and a chip that misbehaves."""

import fakes_i2c
from linkpost.errors import SensorError
from linkpost.sensors.sht3x import SHT3x


class Chip:
    """The SHT3x's side of the bus (datasheet, chapter 4)."""

    measure_ms = 15

    def __init__(self, clock, temperature, humidity):
        self.clock = clock
        self.words = temperature, humidity
        self.damage = []
        self.commands = []
        self.is_periodic = False
        self.ready_at_ms = None

    def written(self, data):
        self.commands.append(data)
        if data == b"\x30\x93":
            self.is_periodic = False
        elif self.is_periodic:
            return 0  # it takes nothing but a break
        elif data == b"\x24\x00":
            self.ready_at_ms = self.clock.now_ms + self.measure_ms
        return len(data)

    def read(self, length):
        if self.ready_at_ms is None or self.clock.now_ms < self.ready_at_ms:
            raise OSError(fakes_i2c.ENODEV)  # no clock stretching: it does not acknowledge
        self.ready_at_ms = None
        data = b""
        for word in self.words:
            two = bytes([word >> 8, word & 0xFF])
            data += two + bytes([fakes_i2c.crc(two)])
        if self.damage:
            bit = self.damage.pop(0)
            data = bytearray(data)
            data[bit // 8] ^= 0x80 >> bit % 8
        return bytes(data)


def sht3x(temperature=0x6666, humidity=0x8000, **options):
    bench = fakes_i2c.Bench()
    sensor = bench.make(SHT3x, **options)
    bench.bus.chips[options.get("address", 0x44)] = chip = Chip(bench.chip, temperature, humidity)
    return bench, chip, sensor


def failed(sensor):
    try:
        sensor.read()
    except SensorError as error:
        return str(error)
    raise AssertionError("read")


def test_sht3x_formulas_of_the_datasheet():
    # Section 4.13: T = -45 + 175 * S / (2^16 - 1), RH = 100 * S / (2^16 - 1).
    assert sht3x(0x6666, 0x8000)[2].read() == {"temperature": 25.0, "humidity": 50.0}
    for temperature, humidity in ((0x0800, 0), (0x4234, 1), (0xBEEF, 0xBEEF), (0xF000, 0xFFFF)):
        values = sht3x(temperature, humidity)[2].read()
        assert abs(values["temperature"] - (-45 + 175 * temperature / 65535)) < 0.006
        assert abs(values["humidity"] - 100 * humidity / 65535) < 0.006
        assert 0 <= values["humidity"] <= 100


def test_sht3x_second_address():
    assert sht3x(address=0x45)[2].read()["temperature"] == 25.0


def test_sht3x_is_reset_once_and_then_measures_single_shots():
    bench, chip, sensor = sht3x()
    sensor.read()
    start = bench.chip.now_ms
    sensor.read()
    assert chip.commands == [b"\x30\x93", b"\x30\xa2", b"\x24\x00", b"\x24\x00"]
    assert 15 <= bench.chip.now_ms - start <= 20


def test_sht3x_left_measuring_by_another_program_is_stopped():
    _, chip, sensor = sht3x()
    chip.is_periodic = True
    assert sensor.read()["humidity"] == 50.0


def test_sht3x_every_wrong_bit_is_noticed():
    for bit in range(48):
        _, chip, sensor = sht3x()
        chip.damage = [bit, bit]
        assert "checksum" in failed(sensor), bit
        chip.damage = [bit]
        assert sensor.read()["temperature"] == 25.0


def test_sht3x_not_ready_in_time_is_no_answer_and_ends():
    bench, chip, sensor = sht3x()
    chip.measure_ms = 1 << 30
    start = bench.chip.now_ms
    assert "no answer at I2C address 0x44" in failed(sensor)
    assert bench.chip.now_ms - start < 100


def test_sht3x_temperature_that_it_cannot_measure_is_refused():
    for temperature in (0, 0xFFFF):
        assert "range" in failed(sht3x(temperature)[2])
