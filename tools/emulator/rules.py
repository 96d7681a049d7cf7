"""What the platform decides from a request alone: no clock, no memory, no socket.

Source: the vendor's page, and docs/protocol.md, "Requests", for what real clients send.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from dataclasses import dataclass, field

SUCCESS = 0
UNKNOWN_ERROR = 10000
PARAMETER_ERROR = 10001
AUTH_FAILED = 20000
TOKEN_EXPIRED = 20001
TOKEN_MISSING = 20002
TOKEN_UNKNOWN = 20003
SESSION_FAILED = 20004
PUBLISH_FAILED = 30001
THROTTLED = 40000

# The texts of the vendor's tables 3 and 5.
MESSAGES = {
    SUCCESS: "success",
    UNKNOWN_ERROR: "common error",
    PARAMETER_ERROR: "param error",
    AUTH_FAILED: "auth check error",
    TOKEN_EXPIRED: "token is expired",
    TOKEN_MISSING: "token is null",
    TOKEN_UNKNOWN: "check token error",
    SESSION_FAILED: "update session error",
    PUBLISH_FAILED: "publish message error",
    THROTTLED: "request too many",
}

PAYLOAD_MAX_BYTES = 131072
CLIENT_ID_MAX = 64
TOPIC_MAX_BYTES = 128
TIMESTAMP_WINDOW_MS = 15 * 60 * 1000

AUTH_TYPE = "application/json"
TOPIC_TYPE = "application/octet-stream"

# `+` is one level, `#` the rest, one level or more, as in MQTT's filters.
# The system's are those that have a source (docs/protocol.md, "Topics").
DEFAULT_TOPICS = (
    "/{product_key}/{device_name}/#",
    "/sys/{product_key}/{device_name}/thing/event/+/post",
    "/sys/{product_key}/{device_name}/thing/deviceinfo/update",
    "/sys/{product_key}/{device_name}/thing/model/up_raw",
    "/sys/{product_key}/{device_name}/thing/config/get",
    "/ota/device/inform/{product_key}/{device_name}",
    "/ota/device/progress/{product_key}/{device_name}",
    "/ota/device/request/{product_key}/{device_name}",
    "/shadow/update/{product_key}/{device_name}",
)
# Before the product key in a system topic: how many levels.
_SYSTEM_LEVELS = {"sys": 1, "ota": 3, "shadow": 2}

_DIGESTS = {"hmacmd5": hashlib.md5, "hmacsha1": hashlib.sha1, "hmacsha256": hashlib.sha256}
DEFAULT_METHOD = "hmacmd5"
_UNSIGNED = ("version", "sign", "signmethod")


@dataclass(frozen=True)
class AuthFields:
    """The body of an authentication, as sent: names and values exactly as they were signed."""

    fields: dict[str, str] = field(repr=False)

    @property
    def product_key(self) -> str:
        return self.fields["productKey"]

    @property
    def device_name(self) -> str:
        return self.fields["deviceName"]

    @property
    def client_id(self) -> str:
        return self.fields["clientId"]

    @property
    def sign_method(self) -> str:
        return self.fields.get("signmethod", DEFAULT_METHOD)

    @property
    def timestamp_ms(self) -> int | None:
        """Unix ms, or None where none was sent."""
        text = self.fields.get("timestamp")
        return None if text is None else int(text)


def has_type(content_type: str | None, wanted: str) -> bool:
    """Tell whether a Content-Type header names that type, with or without parameters."""
    return content_type is not None and content_type.partition(";")[0].strip().lower() == wanted


class ParameterFlaw(Exception):
    """The body of an authentication breaks a rule; the text names the field."""


def parse_auth(body: bytes) -> AuthFields | None:
    """Return the fields of an authentication's body, or None where it is a parameter error."""
    try:
        return read_auth(body)
    except ParameterFlaw:
        return None


def read_auth(body: bytes) -> AuthFields:
    """Return the fields of an authentication's body. Raises ParameterFlaw."""
    try:
        # Numbers stay the text they were sent as: that text is what was signed.
        fields = json.loads(body.decode(), parse_int=str, parse_float=str)
    except (ValueError, RecursionError) as error:
        raise ParameterFlaw("the body is not JSON") from error
    if not isinstance(fields, dict):
        raise ParameterFlaw("the body is not a JSON object")
    for name, value in fields.items():
        if not isinstance(value, str) or not _is_text(value) or not _is_text(name):
            raise ParameterFlaw(f"{_show(name)} is neither text nor a number")
    for name in ("productKey", "deviceName", "clientId", "sign"):
        if not fields.get(name):
            raise ParameterFlaw(f"{name} is {'empty' if name in fields else 'missing'}")
    if len(fields["clientId"]) > CLIENT_ID_MAX:
        raise ParameterFlaw(
            f"clientId has {len(fields['clientId'])} characters, at most {CLIENT_ID_MAX}"
        )
    method = fields.get("signmethod", DEFAULT_METHOD)
    if method not in _DIGESTS:
        raise ParameterFlaw(f"signmethod {_show(method)} is none of {', '.join(_DIGESTS)}")
    if "timestamp" in fields and not re.fullmatch(r"[0-9]{1,16}", fields["timestamp"]):
        raise ParameterFlaw(f"timestamp {_show(fields['timestamp'])} is not Unix milliseconds")
    return AuthFields(fields)


def named_device(body: bytes) -> tuple[str, str] | None:
    """Return the product key and device name in the body of an authentication that is wrong in
    something else, or None."""
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(fields, dict):
        return None
    product_key, device_name = fields.get("productKey"), fields.get("deviceName")
    if not isinstance(product_key, str) or not isinstance(device_name, str):
        return None
    return (product_key, device_name) if _is_text(product_key + device_name) else None


def _show(text: str) -> str:
    return repr(text[:40])


def _is_text(text: str) -> bool:
    r"""Tell whether it can be encoded: JSON's \ud800 alone makes a string that cannot."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def encode_content(fields: dict[str, str]) -> bytes:
    """Return what is signed: key and value of each field sent, sorted, but for three names."""
    return _join(fields, sorted(name for name in fields if name not in _UNSIGNED))


def is_signed_by(auth: AuthFields, secret: str) -> bool:
    """Tell whether the fields carry that secret's signature, in hex of any case."""
    return _is_hmac(auth, auth.sign_method, secret, encode_content(auth.fields))


def _is_hmac(auth: AuthFields, method: str, secret: str, content: bytes) -> bool:
    wanted = hmac.new(secret.encode(), content, _DIGESTS[method]).hexdigest()
    return hmac.compare_digest(wanted.encode(), auth.fields["sign"].lower().encode())


def explain_signature(auth: AuthFields, secret: str) -> str:
    """Say why the fields do not carry the secret's signature, as far as it can be told.

    The text holds neither secret nor signature, and what should have been signed.
    """
    method, sign = auth.sign_method, auth.fields["sign"]
    content = encode_content(auth.fields)
    should = f"{method}(deviceSecret, {_quote(content)}) in hex"
    digits = 2 * _DIGESTS[method]().digest_size
    for other in _DIGESTS:
        if other != method and _is_hmac(auth, other, secret, content):
            said = "says" if "signmethod" in auth.fields else "is missing, which means"
            return f"signmethod {said} {method}, but sign was made with {other}"
    if not re.fullmatch(r"[0-9A-Fa-f]*", sign):
        return f"sign is not hex; it should be {should}"
    if len(sign) != digits:
        return f"sign has {len(sign)} hex digits, {method} gives {digits}; it should be {should}"
    for what, signed in _mistaken_contents(auth.fields).items():
        if _is_hmac(auth, method, secret, signed):
            return f"sign was made over {what}: {_quote(signed)}; it should be {should}"
    for what, wrong in (
        ("a line end after it", secret + "\n"),
        ("a line end after it", secret + "\r\n"),
        ("a space after it", secret + " "),
        ("a space before it", " " + secret),
        ("another case", secret.lower()),
        ("another case", secret.upper()),
    ):
        if wrong != secret and _is_hmac(auth, method, wrong, content):
            return f"sign was made with the deviceSecret and {what}"
    return (
        f"sign does not belong to this device's deviceSecret: check deviceSecret; sign should"
        f" be {should}"
    )


def _mistaken_contents(fields: dict[str, str]) -> dict[str, bytes]:
    """What clients sign by mistake, by its description."""
    signed = [name for name in fields if name not in _UNSIGNED]
    unsigned = [name for name in fields if name != "sign"]
    return {
        "the fields in the order they were sent": _join(fields, signed),
        "version too": _join(fields, sorted(n for n in unsigned if n != "signmethod")),
        "signmethod too": _join(fields, sorted(n for n in unsigned if n != "version")),
        "signmethod and version too": _join(fields, sorted(unsigned)),
        "the fields without timestamp": _join(
            fields, sorted(n for n in signed if n != "timestamp")
        ),
        "the values without their names": "".join(fields[n] for n in sorted(signed)).encode(),
        "fields set apart by = and &": "&".join(
            f"{n}={fields[n]}" for n in sorted(signed)
        ).encode(),
        "clientId, deviceName and productKey alone": _join(
            fields, ["clientId", "deviceName", "productKey"]
        ),
    }


def _join(
    fields: dict[str, str], names: list[str], form: str = "{name}{value}", between: str = ""
) -> bytes:
    return between.join(form.format(name=name, value=fields[name]) for name in names).encode()


def _quote(content: bytes) -> str:
    return json.dumps(content.decode(errors="replace")[:400], ensure_ascii=False)


def is_fresh(timestamp_ms: int | None, now_ms: int) -> bool:
    """Tell whether a request with that timestamp still counts; without one it always does."""
    return timestamp_ms is None or abs(now_ms - timestamp_ms) <= TIMESTAMP_WINDOW_MS


def may_publish(
    topic: str, product_key: str, device_name: str, allowed: tuple[str, ...] = DEFAULT_TOPICS
) -> bool:
    """Tell whether that device has Publish permission for the topic."""
    if not topic.startswith("/") or len(topic) > TOPIC_MAX_BYTES:
        return False
    if not all("!" <= c <= "~" and c not in "?#+" for c in topic):
        return False
    levels = topic.split("/")[1:]
    if not all(levels):
        return False
    for pattern in allowed:
        filled = pattern.format(product_key=product_key, device_name=device_name)
        if _matches(levels, filled.split("/")[1:]):
            return True
    return False


def _matches(levels: list[str], pattern: list[str]) -> bool:
    if pattern[-1] == "#":
        return len(levels) >= len(pattern) and _matches(levels[: len(pattern) - 1], pattern[:-1])
    return len(levels) == len(pattern) and all(
        wanted in ("+", level) for level, wanted in zip(levels, pattern, strict=True)
    )


def describe_allowed(allowed: tuple[str, ...], product_key: str, device_name: str) -> str:
    """Return the topics that the device may publish to, for people."""
    names = [name.format(product_key=product_key, device_name=device_name) for name in allowed]
    if allowed == DEFAULT_TOPICS:
        return f"{names[0]} and to the system's topics (docs/protocol.md)"
    return ", ".join(names)


def topic_device(topic: str) -> tuple[str, str] | None:
    """Return the product key and device name that a topic names, or None."""
    levels = topic.split("/")[1:]
    levels = levels[_SYSTEM_LEVELS.get(levels[0], 0) :] if levels else []
    return (levels[0], levels[1]) if len(levels) >= 2 else None
