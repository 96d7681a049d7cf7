"""From the config's `sensors` to sensors. Loaded when needed (`loader`): needed once a boot."""

import gc
import sys

from ..errors import ConfigError


def build_for(app, more) -> list:
    """Return the sensors of an app's config and `more`, as (name, sensor)s. Raises: as `build`."""
    built = build(app.config.sensors, app.port) + [("", sensor) for sensor in more]
    for _, sensor in built:
        if getattr(sensor, "kind", "") == "system":
            sensor.app = app
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
        options = dict(specs[i])
        name = options.pop("name", "")
        built.append((name, _make(options.pop("type"), options, "sensors[%d]" % i, port)))
    return built


def _make(kind, options, key, port):
    try:
        if kind.startswith("user."):
            return _module("user").load(kind[5:], options, key, port)
        # A type is the name of its file; dht11 and dht22 share one.
        sensor_class = _class_in(_module("dht" if kind.startswith("dht") else kind), kind)
        _check(options, key, kind, sensor_class.OPTIONS)
        try:
            return sensor_class(port, **options)
        except (ValueError, TypeError) as error:  # how machine.Pin and how a sensor refuses
            raise ConfigError(key, str(error))
        except ImportError:
            raise
        except Exception:  # no fault of the config: told with each reading until it can be made
            return _Later(kind, sensor_class, port, options)
    except ImportError as error:  # the type's own file, or the firmware's driver
        raise ConfigError(key + ".type", "not on this board: %s; deploy again" % error)


class _Later:
    """A sensor whose driver failed at boot: made with the first reading that it lets.

    It keeps this module in heap, 1.5 KB, where that happens.
    """

    def __init__(self, kind, *made_of):
        self.kind = kind
        self._made_of = made_of

    def read(self):
        sensor_class, port, options = self._made_of
        self.read = sensor_class(port, **options).read
        return self.read()


def _module(file):
    known = set(sys.modules)
    gc.collect()  # what stays lies low in the heap, and not behind what was left there
    try:
        return __import__("linkpost.sensors." + file, None, None, ("",))
    except MemoryError:
        # MicroPython leaves an empty module in its table, which the next try would find there.
        for module in set(sys.modules) - known:
            del sys.modules[module]
        raise


def _class_in(module, kind):
    for one in module.__dict__.values():
        if getattr(one, "kind", "") == kind:
            return one
    raise ImportError("no sensor %s" % kind)


def _check(options, key, kind, known):
    """Refuse what a type does not take; `known` is {option: (types, required)}."""
    for option in list(options) + list(known):
        types, is_required = known.get(option, ((), True))
        # By type, for on CPython a bool is an int; no option here wants one.
        if (is_required or option in options) and type(options.get(option)) not in types:
            message = "missing, unknown or of the wrong type; options of %s: %s"
            takes = ", ".join(sorted(known))
            raise ConfigError("%s.%s" % (key, option), message % (kind, takes))
