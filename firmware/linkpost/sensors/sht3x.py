"""SHT30, SHT31 and SHT35: temperature and humidity over I2C.

Source: Sensirion, SHT3x-DIS datasheet version 5, sections 2.2 (times), 4.3 and 4.4 (single shot),
4.8 (break), 4.9 (soft reset), 4.12 (checksum), 4.13 (conversion).
"""

from .i2c import I2CSensor, check_crc, check_range

# High repeatability takes 15 ms at most, 15.5 with the lowest supply.
_MEASURE_MS = 16
_FULL_SCALE = 65_535


class SHT3x(I2CSensor):
    """Reads `temperature` in degrees Celsius and `humidity` in percent, two decimals.

    Args: see `I2CSensor`; the address is 0x44, or 0x45 with ADDR at VDD.
    """

    kind = "sht3x"
    ADDRESSES = (0x44, 0x45)

    def _prepare(self):
        # A program before us may have left it measuring periodically: it takes no reset then.
        self._write(b"\x30\x93")
        self._wait(2)
        self._write(b"\x30\xa2")
        self._wait(2)

    def _measure(self):
        self._write(b"\x24\x00")
        self._wait(_MEASURE_MS)
        data = self._read(6)
        check_crc(data, 0, 2)
        check_crc(data, 3, 5)
        temperature = data[0] << 8 | data[1]
        humidity = data[3] << 8 | data[4]
        # In hundredths, as integers: a float on a chip has 24 bits.
        celsius = ((temperature * 17_500 + _FULL_SCALE // 2) // _FULL_SCALE - 4_500) / 100
        check_range("temperature", celsius, -40, 125)
        percent = (humidity * 10_000 + _FULL_SCALE // 2) // _FULL_SCALE
        return {"temperature": celsius, "humidity": percent / 100}
