"""The chip's own temperature: no wiring, and a few degrees above the room's."""

from ..errors import SensorError


class OnChip:
    """Reads `temperature` in degrees Celsius, one decimal."""

    kind = "onchip"
    OPTIONS = {}

    def __init__(self, port):
        self._port = port

    def read(self):
        temperature = self._port.chip_temperature()
        if temperature is None:
            raise SensorError("this machine has no temperature sensor of its own that works")
        # The range of the chips; an ADC that is stuck says far more.
        if not -40 <= temperature <= 125:
            raise SensorError("%d degrees is out of the chip's range" % temperature)
        return {"temperature": round(temperature, 1)}
