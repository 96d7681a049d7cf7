"""What is refused of a reply, and what a refusal of the platform is: our errors, with their texts.

Loaded when needed (`loader`): texts cost heap. This and `Client` know the numbers of the vendor's
page, tables 3 and 5.
"""

from micropython import const

from ..errors import (
    AuthError,
    ProtocolError,
    RejectedError,
    ServiceError,
    ThrottledError,
    TokenError,
)

_PARAM_ERROR = const(10001)
_AUTH_CHECK_ERROR = const(20000)
_TOKEN_EXPIRED = const(20001)
_TOKEN_UNKNOWN = const(20003)
_PUBLISH_ERROR = const(30001)
_TOO_MANY_REQUESTS = const(40000)

_TOKEN_MAX = const(512)  # characters; the vendor's SDKs make room for 192
_ID_MAX = const(64)
# Of a secret as the platform issues it (32 characters) the end tells two of them apart and gives
# nothing away; of a short one it would.
_SECRET_LONG = const(16)
_SECRET_SHOWN = const(4)

# What the reply does; in the order of the room's numbers.
_TEXTS = (
    "ends too early",
    "is not HTTP/1.1",
    "has too long a head",
    "has no clear length",
    "has over 1024 bytes",
    "is no JSON object with a code",
    "has a message id that is no number",
    "has a token that fits no header",
)
_NO_JSON = const(5)
_NO_ID = const(6)
_NO_TOKEN = const(7)


def of_reply(number: int) -> ProtocolError:
    """Return the error of that number."""
    return ProtocolError("the reply " + _TEXTS[number])


def mended(body: bytes) -> bytes:
    """Return the body as JSON that can be parsed, where two kinds of fault are all that is wrong.

    They are text that is no UTF-8 (the code decides what happens: a message that nobody can read
    must not turn a refusal into something else) and NaN or an infinity where nobody looks.
    Raises: ProtocolError where there is neither.
    """
    # DEL for each byte outside ASCII: a character that no token and no message id may have.
    better = bytes(min(byte, 0x7F) for byte in body)
    for word in (b"-Infinity", b"Infinity", b"NaN"):
        better = better.replace(word, b"null")
    if better == body:
        raise of_reply(_NO_JSON)
    return better


def checked_id(found) -> str:
    """Return a message id that came as text.

    Raises: ProtocolError where it is something else than 1 to 64 letters, digits and `-`.
    """
    if not _is_printable(found, _ID_MAX) or found.encode().lower().strip(
        b"-0123456789abcdefghijklmnopqrstuvwxyz"
    ):
        raise of_reply(_NO_ID)
    return found


def of_status(status: int) -> ServiceError:
    """Return the error of an HTTP status other than 200. A redirect would take the token along."""
    return ServiceError(status, "HTTP: an error page or a redirect")


def of_code(tree: dict, topic, device_secret="") -> ServiceError:
    """Return the error of a reply whose code is not 0: to a message on `topic`, or to /auth where
    that is None.
    """
    code = tree["code"]
    message = platform_message(tree)
    if code == _TOO_MANY_REQUESTS:
        return ThrottledError(
            code, message + ": too often; raise interval_s or send_s, or set outbox.batch_bytes"
        )
    if topic is None:
        if code in (_PARAM_ERROR, _AUTH_CHECK_ERROR):
            ending = ""
            if len(device_secret) >= _SECRET_LONG:
                ending = " (ends in ..%s)" % device_secret[-_SECRET_SHOWN:]
            return AuthError(
                code,
                "Authentication refused. Check in this order: endpoint belongs to this device's "
                "instance; product_key; device_name; device_secret%s; device enabled" % ending,
            )
    elif _TOKEN_EXPIRED <= code <= _TOKEN_UNKNOWN:
        return TokenError(code, message)
    elif code in (_PARAM_ERROR, _PUBLISH_ERROR):
        return RejectedError(code, "%s, topic %s" % (message, topic))
    return ServiceError(code, message)


def token_of(tree: dict, device_secret: str) -> str:
    """Return the token in the reply to /auth.

    Raises: AuthError, ThrottledError or ServiceError where the reply has another code than 0;
    ProtocolError where the token is no 1 to 512 printable ASCII characters: it becomes a header.
    """
    if tree["code"]:
        raise of_code(tree, None, device_secret)
    info = tree.get("info")
    token = info.get("token") if isinstance(info, dict) else None
    if token is None:
        raise ServiceError(0, "authentication gave no token")
    if not _is_printable(token, _TOKEN_MAX):
        raise of_reply(_NO_TOKEN)
    return token


def _is_printable(text, most):
    if not isinstance(text, str):
        return False
    # By bytes: a character of its own is a name, which MicroPython keeps for good. CPython needs
    # the second word for half of a surrogate pair; it is its only use on a chip too.
    data = text.encode("utf-8", "surrogatepass")
    return 1 <= len(data) <= most and min(data) > 0x20 and max(data) < 0x7F


def platform_message(tree: dict) -> str:
    """Return the message for people that the platform sent, "" where there are none.

    The code decides what happens; a message that is no text (another encoding, half of a surrogate
    pair, which no UTF-8 can hold) must not turn a refusal into something else.
    """
    message = tree.get("message")
    if not isinstance(message, str):
        return ""
    data = message.encode("utf-8", "surrogatepass")
    # DEL stands for what was no UTF-8, see `mended`; with 0xED each surrogate begins.
    return "message is not text" if b"\x7f" in data or b"\xed" in data else message
