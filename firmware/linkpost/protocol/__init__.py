"""One reply of the platform: its HTTP/1.1 head, its body, and the JSON in that, within bounds.

A reply is data from somebody else until it was checked. What C can do is left to C: it splits,
counts and converts whole pieces, and Python looks at a line, never at a byte.

Rules (RFC 9112):
  1. Of a body with a length nothing is asked for beyond it. What came behind a reply all the same
     ends the connection: it is out of step with us.
  2. Nothing grows: a head, a line that matters, a body and the JSON in it have a limit each, and
     passing one is a ProtocolError.
  3. A head is refused when its parts contradict each other: two Content-Lengths, or one beside
     Transfer-Encoding. Guessing which one holds is how replies get mixed up.
  4. JSON is refused where two readers could read it differently: a name given twice, a `code` that
     is not written in digits. MicroPython's json takes commas and colons for spaces and keeps the
     last of two, so what it made is counted against the text.

What is rare stands elsewhere and is loaded when it comes: chunks, and the texts of refusals.
"""

import json

from micropython import const

from ..loader import load

_HEAD_MAX = const(4096)  # bytes of status line and headers; the platform's are under 400
_LINE_MAX = const(128)  # of a header that matters; of others only the start is kept
_KEPT_MAX = const(256)
_BODY_MAX = const(1024)  # a token of 512 characters and its JSON; messages are under 100
# What json.loads may take: a list or dict 64 bytes, anything else 8 and more. The platform's own
# replies weigh 34.
_WEIGHT_MAX = const(256)
_ID_MAX = const(64)  # characters of a message id; the platform's have 19

# In place of a body's length.
_TO_CLOSE = const(-1)
_CHUNKED = const(-2)

# Refusals; `reply_faults` has the texts, in this order.
_CUT_SHORT = const(0)
_HEAD_LONG = const(1)
_NO_CR = const(2)
_CONTROL = const(3)
_NOT_HTTP = const(4)
_STATUS = const(5)
_LINE_LONG = const(6)
_TWO_LENGTHS = const(7)
_LENGTH = const(8)
_CODING = const(9)
_LENGTH_AND_CODING = const(10)
_SWITCH = const(11)
_BODY_LONG = const(12)


def _refused(number):
    return load("protocol.reply_faults").refusal(number)


def read(receive, buffer):
    """Yield what to wait for until a reply is whole; return (status, keeps, date, body).

    Args: receive, a generator function: given a memoryview it waits until there is something,
    puts it there and returns how many bytes, 0 once the peer has closed; buffer, a bytearray, of
    what is taken at once.
    Returns: keeps, the connection can carry another request; date, 29 bytes or None; body, bytes,
    empty where the status is not 200: business errors ride on 200.
    Raises: ProtocolError where the peer breaks HTTP or passes a limit. Memory: twice what
    comes at once, let go as it is read.
    """
    view = memoryview(buffer)
    status, keeps, date, length, rest = yield from _head(receive, view)
    if status != 200:
        return status, False, date, b""
    if length == _CHUNKED:
        body, rest = yield from load("protocol.chunked").read(receive, view, rest)
        return status, keeps and not rest, date, body
    if length > _BODY_MAX:
        raise _refused(_BODY_LONG)
    wanted = length if length >= 0 else _BODY_MAX + 1
    while len(rest) < wanted:
        count = yield from receive(view[: wanted - len(rest)])
        if count == 0:
            if length >= 0:
                raise _refused(_CUT_SHORT)
            return status, False, date, rest
        rest += bytes(view[:count])
    if length < 0:
        raise _refused(_BODY_LONG)
    return status, keeps and len(rest) == length, date, rest[:length]


def _head(receive, view):
    # Returns (status, keeps, date, length of the body, what came behind the head).
    lines, rest = [], b""  # whole lines not looked at, and the start of the next
    seen = status = 0
    while True:
        while not lines:
            count = yield from receive(view)
            if count == 0:
                raise _refused(_CUT_SHORT)
            lines = (rest + view[:count]).split(b"\n")
            rest = lines.pop()
            if not lines:
                # A line that never ends: looked at now, and only its start is kept.
                _check(rest[:-1] if rest[-1:] == b"\r" else rest)
                if len(rest) > _KEPT_MAX:
                    seen += len(rest) - _KEPT_MAX - 1
                    rest = rest[:_KEPT_MAX] + rest[-1:]
                if seen + len(rest) > _HEAD_MAX:
                    raise _refused(_HEAD_LONG)
        line = lines.pop(0)
        seen += len(line) + 1
        if seen > _HEAD_MAX:
            raise _refused(_HEAD_LONG)
        # Only CR LF ends a line, and it holds no control bytes: lone ones are how one reply is
        # made to look like two (RFC 9112 section 2.2).
        if line[-1:] != b"\r":
            raise _refused(_NO_CR)
        line = line[:-1]
        _check(line)
        if status == 0:
            status, keeps = _status(line)
            length, date = _TO_CLOSE, None
        elif line:
            name, _, value = line.partition(b":")
            name = name.lower()
            if name not in (b"content-length", b"connection", b"date", b"transfer-encoding"):
                continue
            if len(line) > _LINE_MAX:
                raise _refused(_LINE_LONG)
            value = value.strip()
            if name == b"date":
                if len(value) == 29:  # an IMF-fixdate, RFC 9110 section 5.6.7
                    date = value
            elif name == b"connection":
                value = value.lower()
                keeps = b"close" not in value and (keeps or b"keep-alive" in value)
            elif name == b"content-length":
                if length != _TO_CLOSE:
                    raise _refused(_LENGTH_AND_CODING if length == _CHUNKED else _TWO_LENGTHS)
                if not value.isdigit() or len(value) > 9:
                    raise _refused(_LENGTH)
                length = int(value)
            elif length == _CHUNKED or value.lower() != b"chunked":
                raise _refused(_CODING)
            elif length >= 0:
                raise _refused(_LENGTH_AND_CODING)
            else:
                length = _CHUNKED
        elif status == 101:
            raise _refused(_SWITCH)
        elif status < 200:
            status = 0  # interim: the reply is still to come; the head's limit goes on
        else:
            lines.append(rest)
            return status, keeps, date, length, b"\n".join(lines)


def _status(line):
    # HTTP/1.x SP 3DIGIT [SP reason]: the platform leaves the reason out.
    if line[:7].upper() != b"HTTP/1." or line[8:9] != b" ":
        raise _refused(_NOT_HTTP)
    digits = line[9:].partition(b" ")[0]
    if len(digits) != 3 or not digits.isdigit() or digits < b"100":
        raise _refused(_STATUS)
    return int(digits), line[7:8] != b"0"  # HTTP/1.0 closes unless it says otherwise


def _check(line):
    if line and min(line.replace(b"\t", b" ")) < 32:
        raise _refused(_CONTROL)


def parse(body: bytes) -> dict:
    """Return the JSON object that a body is; its "code" is an int, 0 to 999999999.

    Raises: ProtocolError for anything else, and for what rule 4 says.
    """
    weight = 8 * (body.count(b"[") + body.count(b"{")) + body.count(b",") + body.count(b'"')
    if weight <= _WEIGHT_MAX:
        # Text and what stands between it in turn; escapes are of no interest here.
        parts = body.replace(b"\\\\", b"__").replace(b'\\"', b"__").split(b'"')
        try:
            tree = json.loads(str(body, "utf-8"))
        except ValueError:  # UnicodeError is one
            tree = None
        if isinstance(tree, dict) and _is_as_written(tree, body, parts):
            return tree
    # A text for a person; or the one thing to mend, which then is parsed as if it had come so.
    return parse(load("protocol.reply_faults").mended(body))


def _is_as_written(tree, body, parts):
    between = b"".join(parts[::2])
    texts = b"".join(parts[1::2])
    code = tree.get("code")
    if type(code) is not int or not 0 <= code < 1_000_000_000 or (texts and min(texts) < 32):
        return False
    digits = b'"code":%d' % code
    body = b"".join(body.split())
    if digits + b"," not in body and digits + b"}" not in body:
        return False
    colons = commas = 0
    left = [tree]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            colons += len(value)
            left.extend(value.values())
        elif isinstance(value, list):
            left.extend(value)
        else:
            continue
        commas += max(0, len(value) - 1)
    return colons == between.count(b":") and commas == between.count(b",")


def message_id(tree: dict):
    """Return the id in a reply that was accepted, all its digits (str), or None.

    Raises: ProtocolError where it is something else than 1 to 64 letters, digits and `-`.
    """
    info = tree.get("info")
    found = info.get("messageId") if isinstance(info, dict) else None
    if type(found) is int:  # 19 digits: over 2**53, whole in MicroPython too
        found = str(found)
        if len(found) <= _ID_MAX:
            return found
    # One client of the vendor expects a string.
    return None if found is None else load("protocol.reply_faults").checked_id(found)
