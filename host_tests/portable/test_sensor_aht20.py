"""AHT20: frames of real chips, the datasheet's formulas, and a chip that misbehaves."""

import fakes_i2c
from linkpost.errors import SensorError
from linkpost.sensors.aht20 import AHT20

# Frames that real chips sent, as two public projects recorded them: their checksums are right.
FRAMES = (
    (b"\x1c\xb8\xf5\xa5\x9c\xd0\xa3", 20.16, 72.25),
    (b"\x1c\xb9\x10\x95\x9c\x53\x70", 20.13, 72.29),
    (b"\x1c\x26\x9a\x76\x42\xe7\x76", 28.27, 15.08),
)


class Chip:
    """The AHT20's side of the bus (datasheet, sections 5.3 and 5.4)."""

    measure_ms = 75
    knows_calibration = True

    def __init__(self, clock, frame, calibrated=True):
        self.clock = clock
        self.frames = [frame]
        self.calibrated = calibrated
        self.commands = []
        self.busy_until_ms = -1

    def written(self, data):
        self.commands.append(data)
        if data == b"\xbe\x08\x00":
            self.calibrated = self.knows_calibration
        elif data == b"\xac\x33\x00":
            self.busy_until_ms = self.clock.now_ms + self.measure_ms
        return len(data)

    def read(self, length):
        status = 0x10 | (0x08 if self.calibrated else 0)
        if self.clock.now_ms < self.busy_until_ms:
            return bytes([status | 0x80]) * length
        if length == 1:
            return bytes([status])
        return self.frames.pop(0) if len(self.frames) > 1 else self.frames[0]


def aht20(frame=FRAMES[0][0], **options):
    bench = fakes_i2c.Bench()
    sensor = bench.make(AHT20)
    bench.bus.chips[0x38] = chip = Chip(bench.chip, frame, **options)
    return bench, chip, sensor


def frame_of(humidity, temperature, status=0x1C):
    raw = humidity << 20 | temperature
    data = bytes([status]) + bytes([raw >> shift & 0xFF for shift in (32, 24, 16, 8, 0)])
    return data + bytes([fakes_i2c.crc(data)])


def failed(sensor):
    try:
        sensor.read()
    except SensorError as error:
        return str(error)
    raise AssertionError("read")


def test_aht20_frames_of_real_chips():
    for frame, temperature, humidity in FRAMES:
        _, chip, sensor = aht20(frame)
        values = sensor.read()
        assert abs(values["temperature"] - temperature) < 0.006, values
        assert abs(values["humidity"] - humidity) < 0.006, values
        assert chip.commands == [b"\xac\x33\x00"]


def test_aht20_formulas_of_the_datasheet():
    # Section 6: RH = S / 2^20 * 100, T = S / 2^20 * 200 - 50.
    for humidity, temperature in (
        (0, 0x40000),
        (0x80000, 0x60000),
        (0xFFFFF, 0xACCCC),
        (1, 0x20000),
    ):
        _, _, sensor = aht20(frame_of(humidity, temperature))
        values = sensor.read()
        assert abs(values["humidity"] - humidity * 100 / 1048576) < 0.006
        assert abs(values["temperature"] - (temperature * 200 / 1048576 - 50)) < 0.006
        assert 0 <= values["humidity"] <= 100


def test_aht20_not_calibrated_is_initialised_once():
    _, chip, sensor = aht20(calibrated=False)
    sensor.read()
    sensor.read()
    assert chip.commands == [b"\xbe\x08\x00", b"\xac\x33\x00", b"\xac\x33\x00"]
    _, chip, sensor = aht20(calibrated=False)
    chip.knows_calibration = False
    assert "calibration" in failed(sensor)


def test_aht20_power_lost_since_the_last_read_its_calibration_is_loaded_again():
    _, chip, sensor = aht20()
    sensor.read()
    chip.calibrated = False
    chip.frames = [frame_of(0x80000, 0x60000, status=0x14), FRAMES[0][0]]
    assert abs(sensor.read()["temperature"] - 20.16) < 0.006
    assert b"\xbe\x08\x00" in chip.commands
    chip.frames = [frame_of(0x80000, 0x60000, status=0x14)]
    assert "calibration" in failed(sensor)


def test_aht20_every_wrong_bit_is_noticed():
    good = FRAMES[2][0]
    for bit in range(8, 56):  # the first byte's busy bit is another story
        bad = bytearray(good)
        bad[bit // 8] ^= 0x80 >> bit % 8
        _, _, sensor = aht20(bytes(bad))
        assert "checksum" in failed(sensor), bit
    for stuck in (bytes(7), b"\xff" * 7):
        failed(aht20(stuck)[2])


def test_aht20_wrong_checksum_once_is_measured_again():
    _, chip, sensor = aht20()
    chip.frames.insert(0, bytes(7))
    assert abs(sensor.read()["temperature"] - 20.16) < 0.006


def test_aht20_slow_chip_is_waited_for_and_one_that_stays_busy_is_not():
    bench, chip, sensor = aht20()
    chip.measure_ms = 150
    start = bench.chip.now_ms
    sensor.read()
    assert 150 <= bench.chip.now_ms - start <= 165
    chip.measure_ms = 1 << 30
    start = bench.chip.now_ms
    assert "busy" in failed(sensor)
    assert bench.chip.now_ms - start <= 400
    chip.busy_until_ms = -1
    chip.measure_ms = 75
    sensor.read()


def test_aht20_watchdog_is_fed_while_it_waits():
    bench, chip, sensor = aht20()
    bench.port.start_watchdog(100)
    chip.measure_ms = 150
    sensor.read()
    assert bench.chip.resets == 0


def test_aht20_temperature_that_it_cannot_measure_is_refused():
    for temperature in (0, 0xFFFFF):
        assert "range" in failed(aht20(frame_of(0x80000, temperature))[2])
