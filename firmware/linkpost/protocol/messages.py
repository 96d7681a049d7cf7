"""What a person hands to `publish` or `report`, looked at and made bytes of a message.

Loaded when needed (`loader`): the config's topic, and bytes, need none of it.
"""

import json

from micropython import const

from ..errors import ConfigError
from ..loader import load

_TOPIC_MAX_BYTES = const(128)  # the platform's limit
_PAYLOAD_MAX_BYTES = const(131_072)  # the same


def check_topic(topic: str) -> None:
    """Raise ConfigError unless `topic` can be published to.

    A topic starts with one slash (`/topic` + topic must not give `/topic//`) and has no `?`
    (query strings are not supported), no `#` or `+` (wildcards are for subscriptions), and nothing
    but printable ASCII: a CR or LF would end the request line. The platform answers 30001 to the
    console's own `${deviceName}`, and to what the page shows as the request's path, `/topic/...`.
    """
    if not isinstance(topic, str) or topic[:1] != "/" or topic[1:2] in ("", "/"):
        raise ConfigError("topic", "starts with one slash: /{product_key}/{device_name}/...")
    if topic.startswith("/topic/"):
        raise ConfigError("topic", "begins with /topic, which the request adds")
    # By bytes: a character of its own is a name, which MicroPython keeps for good. CPython needs
    # the second word for half of a surrogate pair.
    data = topic.encode("utf-8", "surrogatepass")
    if len(data) > _TOPIC_MAX_BYTES or any(
        byte in b"{$}?#+" or not 0x21 <= byte <= 0x7E for byte in data
    ):
        raise ConfigError(
            "topic",
            "takes 128 ASCII characters, no spaces, ? # + or $; "
            "write {product_key} and {device_name} for the names",
        )


def measured(payload, length: int):
    """Return (bytes or an object with readinto, its length). Raises: ConfigError.

    A str is UTF-8 then, a dict, list or tuple JSON. Args: length, of an object with readinto.
    """
    if not hasattr(payload, "readinto"):
        if isinstance(payload, (dict, list, tuple)):
            _check(payload)
            payload = json.dumps(payload)
        if isinstance(payload, str):
            payload = payload.encode()
        elif not isinstance(payload, (bytes, bytearray, memoryview)):
            raise _refused("payload", "is no bytes, str, dict, list or object with readinto")
        length = len(payload)
    if not 1 <= length <= _PAYLOAD_MAX_BYTES:
        raise _refused("payload", "has %d bytes; 1 to 131072 are possible" % length)
    return payload, length


def encode_report(config, unix_ms, values: dict, random: bytes) -> bytes:
    """Return a reading as the config's format has it: its time, no seq and no stream.

    Args: random, bytes of which an alink message makes its id.
    Raises: ConfigError for a name or value that a reading cannot carry.
    """
    if not isinstance(values, dict) or not values:
        raise _refused("values", "must be a dict: a name, and a number, text or bool each")
    for name in values:
        if (
            not isinstance(name, str)
            or name in ("", "stream", "seq", "time", "error")
            or not _is_scalar(values[name])
        ):
            raise _refused("values", "%r cannot be a name, or not of such a value" % (name,))
    if config.format == "alink":
        identity = int.from_bytes(random, "big")
        text = load("protocol.alink").encode_alink(None, identity, unix_ms, values)
    else:
        text = load("protocol.payloads").encode_json(None, None, unix_ms, values)
    return text.encode()


def _check(value):
    # What json.dumps of CPython refuses and that of MicroPython writes as if it were JSON.
    if isinstance(value, dict):
        for name in value:
            _check((name, value[name]))
    elif isinstance(value, (list, tuple)):
        for one in value:
            _check(one)
    elif value is not None and not _is_scalar(value):
        raise _refused("payload", "holds a %s that JSON has not" % type(value).__name__)


def _is_scalar(value):
    if isinstance(value, float):
        return value - value == 0  # NaN differs from itself, infinity minus infinity is NaN
    return isinstance(value, (str, int, bool))  # on MicroPython a bool is no int


def _refused(key, message):
    error = ConfigError(key, message)
    error.retry = "never"
    return error
