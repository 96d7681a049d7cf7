"""What a config.json may hold: each key's meaning, default and limits, as code.

Loaded by `config` (`loader`): much heap, needed once a boot. An unknown key, a missing one or
a wrong type is a ConfigError that names the key and what was expected, never a secret value.
"""

import json

from .errors import ConfigError
from .loader import load

CLIENT_ID_MAX = 64  # characters; the vendor's page, table 2

_WEEK_S = 604_800
_PAYLOAD_MAX_BYTES = 131_072  # and so of a batch; the vendor's page
_REQUIRED = object()


def parse(data: bytes, name: str) -> dict:
    """Return what a config.json holds, not checked yet; None: there is no file of that name."""
    if data is None:
        raise ConfigError(None, "there is no %s; run: linkpost provision" % name)
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise ConfigError(None, "%s is UTF-16; save it as UTF-8" % name)
    if data[:3] == b"\xef\xbb\xbf":  # what Windows' editors put before UTF-8
        data = data[3:]
    try:
        return json.loads(str(data, "utf-8"))
    except ValueError:
        raise ConfigError(None, "%s is not JSON; look for a missing comma or quote" % name)


def fill(config, data) -> None:
    """Check `data`, the object in config.json, and set its keys on `config`.

    Raises: ConfigError.
    """
    if not isinstance(data, dict):
        raise ConfigError(None, "config.json must hold one JSON object")
    left = dict(data)
    for key in sorted(left):  # the console's own JSON has DeviceName
        for name in ("device_name", "device_secret", "endpoint", "product_key"):
            if key != name and key.replace("_", "").lower() == name.replace("_", ""):
                raise ConfigError(key, "is called %s in config.json" % name)
    # Who it is.
    config.endpoint = _take(left, "endpoint", _REQUIRED, check_endpoint)
    host, _, number = config.endpoint.partition(":")
    config.host = host
    config.port_number = int(number) if number else 443
    config.host_header = host if config.port_number == 443 else config.endpoint
    # '*' because the vendor's documents mask keys with it, and so do examples made from them.
    what = "the ProductKey as the console shows it, like a1B2c3D4e5F"
    config.product_key = _take(left, "product_key", _REQUIRED, _plain, 1, 32, "_-*", what)
    what = "4 to 32 of A-Z a-z 0-9 _ . @ : -"
    config.device_name = _take(left, "device_name", _REQUIRED, _plain, 4, 32, "_.@:-", what)
    what = "the DeviceSecret as the console shows it, 1 to 32 characters"
    config.device_secret = _take(left, "device_secret", _REQUIRED, _plain, 1, 32, None, what)
    default = "%s.%s" % (config.product_key, config.device_name)
    config.client_id = _take(left, "client_id", default, _text)
    if len(config.client_id) > CLIENT_ID_MAX:
        raise ConfigError("client_id", "must have 1 to %d characters" % CLIENT_ID_MAX)
    methods = ("auto", "hmacmd5", "hmacsha1")
    config.sign_method = _take(left, "sign_method", "auto", _one_of, methods)
    # What it reports, and when.
    config.format = _take(left, "format", "json", _one_of, ("json", "alink"))
    default = "/{product_key}/{device_name}/user/update"
    if config.format == "alink":
        default = "/sys/{product_key}/{device_name}/thing/event/property/post"
    topic = _take(left, "topic", default, _text).replace("{product_key}", config.product_key)
    config.topic = topic.replace("{device_name}", config.device_name)
    load("protocol.messages").check_topic(config.topic)
    config.interval_s = _take(left, "interval_s", 60, _seconds)
    config.send_s = _take(left, "send_s", config.interval_s, _seconds)
    config.interval_ms = int(config.interval_s * 1000)
    config.send_ms = int(config.send_s * 1000)
    config.sleep = _take(left, "sleep", "none", _one_of, ("none", "light", "deep"))
    config.sensors = _take(left, "sensors", None, _sensors)
    # By which network.
    wifi = _take(left, "wifi", [], _wifi)
    config.networks = [(network["ssid"], network.get("password", "")) for network in wifi]
    for key in ("country", "hostname"):
        if wifi and left.get(key) is None:
            left[key] = wifi[0].get(key)
    what = "a country's two letters, like CN"
    config.country = _take(left, "country", None, _plain, 2, 2, "", what)
    if config.country:
        config.country = config.country.upper()
    what = "1 to 32 of letters, digits and -"
    config.hostname = _take(left, "hostname", None, _plain, 1, 32, "-", what)
    config.ntp = _take(left, "ntp", ["ntp.aliyun.com", "pool.ntp.org"], _servers)
    # What else it has.
    _take_outbox(config, left)
    config.led_pin = _take(left, "led_pin", None, _pin)
    config.watchdog_s = _take(left, "watchdog_s", None, _seconds)
    # Looked at before a Config is there: ports/esp32_heap.
    _take(left, "grow_heap", True, _typed, bool, "true or false")
    for key in sorted(left):
        raise ConfigError(key, "no such key; see docs/configuration.md")


def check_port(config, port) -> None:
    """Check what only the chip can tell. Raises: ConfigError."""
    if config.sleep == "deep" and not port.can_deep_sleep:
        raise ConfigError("sleep", "deep saves nothing on this chip; use light")
    if config.sleep == "light" and not port.can_light_sleep:
        raise ConfigError("sleep", "this port cannot sleep; use none")
    longest = port.watchdog_max_ms
    if config.watchdog_s and longest and config.watchdog_s * 1000 > longest:
        raise ConfigError("watchdog_s", "at most %d ms on this chip" % longest)
    if config.led_pin is not None:
        try:
            port.led(config.led_pin)
        except ValueError as error:
            raise ConfigError("led_pin", str(error))


def _take_outbox(config, left):
    inner = dict(_take(left, "outbox", {}, _typed, dict, "an object {...}"))
    what = "a number of bytes"
    key = "outbox.max_bytes"
    config.outbox_max_bytes = _take(inner, key, None, _number, 16_384, 1 << 30, what)
    key = "outbox.batch_bytes"
    config.batch_bytes = _take(inner, key, 0, _number, 0, _PAYLOAD_MAX_BYTES, what)
    for key in sorted(inner):
        raise ConfigError("outbox." + key, "no such key")
    if config.batch_bytes and config.format == "alink":
        raise ConfigError("outbox.batch_bytes", "must be 0 with format alink")


def _take(left, key, default, check, *limits):
    """Take a key, which may be an inner one, out of `left`; return its value, or the default."""
    value = left.pop(key.rpartition(".")[2], None)
    if value is not None:
        return check(key, value, *limits)
    if default is _REQUIRED:
        raise ConfigError(key, "is missing")
    return default


def _typed(key, value, kind, what):
    if not isinstance(value, kind):
        raise ConfigError(key, "must be " + what)
    return value


def _text(key, value):
    return _typed(key, value or None, str, "non-empty text")


def _one_of(key, value, choices):
    if value not in choices:
        raise ConfigError(key, "must be one of: %s" % ", ".join(choices))
    return value


def _number(key, value, least, most, what, types=int):
    # On CPython a bool is an int. `<=` is false for NaN as well.
    if isinstance(value, bool) or not isinstance(value, types) or not least <= value <= most:
        raise ConfigError(key, "must be %s, %d to %d" % (what, least, most))
    return value


def _seconds(key, value):
    return _number(key, value, 0, _WEEK_S, "a number of seconds", (int, float))


def _pin(key, value):
    # Most boards count their pins; the Pico W's LED hangs on the radio and has the name "LED".
    return value if value == "LED" else _number(key, value, 0, 48, "a pin's number")


def _is_plain(value, least, most, more):
    """Tell whether it is a text of ASCII letters, digits and those `more`, so many of them.

    more: None for all that can be seen.
    """
    if not isinstance(value, str) or not least <= len(value) <= most:
        return False
    if more is None:
        return not odd_character(value)
    # By bytes: a character of its own is a name, which MicroPython keeps for good.
    plain = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" + more.encode()
    try:
        return all(byte in plain for byte in value.encode())
    except ValueError:  # CPython, of half a surrogate pair
        return False


def _plain(key, value, least, most, more, what):
    if not _is_plain(value, least, most, more):
        odd = odd_character(value) if isinstance(value, str) else ""
        raise ConfigError(key, "must be " + what + odd)
    return value


def check_endpoint(key, value):
    """Return an endpoint, host or host:port, as people paste it. Raises: ConfigError."""
    value = _text(key, value).strip()
    if value.lower().startswith("https://"):
        value = value[8:]
    elif "://" in value:
        scheme = value[: value.find("://") + 3]
        raise ConfigError(key, "must not be %s: linkpost speaks HTTPS only" % scheme)
    value, _, path = value.partition("/")
    if path.strip("/"):
        raise ConfigError(key, "has a path behind the host; give host or host:port alone")
    host, colon, number = value.partition(":")
    if not _is_plain(host, 1, 253, ".-"):
        what = "must be a host or host:port, as the console shows it"
        raise ConfigError(key, what + odd_character(host))
    if "iot-as-mqtt" in host or ".mqtt.iothub." in host:
        raise ConfigError(
            key, "is the one for MQTT; the one for HTTPS has http in its name where this has mqtt"
        )
    if colon and not (number.isdigit() and len(number) <= 5 and 1 <= int(number) <= 65535):
        raise ConfigError(key, "has a port that is not 1 to 65535")
    return value


def odd_character(text: str) -> str:
    """Return words on the first character that a person may not see there; "" for none."""
    for place, character in enumerate(text):
        if not "!" <= character <= "~":
            what = "a space" if character == " " else "U+%04X" % ord(character)
            return "; character %d is %s" % (place + 1, what)
    return ""


def _sensors(key, value):
    _typed(key, value or None, list, 'a list like [{"type": "onchip"}]')
    types = load("sensor_types")
    known = sorted(types.TYPES)
    names = []
    for i, sensor in enumerate(value):
        at = "%s[%d]" % (key, i)
        kind = _typed(at, sensor, dict, "an object {...}").get("type")
        is_user = False
        if isinstance(kind, str) and kind.startswith(types.USER):
            # A module's name: it is imported, and never a path.
            module = kind[len(types.USER) :]
            is_user = _is_plain(module, 1, 1 << 30, "_") and not "0" <= module[0] <= "9"
        if not is_user and kind not in known:
            what = "must be one of: %s; or user.NAME for /user/NAME.py" % ", ".join(known)
            raise ConfigError(at + ".type", what)
        name = sensor.get("name")
        if name is not None:
            _plain(at + ".name", name, 1, 1 << 30, "_", "letters, digits and _")
        if (kind, name) in names:
            raise ConfigError(at + ".name", "is needed: another %s has the same" % kind)
        names.append((kind, name))
    return value


def _wifi(key, value):
    networks = [value] if isinstance(value, dict) else value
    _typed(key, networks, list, '{"ssid": ..., "password": ...} or a list of them')
    for i, network in enumerate(networks):
        at = key if isinstance(value, dict) else "%s[%d]" % (key, i)
        for name in sorted(_typed(at, network, dict, "an object {...}")):
            if name not in ("ssid", "password", "country", "hostname"):
                raise ConfigError("%s.%s" % (at, name), "no such key")
        ssid = network.get("ssid")
        if not isinstance(ssid, str) or not 1 <= len(ssid.encode()) <= 32:
            raise ConfigError(at + ".ssid", "must be 1 to 32 bytes of text")
        password = network.get("password", "")
        # IEEE 802.11: a passphrase of 8 to 63, or the 256-bit key itself in hex.
        if not isinstance(password, str) or not (
            not password
            or 8 <= len(password.encode()) <= 63
            or (len(password) == 64 and not password.strip("0123456789abcdefABCDEF"))
        ):
            raise ConfigError(
                at + ".password", "must be 8 to 63 characters or 64 hex digits, or left out"
            )
    return networks


def _servers(key, value):
    if not isinstance(value, list) or [s for s in value if not isinstance(s, str) or not s]:
        raise ConfigError(key, "must be a list of host names")
    return value
