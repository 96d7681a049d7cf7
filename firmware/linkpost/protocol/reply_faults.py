"""Why a reply is refused, as a text; and what of its JSON can be mended.

Loaded when needed (`loader`): texts cost heap.
"""

import json

from ..errors import ProtocolError

_WEIGHT_MAX = 256  # as `reply` has it
_ID_MAX = 64

# In the order of the numbers in `reply`.
_TEXTS = (
    "the peer closed in the middle of its reply",
    "the head of the reply is over 4096 bytes",
    "the reply has a line end without CR",
    "the reply has a control character in its head",
    "the peer does not speak HTTP/1.1",
    "the reply has no three-digit status",
    "the reply has a header over 128 bytes",
    "the reply has two Content-Lengths",
    "the reply's Content-Length is no number within bounds",
    "the reply has a Transfer-Encoding other than chunked",
    "the reply has Content-Length and Transfer-Encoding",
    "the peer wants to switch protocols",
    "the body of the reply is over 1024 bytes",
)


def refusal(number: int) -> ProtocolError:
    """Return the error of that number."""
    return ProtocolError(_TEXTS[number])


def checked_id(found) -> str:
    """Return a message id that came as text.

    Raises: ProtocolError where it is something else than 1 to 64 letters, digits and `-`.
    """
    if not isinstance(found, str):
        raise ProtocolError("the message id is no number")
    if not 1 <= len(found) <= _ID_MAX:
        raise ProtocolError("the message id has %d characters" % len(found))
    for c in found:
        if not ("0" <= c <= "9" or c == "-" or "a" <= c <= "z" or "A" <= c <= "Z"):
            raise ProtocolError("the message id is no number")
    return found


def mended(body: bytes) -> bytes:
    """Return the body as JSON that can be parsed, where two kinds of fault are all that is wrong.

    They are text that is no UTF-8 (the code decides what happens: a message that nobody can read
    must not turn a refusal into something else) and NaN or an infinity where nobody looks.
    Raises: ProtocolError, with a text for all else.
    """
    text = body.strip(b" \t\r\n")
    if text[:1] != b"{":
        raise ProtocolError("the reply is no JSON object")
    if 8 * (body.count(b"[") + body.count(b"{")) + body.count(b",") + body.count(b'"') > (
        _WEIGHT_MAX
    ):
        raise ProtocolError("the reply's JSON is too deep")
    better = body
    try:
        str(body, "utf-8")
    except ValueError:
        # U+FFFD, what readers show for it; by it `refusals` knows that the message is lost.
        better = b"".join([bytes([b]) if b < 128 else b"\xef\xbf\xbd" for b in body])
    for word in (b"-Infinity", b"Infinity", b"NaN"):
        better = better.replace(word, b"null")
    if better != body:
        return better
    raise ProtocolError(_why(text))


def _why(text):
    parts = text.replace(b"\\\\", b"__").replace(b'\\"', b"__").split(b'"')
    depth = 0
    between = b"".join(parts[::2])
    for i in range(len(between)):
        depth += (between[i] in b"{[") - (between[i] in b"}]")
        if depth <= 0 and i + 1 < len(between):
            return "the reply has something after its JSON"
    texts = parts[1::2]
    if not texts or min(b"".join(texts) or b" ") >= 32:
        try:
            tree = json.loads(str(text, "utf-8"))
        except ValueError:
            tree = None
        if isinstance(tree, dict):
            for name in ("code", "messageId", "token", "message", "info"):
                if max(1, _count(tree, name)) < texts.count(name.encode()):
                    return "the reply has two of %s" % name
            if "code" not in tree:
                return "the reply has no code"
            if _is_odd(tree["code"], parts):
                return "the reply's code is no number"
    return "the reply's JSON is broken"


def _is_odd(code, parts):
    # As `reply` judges it: an int, written in 1 to 9 digits.
    written = [parts[i + 1] for i in range(1, len(parts), 2) if parts[i] == b"code"]
    digits = [part.strip(b":, \t\r\n}]") for part in written]
    return type(code) is not int or not all(d == b"%d" % code for d in digits)


def _count(tree, name):
    # How often a name, or text, is in what the JSON was read as.
    if isinstance(tree, dict):
        return sum([(key == name) + _count(tree[key], name) for key in tree])
    if isinstance(tree, list):
        return sum([_count(value, name) for value in tree])
    return int(tree == name)
