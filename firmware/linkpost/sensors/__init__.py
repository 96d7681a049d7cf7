"""Sensors: one file per kind, and the two functions that turn a config into readings.

A sensor is any object with `read() -> {"name": number | string | bool}` that raises SensorError
with words. It may have `kind`, the word it is called in an error entry when it has no name.

The config's `name` prefixes the values: `{"type": "dht22", "name": "room", ...}` gives
`room_temperature` and `room_humidity`; without a name they are `temperature` and `humidity`.
"""

from ..errors import ConfigError, SensorError

# type: (file in this folder, class). A board needs only the files of the types it uses, so deploy
# reads this table too; nothing is imported before `build` meets the type.
TYPES = {
    "analog": ("analog", "Analog"),
    "dht11": ("dht", "DHT11"),
    "dht22": ("dht", "DHT22"),
    "ds18x20": ("ds18x20", "DS18X20"),
    "onchip": ("onchip", "OnChip"),
    "simulated": ("simulated", "Simulated"),
    "system": ("system", "System"),
}

# Keys that a reading has already.
_RESERVED = ("stream", "seq", "time", "error")


def files(specs) -> list:
    """Return the files of this folder, without suffix, that the config's `sensors` need.

    `system` is always one: the app reports it at each boot.
    """
    return sorted({"system"} | {TYPES[spec["type"]][0] for spec in specs})


def build(specs, port) -> list:
    """Turn the config's `sensors` into a list of (name, sensor); name is "" where none is given.

    Raises: ConfigError that names the key, for an unknown type or option, a wrong type of value,
        a name missing where a type repeats, a pin the chip refuses, or a driver it has not.
    """
    built = []
    taken = []
    for i, spec in enumerate(specs):
        key = "sensors[%d]" % i
        kind = spec.get("type")
        if kind not in TYPES:
            raise ConfigError(key + ".type", "expected one of %s" % ", ".join(sorted(TYPES)))
        name = spec.get("name") or ""
        if not isinstance(name, str):
            raise ConfigError(key + ".name", "expected text")
        if (kind, name) in taken:
            raise ConfigError(key + ".name", "needed: another %s has the same" % kind)
        taken.append((kind, name))
        built.append((name, _make(spec, key, port)))
    return built


def _make(spec, key, port):
    file, class_name = TYPES[spec["type"]]
    try:
        # The fourth argument makes __import__ return the leaf, on both interpreters.
        module = __import__("%s.%s" % (__name__, file), None, None, (class_name,))
    except ImportError:
        raise ConfigError(key + ".type", "this board lacks the file for it; deploy again")
    sensor_class = getattr(module, class_name)
    options = _options(spec, key, sensor_class)
    try:
        return sensor_class(port, **options)
    except ValueError as error:  # how machine.Pin refuses a pin, and how a sensor refuses
        raise ConfigError(key, str(error))
    except ImportError as error:  # the firmware's own driver
        raise ConfigError(key + ".type", "not on this machine: %s" % error)


def _options(spec, key, sensor_class):
    """Return the keyword arguments of a sensor; `OPTIONS` is {name: (types, required)}."""
    known = sensor_class.OPTIONS
    for option, value in spec.items():
        if option in ("type", "name"):
            continue
        if option not in known:
            takes = ", ".join(sorted(known)) or "no options"
            raise ConfigError(
                "%s.%s" % (key, option), "unknown; %s takes %s" % (spec["type"], takes)
            )
        # On CPython a bool is an int; no option here wants one.
        if isinstance(value, bool) or not isinstance(value, known[option][0]):
            raise ConfigError("%s.%s" % (key, option), "this value has the wrong type")
    for option in known:
        if known[option][1] and option not in spec:
            raise ConfigError("%s.%s" % (key, option), "missing; %s needs it" % spec["type"])
    return {option: spec[option] for option in known if option in spec}


def read_all(sensors) -> dict:
    """Read each (name, sensor) once and return all values; one that fails never stops the others.

    A failure is told under "error": {"<name, or kind where it has none>": "<why>"}. A value that
    JSON cannot carry, and one that another sensor has given already, are failures too.
    """
    values = {}
    errors = {}
    for name, sensor in sensors:
        try:
            for value_name, value in sensor.read().items():
                full_name = "%s_%s" % (name, value_name) if name else value_name
                check_value(full_name, value)
                if full_name in values:
                    raise SensorError("%s is taken; give this sensor a name" % full_name)
                values[full_name] = value
        except SensorError as error:
            errors[_label(name, sensor)] = str(error)
        except OSError as error:
            errors[_label(name, sensor)] = "I/O error %s" % (error.args[0] if error.args else "")
        except MemoryError:
            raise  # the board's trouble, not the sensor's
        except Exception as error:  # a person's own sensor may raise anything, and stops no board
            errors[_label(name, sensor)] = "%s: %s" % (type(error).__name__, error)
    if errors:
        values["error"] = errors
    return values


def _label(name, sensor):
    return name or getattr(sensor, "kind", "") or type(sensor).__name__


def check_value(name, value) -> None:
    """Raise SensorError for what a reading cannot carry.

    That is a name that is no text or that the reading has already, a value of another type than
    number, text or bool, and what is no finite number.
    """
    if not isinstance(name, str) or not name or name in _RESERVED:
        raise SensorError("%r cannot be the name of a value" % (name,))
    if isinstance(value, float):
        # NaN differs from itself, infinity minus infinity is NaN.
        if value - value != 0:
            raise SensorError("%s is not a finite number" % name)
    elif not isinstance(value, (int, bool, str)):  # on MicroPython a bool is no int
        raise SensorError("%s is a %s, not a number, text or bool" % (name, type(value).__name__))
