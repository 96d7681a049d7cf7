"""DS18B20, DS18S20 and DS1822 thermometers on a OneWire bus, with the firmware's own drivers."""

from binascii import hexlify, unhexlify

from micropython import const

from ..errors import SensorError

# A conversion with 12 bits takes up to 750 ms.
_CONVERT_MS = const(750)
_SLICE_MS = const(250)
# What the chip's memory holds after power-on, when no conversion took place: 85 degrees, and 0x0C
# in byte 6. After a conversion that byte is 16 less the temperature's lowest four bits: 0x10 for a
# real 85. Undocumented; cpetrich/counterfeit_DS18B20, "Solution to the 85 C problem". Two never
# give exactly 85: clones with 0x0C for good, and a DS18S20, which has a real 0x0C there (COUNT
# REMAIN of its datasheet). NOVOSENSE's have 0x10 at power-on too, and are known by ROM 28-00;
# nothing tells a clone whose power-on value is 25 degrees (family D).
_POWER_ON_DEGREES = const(85)
_POWER_ON_BYTE_6 = const(0x0C)
_NOVOSENSE_ROM_1 = const(0)


class DS18X20:
    """Reads `temperature` in degrees Celsius; with `roms`, one value for each of several.

    Args:
        pin: number or name of the bus's pin.
        roms: {value name: the thermometer's id as 16 hex digits}, for several on one bus. Names
            stay with their thermometers then, whichever of them answers.
        onewire, driver: the firmware's modules `onewire` and `ds18x20`.
    """

    kind = "ds18x20"
    OPTIONS = {"pin": ((int, str), True), "roms": ((dict,), False)}

    def __init__(self, port, pin, roms=None, onewire=None, driver=None):
        if driver is None:
            onewire, driver = _firmware_drivers()
        self._port = port
        self._pin = pin
        self._roms = {name: _parse_rom(name, text) for name, text in (roms or {}).items()}
        self._bus = driver.DS18X20(onewire.OneWire(port.pin(pin)))
        self._no_answer = onewire.OneWireError

    def read(self):
        roms = self._roms or {"temperature": self._only_one()}
        try:
            self._bus.convert_temp()
        except self._no_answer:
            raise SensorError("no thermometer on pin %s; check wiring and pull-up" % self._pin)
        left_ms = _CONVERT_MS
        while left_ms > 0:
            self._port.feed()
            self._port.sleep_ms(min(_SLICE_MS, left_ms))
            left_ms -= _SLICE_MS
        return {name: self._temperature(roms[name]) for name in roms}

    def _only_one(self):
        found = self._bus.scan()
        if len(found) != 1:
            ids = ", ".join([hexlify(bytes(rom)).decode() for rom in found])
            raise SensorError(
                "%d thermometers on pin %s%s; expected one, or name them with roms"
                % (len(found), self._pin, " (%s)" % ids if ids else "")
            )
        return found[0]

    def _temperature(self, rom):
        rom_id = hexlify(bytes(rom)).decode()
        try:
            degrees = self._bus.read_temp(rom)
        except self._no_answer:
            raise SensorError("thermometer %s does not answer" % rom_id)
        except ZeroDivisionError:  # a DS18S20's zeros
            degrees = 0
        except Exception as error:  # the driver's CRC error is a bare Exception
            if "CRC" not in str(error):
                raise
            raise SensorError("thermometer %s: wrong CRC" % rom_id)
        memory = self._bus.buf
        # Zeros have a right CRC: a bus that is held low. No chip has them in its byte 4.
        if not any(memory):
            raise SensorError("thermometer %s: nothing but zeros; check the wiring" % rom_id)
        if degrees == _POWER_ON_DEGREES and (
            memory[6] == _POWER_ON_BYTE_6 or rom[1] == _NOVOSENSE_ROM_1
        ):
            raise SensorError("85 degrees is the power-on value: no conversion; check the supply")
        if not -55 <= degrees <= 125:
            raise SensorError("%s degrees is out of the sensor's range" % degrees)
        return round(degrees, 2)


def _firmware_drivers():
    import ds18x20  # type: ignore[import-not-found]
    import onewire  # type: ignore[import-not-found]

    return onewire, ds18x20


def _parse_rom(name, text):
    try:
        rom = unhexlify(text)
    except (ValueError, TypeError):
        rom = b""
    if len(rom) != 8:
        raise ValueError("roms.%s: expected 16 hex digits" % name)
    return rom
