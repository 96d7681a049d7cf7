"""What a refusal of the platform is: its code as one of our errors, with a text for people.

Loaded when needed (`loader`): texts cost heap. This and `Client` know the numbers of the vendor's
page, tables 3 and 5.
"""

from ..errors import (
    AuthError,
    ProtocolError,
    RejectedError,
    ServiceError,
    ThrottledError,
    TokenError,
)

_PARAM_ERROR = 10001
_AUTH_CHECK_ERROR = 20000
_TOKEN_EXPIRED = 20001
_TOKEN_UNKNOWN = 20003
_PUBLISH_ERROR = 30001
_TOO_MANY_REQUESTS = 40000

TOKEN_MAX = 512  # characters; the vendor's SDKs make room for 192
# Of a secret as the platform issues it (32 characters) the end tells two of them apart and gives
# nothing away; of a short one it would.
_SECRET_LONG = 16
_SECRET_SHOWN = 4


def of_status(status: int) -> ServiceError:
    """Return the error of an HTTP status other than 200."""
    what = "an error page"
    if 300 <= status < 400:
        what = "a redirect, which is not followed: the token would go with it"
    return ServiceError(status, "HTTP: the endpoint answered with %s" % what)


def of_topic(tree: dict, topic: str) -> ServiceError:
    """Return the error of a reply to a message; its code is not 0."""
    code = tree["code"]
    if _TOKEN_EXPIRED <= code <= _TOKEN_UNKNOWN:
        return TokenError(code, platform_message(tree))
    if code in (_PARAM_ERROR, _PUBLISH_ERROR):
        return RejectedError(code, "%s, topic %s" % (platform_message(tree), topic))
    return _other(code, tree)


def token_of(tree: dict, device_secret: str) -> str:
    """Return the token in the reply to /auth.

    Raises: AuthError, ThrottledError or ServiceError where the reply has another code than 0;
    ProtocolError where the token is no 1 to 512 printable ASCII characters: it becomes a header.
    """
    code = tree["code"]
    if code in (_PARAM_ERROR, _AUTH_CHECK_ERROR):
        raise AuthError(code, refused(device_secret))
    if code:
        raise _other(code, tree)
    info = tree.get("info")
    token = info.get("token") if isinstance(info, dict) else None
    if token is None:
        raise ServiceError(code, "authentication gave no token")
    if not isinstance(token, str):
        raise ProtocolError("the token is no string")
    if not 1 <= len(token) <= TOKEN_MAX:
        raise ProtocolError("the token has %d characters" % len(token))
    if not _fits_header(token):
        raise ProtocolError("the token has a character that no header can carry")
    return token


def _fits_header(text):
    # By bytes: a character of its own is a name, which MicroPython keeps for good.
    try:
        data = text.encode()
    except ValueError:  # CPython, of half a surrogate pair
        return False
    return min(data) > 0x20 and max(data) < 0x7F


def _other(code, tree):
    if code == _TOO_MANY_REQUESTS:
        return ThrottledError(code, throttled(platform_message(tree)))
    return ServiceError(code, platform_message(tree))


def refused(device_secret: str) -> str:
    """Return what to check, in this order, when authentication is refused."""
    ending = ""
    if len(device_secret) >= _SECRET_LONG:
        ending = " (ends in ..%s)" % device_secret[-_SECRET_SHOWN:]
    return (
        "Authentication refused. Check in this order: endpoint belongs to this device's "
        "instance; product_key; device_name; device_secret%s; device enabled" % ending
    )


def throttled(message: str) -> str:
    """Return the message of the platform, and how to ask less of it."""
    return (
        message + ": too often for this device or instance; raise interval_s or send_s, or set "
        "outbox.batch_bytes"
    )


def platform_message(tree: dict) -> str:
    """Return the message for people that the platform sent, "" where there are none.

    The code decides what happens; a message that is no text (another encoding, half of a surrogate
    pair, which no UTF-8 can hold) must not turn a refusal into something else.
    """
    message = tree.get("message")
    if not isinstance(message, str):
        return ""
    if "\ufffd" in message:  # by `reply_faults`, in place of what was no UTF-8
        return "message is not text"
    try:
        if b"\xed" not in message.encode():  # with it each surrogate begins
            return message
    except ValueError:  # CPython, of half a pair
        pass
    return "".join(["?" if 0xD800 <= ord(c) < 0xE000 else c for c in message])
