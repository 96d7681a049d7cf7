"""What the sensors on an I2C bus share: the bus, its failures, the waiting, the checksum.

The bus is bit-banged (`machine.SoftI2C`) unless `i2c` names one of the chip's own: it takes any
pins, and gives up after 50 ms when the clock is held low. The modules sold with these chips have
the pull-up resistors.

What a bus raises (MicroPython, extmod/machine_i2c.c and the ports' machine_i2c.c): ENODEV, nobody
answered to that address (rp2's own buses: EIO); ETIMEDOUT, the clock was held low. A byte that was
not acknowledged raises nothing, `writeto` only returns fewer.
"""

import errno
import sys

from ..errors import SensorError

# (sda, scl) by chip, as the last word of `sys.implementation._machine` names it. The same as in
# boards/*/board.toml, which a test sees to.
PINS = {
    "ESP32": (21, 22),
    "ESP32S3": (8, 9),
    "ESP32C3": (5, 6),
    "ESP32C6": (6, 7),
    "RP2040": (4, 5),
    "RP2350": (4, 5),
}
_HZ = 100_000
_SLICE_MS = 50

# The buses in use by (i2c, sda, scl): each is made once, however many sensors are on it.
buses = {}


class I2CSensor:
    """A chip on an I2C bus; a subclass has `kind`, ADDRESSES, `_prepare` and `_measure`.

    Nothing is asked of the chip before the first `read`. A read that fails is tried once more from
    the beginning, so that a chip that lost its power or a wire that picked up noise costs nothing;
    it fails with a SensorError.

    Args:
        sda, scl: pins; the board's usual ones where not given.
        i2c: the number of one of the chip's own buses, with its own pins where none are given.
        address: a number or "0x77"; the first of ADDRESSES where not given.
        machine: the firmware's module.
    """

    OPTIONS = {
        "sda": ((int, str), False),
        "scl": ((int, str), False),
        "i2c": ((int,), False),
        "address": ((int, str), False),
    }
    ADDRESSES: tuple = ()

    def __init__(self, port, sda=None, scl=None, i2c=None, address=None, machine=None):
        self._port = port
        self._address = self._check_address(address)
        self._bus = _find_bus(port, sda, scl, i2c, machine)
        self._is_ready = False

    def _check_address(self, address):
        if address is None:
            return self.ADDRESSES[0]
        try:
            number = int(address, 16) if isinstance(address, str) else address
        except ValueError:
            number = None
        if number not in self.ADDRESSES:
            known = " or ".join(["0x%02x" % each for each in self.ADDRESSES])
            raise ValueError("address: expected %s" % known)
        return number

    def read(self):
        try:
            return self._attempt()
        except SensorError:
            return self._attempt()

    def _attempt(self):
        self._port.feed()
        was_ready, self._is_ready = self._is_ready, False
        try:
            if not was_ready:
                self._prepare()
            values = self._measure()
        except OSError as error:
            if error.args and error.args[0] == errno.ETIMEDOUT:
                raise SensorError("the I2C bus hangs; check SDA, SCL and the pull-ups")
            raise SensorError(
                "no answer at I2C address 0x%02x (error %s); check wiring, power and address"
                % (self._address, error.args[0] if error.args else "?")
            )
        self._is_ready = True
        return values

    # -- for the subclasses -----------------------------------------------------------------------

    def _prepare(self):
        """Bring the chip into a known state."""

    def _measure(self):
        """Return the values of one measurement."""
        raise NotImplementedError

    def _write(self, data):
        acknowledged = self._bus.writeto(self._address, data)
        if acknowledged is not None and acknowledged < len(data):
            raise OSError(errno.EIO)

    def _read(self, length):
        return self._bus.readfrom(self._address, length)

    def _wait(self, ms):
        while ms > 0:
            self._port.feed()
            self._port.sleep_ms(min(ms, _SLICE_MS))
            ms -= _SLICE_MS


def check_crc(data, start: int, end: int) -> None:
    """Raise SensorError where data[end] is not the checksum of data[start:end]."""
    if crc8(data[start:end]) != data[end]:
        raise SensorError("wrong checksum: a loose wire, or wires too long")


def crc8(data) -> int:
    """Return the CRC-8 with x^8 + x^5 + x^4 + 1 (0x31), begun with 0xFF, most significant first.

    Source: SHT3x datasheet, version 5, section 4.12; AHT20 datasheet, version 1.0, section 5.4.
    """
    crc = 0xFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc << 1 ^ 0x131 if crc & 0x80 else crc << 1
    return crc


def check_range(name, value, least, most) -> None:
    """Raise SensorError where the chip cannot have measured that."""
    if not least <= value <= most:
        raise SensorError("%s %s is out of the sensor's range" % (name, value))


def _find_bus(port, sda, scl, i2c, machine):
    if machine is None:
        import machine
    if not hasattr(machine, "SoftI2C"):
        raise ValueError("this machine has no I2C bus")
    if (sda is None) != (scl is None):
        raise ValueError("sda and scl: give both or none")
    if sda is None and i2c is None:
        sda, scl = _usual_pins()
    known = buses.get((i2c, sda, scl))
    if known is not None:
        return known
    if i2c is not None and i2c in [number for number, _, _ in buses]:
        raise ValueError("i2c: %d has other pins already" % i2c)
    pins = {} if sda is None else {"sda": port.pin(sda), "scl": port.pin(scl)}
    make = machine.SoftI2C if i2c is None else machine.I2C
    number = () if i2c is None else (i2c,)
    bus = buses[(i2c, sda, scl)] = make(*number, freq=_HZ, **pins)
    return bus


def _usual_pins():
    # "Raspberry Pi Pico 2 W with RP2350-RISCV"
    chip = getattr(sys.implementation, "_machine", "").split(" ")[-1].split("-")[0]
    if chip not in PINS:
        raise ValueError("sda and scl: needed, this board's usual pins are not known")
    return PINS[chip]
