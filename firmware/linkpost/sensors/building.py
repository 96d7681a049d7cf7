"""From the config's `sensors` to sensors. Loaded when needed (`loader`): needed once a boot."""

import gc
import sys

from ..errors import ConfigError
from ..loader import load


def build_for(app, more) -> list:
    """Return the sensors of an app's config and `more`, as (name, sensor)s. Raises: as `build`."""
    built = build(app.config.sensors, app.port) + [("", sensor) for sensor in more]
    for _, sensor in built:
        if getattr(sensor, "kind", "") == "system":
            sensor.outbox = app.outbox
            sensor.format = app.config.format
    return built


def build(specs, port) -> list:
    """Turn the config's checked `sensors` into (name, sensor)s; name is "" where none is given.

    None is the default: the chip's temperature, or `system` where no sensor of it is worth that.
    Nothing but the types that are used is imported.
    Raises: ConfigError that names the key, for an unknown option, a wrong type of value, a pin the
        chip refuses, a driver it has not, and a person's own file that cannot be used.
    """
    if specs is None:
        specs = [{"type": "onchip" if port.has_temperature else "system"}]
    built = []
    for i in range(len(specs)):
        spec = specs[i]
        built.append((spec.get("name") or "", _make(spec, "sensors[%d]" % i, port)))
    return built


def _make(spec, key, port):
    types = load("sensor_types")
    kind = spec["type"]
    options = {name: spec[name] for name in spec if name not in ("type", "name")}
    if kind.startswith(types.USER):
        loader = _module(types.USER_FILE, key)
        return loader.load(kind[len(types.USER) :], options, key, port)
    file, class_name = types.TYPES[kind]
    sensor_class = getattr(_module(file, key), class_name)
    _check(options, key, kind, sensor_class.OPTIONS)
    try:
        return sensor_class(port, **options)
    except (ValueError, TypeError) as error:  # how machine.Pin and how a sensor refuses
        raise ConfigError(key, str(error))
    except ImportError as error:  # the firmware's own driver
        raise ConfigError(key + ".type", "not on this machine: %s" % error)
    except Exception:  # no fault of the config: told with each reading until it can be made
        return _Later(lambda: sensor_class(port, **options), kind)


class _Later:
    """A sensor whose driver failed at boot: made with the first reading that it lets.

    It keeps this module in heap, 1.5 KB, where that happens.
    """

    def __init__(self, make, kind):
        self._make = make
        self._sensor = None
        self.kind = kind

    def read(self):
        if self._sensor is None:
            self._sensor = self._make()
        return self._sensor.read()


def _module(file, key):
    known = set(sys.modules)
    gc.collect()  # what stays lies low in the heap, and not behind what was left there
    try:
        return __import__("linkpost.sensors." + file, None, None, ("",))
    except ImportError:
        raise ConfigError(key + ".type", "this board lacks the file for it; deploy again")
    except MemoryError:
        # MicroPython leaves an empty module in its table, which the next try would find there.
        for module in [module for module in sys.modules if module not in known]:
            del sys.modules[module]
        raise


def _check(options, key, kind, known):
    """Refuse options that a type does not have; `known` is {name: (types, required)}."""
    for option, value in options.items():
        at = "%s.%s" % (key, option)
        if option not in known:
            takes = ", ".join(sorted(known)) or "no options"
            raise ConfigError(at, "unknown; %s takes %s" % (kind, takes))
        # On CPython a bool is an int; no option here wants one.
        if isinstance(value, bool) or not isinstance(value, known[option][0]):
            raise ConfigError(at, "this value has the wrong type")
    for option in known:
        if known[option][1] and option not in options:
            raise ConfigError("%s.%s" % (key, option), "missing; %s needs it" % kind)
