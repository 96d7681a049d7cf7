"""An analog pin: a voltage, or what it stands for."""

from ..errors import SensorError


class Analog:
    """Reads one value: volts * scale + offset, rounded to `digits` decimals.

    Args:
        pin: number or name of a pin with an ADC. On ESP32 with Wi-Fi only those of ADC1.
        scale, offset: from volts to the unit wanted; 1 and 0 give volts.
        value: the value's name.
        digits: decimals kept, 0 to 6.
        samples: how many are averaged, 1 to 1000.
    """

    kind = "analog"
    OPTIONS = {
        "pin": ((int, str), True),
        "scale": ((int, float), False),
        "offset": ((int, float), False),
        "value": ((str,), False),
        "digits": ((int,), False),
        "samples": ((int,), False),
    }

    def __init__(self, port, pin, scale=1, offset=0, value="voltage", digits=3, samples=16):
        if not 1 <= samples <= 1000:
            raise ValueError("samples: expected 1 to 1000")
        if not 0 <= digits <= 6:
            raise ValueError("digits: expected 0 to 6")
        if not value:
            raise ValueError("value: expected a name")
        self._read_microvolts = port.analog(pin)
        self._pin = pin
        self._scale = scale
        self._offset = offset
        self._value = value
        self._digits = digits
        self._samples = samples

    def read(self):
        try:
            # Summed as integers: a float on a chip has 24 bits.
            total = 0
            for _ in range(self._samples):
                total += self._read_microvolts()
        except OSError:
            # ESP32: ADC2 belongs to the radio while Wi-Fi is on.
            raise SensorError("pin %s cannot be read while Wi-Fi is on; use another" % self._pin)
        volts = total // self._samples / 1_000_000
        return {self._value: round(volts * self._scale + self._offset, self._digits)}
