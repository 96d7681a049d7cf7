"""Sensors: one file per kind, and what turns their values into a reading.

A sensor is any object with `read() -> {"name": number | string | bool}` that raises a SensorError
that says why. It may have `kind`, what it is called in an error entry when it has no name.

The config's `name` prefixes the values: `{"type": "dht22", "name": "room", ...}` gives
`room_temperature` and `room_humidity`; without a name they are `temperature` and `humidity`.

`building` makes them from the config, `user` loads a person's own, `i2c` is what those on an I2C
bus share.
"""

from ..errors import SensorError

# Keys that a reading has already.
_RESERVED = ("stream", "seq", "time", "error")


def read_all(sensors) -> dict:
    """Read each (name, sensor) once and return all values; one that fails never stops the others.

    A failure is put under "error": {"<name, or kind where it has none>": "<why>"}. A value that
    JSON cannot carry, and one that another sensor has given already, are failures too.
    """
    values = {}
    errors = {}
    for name, sensor in sensors:
        kind = getattr(sensor, "kind", "")
        try:
            for value_name, value in sensor.read().items():
                full_name = "%s_%s" % (name, value_name) if name else value_name
                # In alink the stream is a value of ours: the format has no other place for it.
                if full_name != "stream" or kind != "system":
                    check_value(full_name, value)
                if full_name in values:
                    raise SensorError("%s is taken; give this sensor a name" % full_name)
                values[full_name] = value
        except Exception as error:  # a driver may raise anything, and stops no board
            errors[name or kind or type(sensor).__name__] = _why(error)
    if errors:
        values["error"] = errors
    return values


def _why(error):
    if isinstance(error, MemoryError):
        return "out of memory"
    try:
        if isinstance(error, SensorError):
            return str(error)
        return "%s: %s" % (type(error).__name__, error)
    except Exception:  # no memory for the text, or an error of a person's own whose text fails
        return type(error).__name__


def check_value(name, value) -> None:
    """Raise SensorError for what a reading cannot carry.

    That is a name that is no text or that the reading has already, a value of another type than
    number, text or bool, and what is no finite number.
    """
    if not isinstance(name, str) or not name or name in _RESERVED:
        raise SensorError("%r cannot be the name of a value" % (name,))
    # On MicroPython a bool is no int. Infinity minus infinity is NaN, as NaN minus NaN is.
    is_of_a_kind = isinstance(value, (int, float, bool, str))
    if not is_of_a_kind or isinstance(value, float) and value - value != 0:
        raise SensorError("%s is no finite number, text or bool" % name)
