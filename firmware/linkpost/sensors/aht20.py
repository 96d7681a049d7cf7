"""AHT20 (also AHT21, DHT20): temperature and humidity over I2C.

Source: ASAIR, AHT20 datasheet version 1.0, sections 5.3, 5.4 and 6.
"""

from ..errors import SensorError
from .i2c import I2CSensor, check_crc, check_range

_CALIBRATED = 0x08
_BUSY = 0x80
_MEASURE_MS = 80
_BUSY_MS = 10  # and how long it may be busy beyond that: ten times so long
_FULL_SCALE = 1 << 20


class AHT20(I2CSensor):
    """Reads `temperature` in degrees Celsius and `humidity` in percent, two decimals.

    Args: see `I2CSensor`; the address is fixed.
    """

    kind = "aht20"
    ADDRESSES = (0x38,)

    def _prepare(self):
        # The chip needs 100 ms after power-on; a board takes longer to boot.
        if not self._read(1)[0] & _CALIBRATED:
            self._write(b"\xbe\x08\x00")
            self._wait(10)
            if not self._read(1)[0] & _CALIBRATED:
                raise SensorError("it does not load its calibration; power it off and on")

    def _measure(self):
        self._write(b"\xac\x33\x00")
        self._wait(_MEASURE_MS)
        for _ in range(10):
            frame = self._read(7)
            if not frame[0] & _BUSY:
                break
            self._wait(_BUSY_MS)
        else:
            raise SensorError("it stays busy; power it off and on")
        check_crc(frame, 0, 6)
        if not frame[0] & _CALIBRATED:
            raise SensorError("it lost its calibration; check its power")
        humidity = frame[1] << 12 | frame[2] << 4 | frame[3] >> 4
        temperature = (frame[3] & 0x0F) << 16 | frame[4] << 8 | frame[5]
        # In hundredths, as integers: a float on a chip has 24 bits. S_T / 2^20 * 200 - 50 degrees.
        celsius = ((temperature * 20_000 + _FULL_SCALE // 2) // _FULL_SCALE - 5_000) / 100
        check_range("temperature", celsius, -40, 85)
        percent = (humidity * 10_000 + _FULL_SCALE // 2) // _FULL_SCALE
        return {"temperature": celsius, "humidity": percent / 100}
