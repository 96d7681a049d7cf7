"""What a config.json may hold: each key's meaning, default and limits, as code.

Loaded by `config` (`loader`): much heap, needed once a boot. An unknown key, a missing one or
a wrong type is a ConfigError that names the key and what was expected, never a secret value.
The tools, which apply the same rules, add what usually lies behind it
(tools/firmware/config_hints.py).
"""

import json

from .errors import ConfigError
from .loader import load

_REQUIRED = object()
_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_OBJECT = "an object {...}"
_LIST = "a list [...]"
_RADIO = ("country", "hostname")


def parse(data: bytes, name: str) -> dict:
    """Return what a config.json holds, not checked yet; None: there is no file of that name."""
    if data is None:
        raise ConfigError(None, "there is no %s; run: linkpost provision" % name)
    try:
        # The mark is what Windows' editors put before UTF-8.
        return json.loads(str(data, "utf-8").lstrip("\ufeff"))
    except ValueError:
        message = "%s is not JSON in UTF-8; look for a missing comma or quote"
        raise ConfigError(None, message % name)


def fill(config, data) -> None:
    """Check `data`, the object in config.json, and set its keys on `config`.

    Raises: ConfigError.
    """
    left = dict(_typed("config.json", data, dict, _OBJECT))
    # Who it is.
    config.endpoint = _take(left, "endpoint", _REQUIRED, check_endpoint)
    config.host, _, number = config.endpoint.partition(":")
    config.port_number = int(number or 443)
    config.host_header = config.host if config.port_number == 443 else config.endpoint
    # '*' because the vendor's documents mask keys with it, and so do examples made from them.
    config.product_key = _take(left, "product_key", _REQUIRED, _plain, 1, 32, "_-*")
    config.device_name = _take(left, "device_name", _REQUIRED, _plain, 4, 32, "_.@:-")
    marks = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
    config.device_secret = _take(left, "device_secret", _REQUIRED, _plain, 1, 32, marks)
    names = (config.product_key, config.device_name)
    config.client_id = _take(left, "client_id", "%s.%s" % names, _text, 1, 256)
    if len(config.client_id) > 64:
        raise ConfigError("client_id", "must be text of 1 to 64 characters")
    methods = ("auto", "hmacmd5", "hmacsha1")
    config.sign_method = _take(left, "sign_method", "auto", _one_of, methods)
    # What it reports, and when.
    config.format = _take(left, "format", "json", _one_of, ("json", "alink"))
    topic = "/%s/%s/user/update"
    if config.format == "alink":
        topic = "/sys/%s/%s/thing/event/property/post"
    topic = _take(left, "topic", topic % names, _text, 1, 256)
    topic = topic.replace("{product_key}", config.product_key)
    config.topic = topic.replace("{device_name}", config.device_name)
    load("protocol.messages").check_topic(config.topic)
    config.interval_s = _take(left, "interval_s", 60, _seconds)
    config.send_s = _take(left, "send_s", config.interval_s, _seconds)
    config.interval_ms = int(config.interval_s * 1000)
    config.send_ms = int(config.send_s * 1000)
    config.sleep = _take(left, "sleep", "none", _one_of, ("none", "light", "deep"))
    config.sensors = _take(left, "sensors", None, _sensors)
    # By which network.
    wifi = left.get("wifi")
    config.networks = _take(left, "wifi", [], _wifi)
    if config.networks:  # what is the radio's may stand beside the first one's name
        first = wifi if isinstance(wifi, dict) else wifi[0]
        for key in _RADIO:
            if left.get(key) is None:
                left[key] = first.get(key)
    config.country = _take(left, "country", None, _plain, 2, 2, "")
    if config.country:
        config.country = config.country.upper()
    config.hostname = _take(left, "hostname", None, _plain, 1, 32, "-")
    config.ntp = _take(left, "ntp", ["ntp.aliyun.com", "pool.ntp.org"], _servers)
    # What else it has.
    outbox = dict(_take(left, "outbox", {}, _typed, dict, _OBJECT))
    most = 1_000_000_000
    config.outbox_max_bytes = _take(outbox, "outbox.max_bytes", None, _number, 16_384, most)
    # At most what the platform takes in one message.
    config.batch_bytes = _take(outbox, "outbox.batch_bytes", 0, _number, 0, 131_072)
    if config.batch_bytes and config.format == "alink":
        raise ConfigError("outbox.batch_bytes", "must be 0 with format alink")
    _end(outbox, "outbox.")
    config.led_pin = left.pop("led_pin", None)  # `check_port` tries it
    config.watchdog_s = _take(left, "watchdog_s", None, _seconds)
    # Looked at before a Config is there: ports/esp32_heap.
    _take(left, "grow_heap", True, _typed, bool, "true or false")
    _end(left, "")


def check_port(config, port) -> None:
    """Check what only the chip can tell. Raises: ConfigError."""
    # can_light_sleep, can_deep_sleep
    if config.sleep != "none" and not getattr(port, "can_%s_sleep" % config.sleep):
        raise ConfigError("sleep", "this chip has no %s sleep" % config.sleep)
    longest = port.watchdog_max_ms
    if config.watchdog_s and longest and config.watchdog_s * 1000 > longest:
        raise ConfigError("watchdog_s", "at most %d ms on this chip" % longest)
    if config.led_pin is not None:
        try:
            port.led(config.led_pin)
        except (ValueError, TypeError) as error:
            raise ConfigError("led_pin", str(error))


def check_endpoint(key, value):
    """Return an endpoint, host or host:port, as people paste it. Raises: ConfigError."""
    value = _text(key, value, 1, 300).strip().rstrip("/")
    if value.lower().startswith("https://"):
        value = value[8:]
    host, colon, number = _plain(key, value, 1, 259, ".-:").partition(":")
    if not host or colon and not (number.isdigit() and 0 < int(number[:6]) < 65_536):
        raise ConfigError(key, "must be HOST or HOST:PORT")
    return value


def _take(left, key, default, check, *limits):
    """Take a key, which may be an inner one, out of `left`; return its value, or the default."""
    value = left.pop(key.rpartition(".")[2], None)
    if value is not None:
        return check(key, value, *limits)
    if default is _REQUIRED:
        raise ConfigError(key, "is missing")
    return default


def _end(left, where):
    if left:
        raise ConfigError(where + min(left), "no such key")


def _typed(key, value, kind, what):
    if not isinstance(value, kind):
        raise ConfigError(key, "must be " + what)
    return value


def _text(key, value, least, most):
    if not isinstance(value, str) or not least <= len(value.encode()) <= most:
        raise ConfigError(key, "must be text of %d to %d bytes" % (least, most))
    return value


def _plain(key, value, least, most, more):
    """Check for a text of ASCII letters, digits and those `more`, so many of them."""
    # By strip: a character taken out of it is a name, which MicroPython keeps for good.
    is_so_long = isinstance(value, str) and least <= len(value) <= most
    if not is_so_long or value.strip(_LETTERS + more):
        raise ConfigError(key, "must be %d to %d of A-Z a-z 0-9 %s" % (least, most, more))
    return value


def _one_of(key, value, choices):
    if value not in choices:
        raise ConfigError(key, "must be one of: %s" % ", ".join(choices))
    return value


def _number(key, value, least, most, other=int):
    # By type, for on CPython a bool is an int. `<=` is false for NaN as well.
    if type(value) not in (int, other) or not least <= value <= most:
        raise ConfigError(key, "must be a number from %d to %d" % (least, most))
    return value


def _seconds(key, value):
    return _number(key, value, 0, 604_800, float)  # a week


def _sensors(key, value):
    for i, sensor in enumerate(_typed(key, value or None, list, _LIST)):
        at = "%s[%d]" % (key, i)
        left = dict(_typed(at, sensor, dict, _OBJECT))
        # A module of that name is imported; it is never a path.
        _take(left, at + ".type", _REQUIRED, _plain, 1, 64, "_.")
        _take(left, at + ".name", None, _plain, 1, 64, "_")
    return value


def _wifi(key, value):
    networks = []
    is_one = isinstance(value, dict)
    for i, network in enumerate([value] if is_one else _typed(key, value, list, _LIST)):
        at = key if is_one else "%s[%d]" % (key, i)
        left = dict(_typed(at, network, dict, _OBJECT))
        ssid = _take(left, at + ".ssid", _REQUIRED, _text, 1, 32)
        networks.append((ssid, _take(left, at + ".password", "", _password)))
        for name in _RADIO:  # `fill` looks at it
            left.pop(name, None)
        _end(left, at + ".")
    return networks


def _password(key, value):
    # IEEE 802.11: a passphrase of 8 to 63, or the 256-bit key itself in hex.
    is_hex = not str(value).strip("0123456789abcdefABCDEF")
    return value if value == "" else _text(key, value, 8, 64 if is_hex else 63)


def _servers(key, value):
    for server in _typed(key, value, list, _LIST):
        _text(key, server, 1, 253)
    return value
