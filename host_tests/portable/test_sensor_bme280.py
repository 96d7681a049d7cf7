"""BME280: the datasheets' worked values and formulas, trimming with its signs, a bad chip."""

import fakes_i2c
from linkpost.errors import SensorError
from linkpost.sensors.bme280 import BME280, compensate, parse_trimming

# Temperature and pressure: the worked example of Bosch's BMP280 datasheet (BST-BMP280-DS001,
# section 3.12), whose formulas are the same: 25.08 degrees, 100653.27 Pa. The humidity's numbers
# are of a common chip.
TRIMMING = (27504, 26435, -1000, 36477, -10685, 3024, 2855, 140, -7, 15500, -14600, 6000) + (
    75,
    361,
    0,
    321,
    50,
    30,
)
ADC_T, ADC_P, ADC_H = 519_888, 415_148, 25_000


def as_floats(trimming, adc_t, adc_p, adc_h):
    """The datasheet's other formulas, in floating point (appendix 8.1): the reference here."""
    t1, t2, t3, p1, p2, p3, p4, p5, p6, p7, p8, p9, h1, h2, h3, h4, h5, h6 = trimming
    part = (adc_t / 16384 - t1 / 1024) * t2
    off = adc_t / 131072 - t1 / 8192
    fine = part + off * off * t3
    a = fine / 2 - 64000
    b = a * a * p6 / 32768 + a * p5 * 2
    b = b / 4 + p4 * 65536
    scale = (1 + (p3 * a * a / 524288 + p2 * a) / 524288 / 32768) * p1
    p = (1048576 - adc_p - b / 4096) * 6250 / scale
    p += (p9 * p * p / 2147483648 + p * p8 / 32768 + p7) / 16
    h = fine - 76800
    h = (adc_h - (h4 * 64 + h5 / 16384 * h)) * (
        h2 / 65536 * (1 + h6 / 67108864 * h * (1 + h3 / 67108864 * h))
    )
    h *= 1 - h1 * h / 524288
    return fine / 5120, p, min(max(h, 0), 100)


def low_registers(trimming):
    """0x88..0xA1, little endian, and H1 behind a byte that is none."""
    words = b"".join([bytes([word & 0xFF, word >> 8 & 0xFF]) for word in trimming[:12]])
    return words + b"\xaa" + bytes([trimming[12]])


def high_registers(trimming):
    """0xE1..0xE7 (datasheet, table 16)."""
    h2, h3, h4, h5, h6 = trimming[13:]
    return bytes(
        [
            h2 & 0xFF,
            h2 >> 8 & 0xFF,
            h3,
            h4 >> 4 & 0xFF,
            h4 & 0x0F | (h5 & 0x0F) << 4,
            h5 >> 4 & 0xFF,
            h6 & 0xFF,
        ]
    )


class Chip:
    """The BME280's registers; it measures when told to, as section 3.3.3 says."""

    measure_ms = 9

    def __init__(self, clock, trimming=TRIMMING, adc=(ADC_T, ADC_P, ADC_H)):
        self.clock = clock
        self.adc = adc
        self.low, self.high = low_registers(trimming), high_registers(trimming)
        self.chip_id = 0x60
        self.resets = 0
        self.flaky = []  # what reads of 0x88 give instead
        self.power_on()

    def power_on(self):
        self.data = b"\x80\x00\x00\x80\x00\x00\x80\x00"
        self.hum = 0
        self.hum_counts = 0
        self.ready_at_ms = None
        self.copied_at_ms = self.clock.now_ms + 2

    def set_registers(self, register, data):
        value = data[0]
        if register == 0xE0 and value == 0xB6:
            self.resets += 1
            self.power_on()
        elif register == 0xF2:
            self.hum = value
        elif register == 0xF4:
            self.hum_counts = self.hum
            if value & 3 in (1, 2):  # forced
                self.ready_at_ms = self.clock.now_ms + self.measure_ms

    def registers(self, register, length):
        if register == 0xD0:
            return bytes([self.chip_id])
        if register == 0x88:
            return self.flaky.pop(0) if self.flaky else self.low[:length]
        if register == 0xE1:
            return self.high[:length]
        measuring = self.ready_at_ms is not None and self.clock.now_ms < self.ready_at_ms
        if register == 0xF3:
            return bytes([measuring << 3 | (self.clock.now_ms < self.copied_at_ms)])
        assert register == 0xF7 and not measuring
        if self.ready_at_ms is not None:
            t, p, h = self.adc
            raw = p << 28 | t << 4
            self.data = bytes([raw >> shift & 0xFF for shift in (40, 32, 24, 16, 8, 0)])
            self.data += bytes([h >> 8, h & 0xFF]) if self.hum_counts else b"\x80\x00"
        return self.data


def bme280(**options):
    bench = fakes_i2c.Bench()
    sensor = bench.make(BME280)
    bench.bus.chips[0x76] = chip = Chip(bench.chip, **options)
    return bench, chip, sensor


def failed(sensor):
    try:
        sensor.read()
    except SensorError as error:
        return str(error)
    raise AssertionError("read")


def test_compensate_worked_example_of_the_datasheet():
    centi, q8_pascal, q10_percent = compensate(TRIMMING, ADC_T, ADC_P, ADC_H)
    assert centi == 2508
    assert abs(q8_pascal / 256 - 100653.27) < 0.05
    assert abs(q10_percent / 1024 - as_floats(TRIMMING, ADC_T, ADC_P, ADC_H)[2]) < 0.02


def test_compensate_agrees_with_the_datasheets_floating_point():
    signs = TRIMMING[:12] + (75, 363, 0, -349, -30, -30)
    other = (28485, 26735, 50, 36738, -10635, 3024, 6980, -4, -7, 9900, -10230, 4285) + (
        0,
        370,
        0,
        313,
        50,
        30,
    )
    seen = 0
    for trimming in (TRIMMING, signs, other):
        for adc_t in range(380_000, 680_000, 30_011):
            for adc_p in range(250_000, 520_000, 30_011):
                for adc_h in (0, 12_345, 25_000, 31_000, 65_535):
                    celsius, pascal, percent = as_floats(trimming, adc_t, adc_p, adc_h)
                    centi, q8_pascal, q10_percent = compensate(trimming, adc_t, adc_p, adc_h)
                    assert abs(centi / 100 - celsius) < 0.011
                    assert abs(q8_pascal / 256 - pascal) < 1
                    assert abs(q10_percent / 1024 - percent) < 0.05
                    assert 0 <= q10_percent <= 102_400
                    seen += 0 < q10_percent < 102_400
    assert seen > 300


def test_trimming_keeps_every_sign():
    for trimming in (
        TRIMMING,
        (1, -1, -32768, 65534, 32767, -2, -3, -4, -5, -6, -7, -8, 255, -9, 255, -2048, -1, -128),
        (40000, 1, 2, 40001, 3, 4, 5, 6, 7, 8, 9, 10, 0, 11, 0, 2047, -2048, 127),
    ):
        assert parse_trimming(low_registers(trimming), high_registers(trimming)) == trimming


def test_bme280_reads_all_three():
    _, chip, sensor = bme280()
    values = sensor.read()
    assert values["temperature"] == 25.08
    assert abs(values["pressure"] - 1006.53) < 0.001
    assert abs(values["humidity"] - 24.14) < 0.01
    sensor.read()
    assert chip.resets == 1  # the calibration is read once


def test_bme280_power_lost_between_two_reads_is_no_trouble():
    _, chip, sensor = bme280()
    sensor.read()
    chip.power_on()
    assert sensor.read()["temperature"] == 25.08


def test_bme280_other_chips_are_told_apart():
    for chip_id, words in ((0x58, "BMP280"), (0x61, "0x61"), (0x00, "0x00"), (0xFF, "0xff")):
        _, chip, sensor = bme280()
        chip.chip_id = chip_id
        assert words in failed(sensor)


def test_bme280_without_a_measurement_is_an_error():
    for skipped in (
        (0x80000, ADC_P, ADC_H),
        (ADC_T, 0x80000, ADC_H),
        (ADC_T, ADC_P, 0x8000),
        # A wire that came loose before the last two bytes: 0 and 100 percent.
        (ADC_T, ADC_P, 0),
        (ADC_T, ADC_P, 0xFFFF),
    ):
        assert "no measurement" in failed(bme280(adc=skipped)[2]), skipped


def test_bme280_calibration_that_changes_or_is_empty_is_refused():
    _, chip, sensor = bme280()
    chip.flaky = [bytes(26)]
    assert sensor.read()["temperature"] == 25.08  # one bad read: begun again
    for content in (bytes(26), b"\xff" * 26):
        _, chip, sensor = bme280()
        chip.low = content
        assert "empty" in failed(sensor)
        _, chip, sensor = bme280()
        chip.high = content[:7]  # the humidity's only
        assert "empty" in failed(sensor)
    _, chip, sensor = bme280()
    chip.flaky = [bytes(26), chip.low] * 2
    assert "differently" in failed(sensor)


def test_bme280_that_stays_busy_ends():
    bench, chip, sensor = bme280()
    chip.measure_ms = 1 << 30
    start = bench.chip.now_ms
    assert "busy" in failed(sensor)
    assert bench.chip.now_ms - start < 200
    bench, chip, sensor = bme280()
    chip.measure_ms = 20
    assert sensor.read()["temperature"] == 25.08


def test_bme280_values_out_of_its_range_are_refused():
    assert "temperature" in failed(bme280(adc=(0xFFFFF, ADC_P, ADC_H))[2])
    assert "pressure" in failed(bme280(adc=(ADC_T, 0, ADC_H))[2])


def test_bme280_calibration_that_would_divide_by_nothing_is_refused():
    trimming = TRIMMING[:3] + (1, -32768, 0) + TRIMMING[6:]
    for adc_t in (0, ADC_T, 0xFFFFF):
        try:
            compensate(trimming, adc_t, ADC_P, ADC_H)
        except SensorError:
            continue
