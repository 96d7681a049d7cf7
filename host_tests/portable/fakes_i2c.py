"""An I2C bus without hardware: `machine` with its buses, and the chips on them.

The buses fail with the numbers of MicroPython's: ENODEV (19) where nobody answers to an address,
ETIMEDOUT where the clock is held low, EIO (5) as rp2's own buses say. A byte that a chip does not
acknowledge is only not counted.
"""

import errno

import fakes_chip
import fakes_wifi
from linkpost.ports.esp32 import ESP32Port
from linkpost.sensors import i2c

ENODEV = 19
EIO = 5
ETIMEDOUT = errno.ETIMEDOUT


class Bus:
    """machine.SoftI2C and machine.I2C. `fail` holds error numbers for the next transfers."""

    def __init__(self):
        self.chips = {}
        self.fail = []

    def _chip(self, address):
        if self.fail:
            number = self.fail.pop(0)
            if number:
                raise OSError(number)
        if address not in self.chips:
            raise OSError(ENODEV)
        return self.chips[address]

    def writeto(self, address, data):
        return self._chip(address).written(bytes(data))

    def readfrom(self, address, length):
        data = self._chip(address).read(length)
        assert len(data) == length, "the driver asked for %d" % length
        return data

    def writeto_mem(self, address, register, data):
        self._chip(address).set_registers(register, data)

    def readfrom_mem(self, address, register, length):
        return self._chip(address).registers(register, length)


class Machine:
    """The module: remembers each bus that was made."""

    def __init__(self):
        self.made = []

    def SoftI2C(self, scl, sda, freq=400_000):  # noqa: N802 - MicroPython's name
        self.made.append((None, sda.number, scl.number, freq, Bus()))
        return self.made[-1][-1]

    def I2C(self, number, scl=None, sda=None, freq=400_000):  # noqa: N802
        if number not in (0, 1):
            raise ValueError("I2C(%d) doesn't exist" % number)
        pins = sda and sda.number, scl and scl.number
        self.made.append((number, pins[0], pins[1], freq, Bus()))
        return self.made[-1][-1]


class Bench:
    """An ESP32 with a fresh `machine`; `make` gives a sensor on pins 21 and 22."""

    def __init__(self):
        i2c.buses.clear()
        self.chip = fakes_chip.ESP32Chip()
        network = fakes_wifi.Network(self.chip, fakes_wifi.Air(), fakes_wifi.ESP32Station)
        self.port = ESP32Port(self.chip.machine, network, fakes_chip.ESP32Module(), self.chip.time)
        self.machine = Machine()

    def make(self, sensor_class, **options):
        if "i2c" not in options:
            options.setdefault("sda", 21)
            options.setdefault("scl", 22)
        return sensor_class(self.port, machine=self.machine, **options)

    @property
    def bus(self):
        return self.machine.made[0][-1]


def crc(data):
    """CRC-8 with 0x31 and 0xFF, as a long division of the whole message."""
    message = 0
    for byte in data:
        message = message << 8 | byte
    bits = 8 * len(data)
    remainder = (message ^ 0xFF << bits - 8) << 8
    for shift in range(bits - 1, -1, -1):
        if remainder >> shift + 8 & 1:
            remainder ^= 0x131 << shift
    return remainder
