"""BME280: temperature, humidity and pressure over I2C.

Source: Bosch Sensortec, BME280 datasheet BST-BME280-DS002-15 (revision 1.6), sections 3.3.3 and
3.5.1 (forced mode, "weather monitoring"), 4.2.2 and table 16 (trimming parameters), 4.2.3
(compensation, the integer formulas), 5.4 (registers), 9.1 (measurement time).

The chip has no checksum. Against a noisy wire its id is asked and the trimming parameters, which
are kept, are read twice; a value out of the chip's range is refused.
"""

import struct

from ..errors import SensorError
from .i2c import I2CSensor, check_range

_ID = 0xD0
_RESET = 0xE0
_CTRL_HUM = 0xF2
_STATUS = 0xF3
_CTRL_MEAS = 0xF4
_CONFIG = 0xF5
_DATA = 0xF7

_BME280 = 0x60
_BMP280 = (0x56, 0x57, 0x58)
_COPYING = 0x01  # status: the trimming parameters are being loaded
_MEASURING = 0x08
# One sample each: 1.25 + 2.3 + 2.3 + 0.575 + 2.3 + 0.575 ms at most.
_MEASURE_MS = 10
_TRIES = 10  # of 2 ms each, while the chip says that it is not done
# What the data registers hold after a reset and where a measurement was skipped.
_NOTHING_20_BITS = 0x80000
# A wire that comes loose in the last two bytes makes the humidity 0 or 100 percent: no chip gives
# nothing but zeros or ones there. The other two are out of their range then.
_NOTHING_16_BITS = (0x8000, 0, 0xFFFF)


class BME280(I2CSensor):
    """Reads `temperature` (degrees Celsius), `humidity` (percent) and `pressure` (hPa).

    Args: see `I2CSensor`; the address is 0x76, or 0x77 with SDO at the supply.
    """

    kind = "bme280"
    ADDRESSES = (0x76, 0x77)

    def _prepare(self):
        chip_id = self._registers(_ID, 1)[0]
        if chip_id in _BMP280:
            raise SensorError("this is a BMP280, which measures no humidity; not a BME280")
        if chip_id != _BME280:
            raise SensorError("chip id 0x%02x, not a BME280's 0x60" % chip_id)
        self._set(_RESET, b"\xb6")
        self._wait_until_not(_COPYING)
        first = self._registers(0x88, 26), self._registers(0xE1, 7)
        if first != (self._registers(0x88, 26), self._registers(0xE1, 7)):
            raise SensorError("its calibration reads differently each time: a loose wire")
        self._trimming = parse_trimming(first[0], first[1])
        self._set(_CONFIG, b"\x00")

    def _measure(self):
        # The setting for humidity counts from the next write of the other register on.
        self._set(_CTRL_HUM, b"\x01")
        self._set(_CTRL_MEAS, b"\x25")
        self._wait(_MEASURE_MS)
        self._wait_until_not(_MEASURING)
        data = self._registers(_DATA, 8)
        pressure = data[0] << 12 | data[1] << 4 | data[2] >> 4
        temperature = data[3] << 12 | data[4] << 4 | data[5] >> 4
        humidity = data[6] << 8 | data[7]
        if _NOTHING_20_BITS in (pressure, temperature) or humidity in _NOTHING_16_BITS:
            raise SensorError("it gave no measurement")
        centi, q8_pascal, q10_percent = compensate(self._trimming, temperature, pressure, humidity)
        values = {
            "temperature": centi / 100,
            "humidity": (q10_percent * 100 + 512 >> 10) / 100,
            "pressure": (q8_pascal + 128 >> 8) / 100,
        }
        check_range("temperature", values["temperature"], -40, 85)
        check_range("pressure", values["pressure"], 300, 1100)
        return values

    def _registers(self, first, length):
        return bytes(self._bus.readfrom_mem(self._address, first, length))

    def _set(self, register, value):
        self._bus.writeto_mem(self._address, register, value)

    def _wait_until_not(self, flag):
        for _ in range(_TRIES):
            self._wait(2)
            if not self._registers(_STATUS, 1)[0] & flag:
                return
        raise SensorError("it stays busy; power it off and on")


def parse_trimming(low: bytes, high: bytes) -> tuple:
    """Return (T1..T3, P1..P9, H1..H6) from the registers 0x88..0xA1 and 0xE1..0xE7.

    Raises: SensorError where they are not a chip's.
    """
    words = struct.unpack("<HhhHhhhhhhhhBB", low)  # 0xA0 is none
    # H4 and H5 are signed numbers of 12 bits that share 0xE5; their upper bytes carry the sign.
    h2, h3, h4_high, shared, h5_high, h6 = struct.unpack("<hBbBbb", high)
    if words[0] in (0, 0xFFFF) or words[3] in (0, 0xFFFF) or h2 in (0, -1):
        raise SensorError("its calibration is empty; check wiring and power")
    return words[:12] + (
        words[13],
        h2,
        h3,
        h4_high * 16 + (shared & 0x0F),
        h5_high * 16 + (shared >> 4),
        h6,
    )


def compensate(trimming: tuple, adc_t: int, adc_p: int, adc_h: int) -> tuple:
    """Return degrees Celsius * 100, pascal * 256 and percent * 1024, as integers.

    The formulas of section 4.2.3, whose results are exact to the last bit: Python's integers do
    not overflow, and its `>>` of a negative number is the arithmetic shift that they rely on.
    """
    t1, t2, t3, p1, p2, p3, p4, p5, p6, p7, p8, p9, h1, h2, h3, h4, h5, h6 = trimming

    offset = (adc_t >> 4) - t1
    fine = ((adc_t >> 3) - (t1 << 1)) * t2 >> 11
    fine += (offset * offset >> 12) * t3 >> 14
    celsius = fine * 5 + 128 >> 8

    a = fine - 128_000
    b = a * a * p6 + (a * p5 << 17) + (p4 << 35)
    a = (a * a * p3 >> 8) + (a * p2 << 12)
    a = ((1 << 47) + a) * p1 >> 33
    if a <= 0:
        raise SensorError("its calibration gives no pressure")
    pascal = ((1_048_576 - adc_p << 31) - b) * 3125 // a
    pascal += (p9 * (pascal >> 13) * (pascal >> 13) >> 25) + (p8 * pascal >> 19)
    pascal = (pascal >> 8) + (p7 << 4)

    x = fine - 76_800
    slope = ((x * h6 >> 10) * ((x * h3 >> 11) + 32_768) >> 10) + 2_097_152
    y = ((adc_h << 14) - (h4 << 20) - h5 * x + 16_384 >> 15) * (slope * h2 + 8_192 >> 14)
    y -= ((y >> 15) * (y >> 15) >> 7) * h1 >> 4
    y = min(max(y, 0), 419_430_400)
    return celsius, pascal, y >> 12
