"""What the platform decides from a request alone: no clock, no memory, no socket.

Source: the vendor's page, and PROTOCOL.md where it says what real clients send.
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
DEFAULT_TOPICS = ("/{product_key}/{device_name}/#", "/sys/{product_key}/{device_name}/thing/#")

_DIGESTS = {"hmacmd5": hashlib.md5, "hmacsha1": hashlib.sha1, "hmacsha256": hashlib.sha256}
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
    def timestamp_ms(self) -> int | None:
        """Unix ms, or None where none was sent."""
        text = self.fields.get("timestamp")
        return None if text is None else int(text)


def has_type(content_type: str | None, wanted: str) -> bool:
    """Tell whether a Content-Type header names that type, with or without parameters."""
    return content_type is not None and content_type.partition(";")[0].strip().lower() == wanted


def parse_auth(body: bytes) -> AuthFields | None:
    """Return the fields of an authentication's body, or None where it is a parameter error."""
    try:
        # Numbers stay the text they were sent as: that text is what was signed.
        fields = json.loads(body.decode(), parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return None
    if not isinstance(fields, dict):
        return None
    if not all(isinstance(v, str) and _is_text(v) for v in (*fields, *fields.values())):
        return None
    if not all(fields.get(name) for name in ("productKey", "deviceName", "clientId", "sign")):
        return None
    if len(fields["clientId"]) > CLIENT_ID_MAX:
        return None
    if fields.get("signmethod", "hmacmd5") not in _DIGESTS:
        return None
    if "timestamp" in fields and not re.fullmatch(r"[0-9]{1,16}", fields["timestamp"]):
        return None
    return AuthFields(fields)


def _is_text(text: str) -> bool:
    r"""Tell whether it can be encoded: JSON's \ud800 alone makes a string that cannot."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def encode_content(fields: dict[str, str]) -> bytes:
    """Return what is signed: key and value of each field sent, sorted, but for three names."""
    return "".join(k + fields[k] for k in sorted(fields) if k not in _UNSIGNED).encode()


def is_signed_by(auth: AuthFields, secret: str) -> bool:
    """Tell whether the fields carry that secret's signature, in hex of any case."""
    digest = _DIGESTS[auth.fields.get("signmethod", "hmacmd5")]
    wanted = hmac.new(secret.encode(), encode_content(auth.fields), digest).hexdigest()
    return hmac.compare_digest(wanted.encode(), auth.fields["sign"].lower().encode())


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


def topic_device(topic: str) -> tuple[str, str] | None:
    """Return the product key and device name that a topic names, or None."""
    levels = topic.split("/")[1:]
    if levels[:1] == ["sys"]:
        levels = levels[1:]
    return (levels[0], levels[1]) if len(levels) >= 2 else None
