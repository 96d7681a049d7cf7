"""What a person hands to `publish` or `report`, looked at and made bytes of a message.

Loaded when needed (`loader`): the config's topic, and bytes, need none of it.
"""

import json

from ..errors import ConfigError
from ..loader import load

# Bytes; the platform's limit for a topic, MQTT's wildcards and HTTP's query marker excluded.
TOPIC_MAX_BYTES = 128
_REFUSED = "?#+ "


def check_topic(topic: str) -> None:
    """Raise ConfigError unless `topic` can be published to.

    A topic starts with one slash (`/topic` + topic must not give `/topic//`) and has no `?`
    (query strings are not supported), no `#` or `+` (wildcards are for subscriptions), and nothing
    but printable ASCII: a CR or LF would end the request line. The platform answers 30001 to the
    console's own `${deviceName}`, and to what the page shows as the request's path, `/topic/...`.
    """
    if not isinstance(topic, str) or not topic.startswith("/"):
        raise ConfigError("topic", "starts with a slash: /{product_key}/{device_name}/...")
    if len(topic) > TOPIC_MAX_BYTES:
        raise ConfigError(
            "topic", "%d characters; at most %d bytes" % (len(topic), TOPIC_MAX_BYTES)
        )
    if topic.startswith("//") or len(topic) < 2:
        raise ConfigError("topic", "needs a name after its first slash")
    if topic.startswith("/topic/"):
        raise ConfigError("topic", "begins with /topic, which the request adds; leave that out")
    # By bytes: a character of its own is a name, which MicroPython keeps for good.
    try:
        fits = not any(byte in b"{$}?#+" or not 0x21 <= byte <= 0x7E for byte in topic.encode())
    except ValueError:  # CPython, of half a surrogate pair
        fits = False
    if not fits:
        raise _bad_character(topic)


def _bad_character(topic):
    bad = [c for c in topic if c in "{$}" or c in _REFUSED or not "!" <= c <= "~"][0]
    hint = "no spaces, ? # + or characters outside ASCII"
    if bad in "{$}":
        hint = "write {product_key} and {device_name} for the names"
    return ConfigError("topic", "has %r; %s" % (bad, hint))


def encode(payload) -> bytes:
    """Return a str as UTF-8, a dict or list as JSON. Raises: ConfigError for anything else."""
    if isinstance(payload, str):
        return payload.encode()
    if not isinstance(payload, (dict, list, tuple)):
        raise refused("must be bytes, str, dict, list, or an object with readinto and a length")
    _check(payload)
    return json.dumps(payload).encode()


def encode_report(config, unix_ms, values: dict, random: bytes) -> bytes:
    """Return a reading as the config's format has it: its time, no seq and no stream.

    Args: random, bytes of which an alink message makes its id.
    Raises: ConfigError for a name or value that a reading cannot carry.
    """
    if not isinstance(values, dict) or not values:
        raise _bad_values("must be a dict: a name and a value each")
    for name in values:
        value = values[name]
        if not isinstance(name, str) or not name or name in ("stream", "seq", "time", "error"):
            raise _bad_values("%r cannot be the name of a value" % (name,))
        if not isinstance(value, (int, float, bool, str)):  # on MicroPython a bool is no int
            raise _bad_values("%s is no number, text or bool" % name)
    _check(values)
    if config.format == "alink":
        identity = int.from_bytes(random, "big")
        text = load("protocol.alink").encode_alink(identity, unix_ms, values)
    else:
        text = load("protocol.payloads").encode_json(None, None, unix_ms, values)
    return text.encode()


def refused(message: str) -> ConfigError:
    """Return the error of a payload that cannot be published."""
    error = ConfigError("payload", message)
    error.retry = "never"
    return error


def refused_length(length: int) -> ConfigError:
    """Return the error of a payload of so many bytes."""
    return refused("has %d bytes; 1 to 131072 are possible" % length)


def _bad_values(message):
    error = ConfigError("values", message)
    error.retry = "never"
    return error


def _check(payload):
    # What json.dumps of CPython refuses and that of MicroPython writes as if it were JSON.
    left = [payload]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            left.extend(value.keys())
            left.extend(value.values())
        elif isinstance(value, (list, tuple)):
            left.extend(value)
        elif isinstance(value, float):
            # NaN differs from itself, infinity minus infinity is NaN.
            if value - value != 0:
                raise refused("holds a number not in JSON: %r" % value)
        elif not (value is None or isinstance(value, (str, int, bool))):
            raise refused("holds a %s, not in JSON" % type(value).__name__)
