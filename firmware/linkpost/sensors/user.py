"""A person's own sensors: files in the board's /user, which no tool of ours touches.

`{"type": "user.soil", "pin": 34}` in the config means the class `Sensor` in /user/soil.py (or
.mpy):

    class Sensor:
        def __init__(self, options, port):    # {"pin": 34}; a `ports.Port`
            ...
        def read(self):
            return {"moisture": 41.5}         # number, text or bool by name; raise when it cannot

A file that cannot be used (missing, a mistake in it, no Sensor, options it refuses with a
ValueError or TypeError) is a ConfigError: the board says so in one line and stays at its REPL. A
Sensor that cannot be made for another reason (a chip that does not answer) is like one that cannot
be read: the reading tells it, the others go on, and it is tried again with the next reading.
"""

import io
import sys

from ..errors import ConfigError, LinkpostError, SensorError
from ..loader import load as load_module

FOLDER = "user"


def load(name: str, options: dict, key: str, port):
    """Return the sensor in /user/`name`.py. Raises: ConfigError that names the file."""
    path = "%s/%s.py" % (FOLDER, name)
    present = load_module("storage.files").list_names(FOLDER)
    if name + ".py" not in present and name + ".mpy" not in present:
        first = "" if present else "mkdir :%s + " % FOLDER
        raise ConfigError(
            key,
            "%s is not on the board. Run: mpremote %scp %s.py :%s/" % (path, first, name, FOLDER),
        )
    try:
        module = __import__("%s.%s" % (FOLDER, name), None, None, ("",))
    except MemoryError:
        raise  # the board's trouble, not the file's
    except Exception as error:
        raise ConfigError(key, _explain(path, error))
    sensor_class = getattr(module, "Sensor", None)
    if not callable(sensor_class):
        raise ConfigError(key, "%s has no class Sensor" % path)
    sensor = _UserSensor(path, sensor_class, options, port)
    try:
        sensor.make()
    except (ValueError, TypeError, ConfigError) as error:
        raise ConfigError(key, _explain(path, error))
    except Exception:
        pass  # told with each reading until it can be made
    return sensor


class _UserSensor:
    """The person's Sensor, made as soon as that works."""

    def __init__(self, path, sensor_class, options, port):
        self.kind = path
        self._class = sensor_class
        self._arguments = (options, port)
        self._sensor = None

    def make(self):
        self._sensor = self._class(*self._arguments)

    def read(self):
        if self._sensor is None:
            try:
                self.make()
            except MemoryError:
                raise
            except Exception as error:
                raise SensorError(_explain(self.kind, error))
        return self._sensor.read()


def _explain(path, error):
    """Return the file, the line in it where that is known, and what was raised."""
    line = ""
    mark = path + '", line '
    text = _traceback(error)
    at = text.rfind(mark)
    if at >= 0:
        line = ", line " + text[at + len(mark) :].split("\n")[0].split(",")[0]
    if isinstance(error, LinkpostError):
        return "%s%s: %s" % (path, line, error)
    return "%s%s: %s: %s" % (path, line, type(error).__name__, error)


def _traceback(error):
    if hasattr(sys, "print_exception"):
        text = io.StringIO()
        sys.print_exception(error, text)
        return text.getvalue()
    import traceback  # type: ignore[import-not-found]  # CPython's

    return "".join(traceback.format_exception(error)).replace("\\", "/")
