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

What is rare stands elsewhere and is loaded when it comes: chunks, and what is refused.
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

# Refusals; `refusals` has the texts, in this order.
_CUT_SHORT = const(0)
_NOT_HTTP = const(1)
_HEAD_LONG = const(2)
_LENGTH = const(3)
_BODY_LONG = const(4)


def refusal_of(number):
    """Return the ProtocolError of that number."""
    return load("protocol.refusals").of_reply(number)


def read(receive, buffer):
    """Yield what to wait for until a reply is whole; return (status, keeps, date, body).

    Args: receive, a generator function: given a memoryview it waits until there is something,
    puts it there and returns how many bytes, 0 once the peer has closed; buffer, a bytearray, of
    what is taken at once.
    Returns: keeps, the connection can carry another request; date, 29 characters or None; body,
    bytes, empty where the status is not 200: business errors ride on 200.
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
        raise refusal_of(_BODY_LONG)
    wanted = length if length >= 0 else _BODY_MAX + 1
    while len(rest) < wanted:
        count = yield from receive(view[: wanted - len(rest)])
        if count == 0:
            if length >= 0:
                raise refusal_of(_CUT_SHORT)
            return status, False, date, rest
        rest += bytes(view[:count])
    if length < 0:
        raise refusal_of(_BODY_LONG)
    return status, keeps and len(rest) == length, date, rest[:length]


def _head(receive, view):
    # Returns (status, keeps, date, length of the body, what came behind the head).
    lines, rest = [], b""  # whole lines not looked at, and the start of the next
    seen = status = 0
    while True:
        while not lines:
            count = yield from receive(view)
            if count == 0:
                raise refusal_of(_CUT_SHORT)
            lines = (rest + view[:count]).split(b"\n")
            rest = lines.pop()
            if not lines:
                # A line that never ends: looked at now, and only its start is kept.
                line_of(rest if rest[-1:] == b"\r" else rest + b"\r")
                if len(rest) > _KEPT_MAX:
                    seen += len(rest) - _KEPT_MAX - 1
                    rest = rest[:_KEPT_MAX] + rest[-1:]
                if seen + len(rest) > _HEAD_MAX:
                    raise refusal_of(_HEAD_LONG)
        line = lines.pop(0)
        seen += len(line) + 1
        if seen > _HEAD_MAX:
            raise refusal_of(_HEAD_LONG)
        line = line_of(line)
        if status == 0:
            # HTTP/1.x SP 3DIGIT [SP reason]: the platform leaves the reason out.
            digits = line[9:].partition(b" ")[0]
            if (
                line[:7].upper() != b"HTTP/1."
                or line[8:9] != b" "
                or len(digits) != 3
                or not digits.isdigit()
                or digits < b"100"
                or digits == b"101"  # another protocol follows
            ):
                raise refusal_of(_NOT_HTTP)
            status = int(digits)
            keeps = line[7:8] != b"0"  # HTTP/1.0 closes unless it says otherwise
            length, date = _TO_CLOSE, None
        elif line:
            name, _, value = line.partition(b":")
            name = name.lower()
            value = value.strip()
            if name == b"date":
                # An IMF-fixdate, RFC 9110 section 5.6.7.
                if len(value) == 29 and max(value) < 0x80:
                    date = str(value, "utf-8")
            elif name == b"connection":
                value = value.lower()
                keeps = b"close" not in value and (keeps or b"keep-alive" in value)
            elif name == b"content-length":
                if length != _TO_CLOSE or not value.isdigit() or len(value) > 9:
                    raise refusal_of(_LENGTH)
                length = int(value)
            elif name == b"transfer-encoding":
                if length != _TO_CLOSE or value.lower() != b"chunked":
                    raise refusal_of(_LENGTH)
                length = _CHUNKED
            else:
                continue
            if len(line) > _LINE_MAX:
                raise refusal_of(_HEAD_LONG)
        elif status < 200:
            status = 0  # interim: the reply is still to come; the head's limit goes on
        else:
            lines.append(rest)
            return status, keeps, date, length, b"\n".join(lines)


def line_of(line):
    """Return a line without its CR. Raises: ProtocolError.

    Only CR LF ends a line, and it holds no control bytes: lone ones are how one reply is made to
    look like two (RFC 9112 section 2.2).
    """
    text = line[:-1]
    if line[-1:] != b"\r" or min(text.replace(b"\t", b" ") or b" ") < 32:
        raise refusal_of(_NOT_HTTP)
    return text


def parse(body: bytes) -> dict:
    """Return the JSON object that a body is; its "code" is an int, 0 to 999999999.

    Raises: ProtocolError for anything else, and for what rule 4 says.
    """
    weight = 8 * (body.count(b"[") + body.count(b"{")) + body.count(b",") + body.count(b'"')
    if weight <= _WEIGHT_MAX:
        try:
            tree = json.loads(str(body, "utf-8"))
        except ValueError:  # UnicodeError is one
            tree = None
        if isinstance(tree, dict) and _is_as_written(tree, body):
            return tree
    # What can be mended is parsed as if it had come so; else that raises.
    return parse(load("protocol.refusals").mended(body))


def _is_as_written(tree, body):
    code = tree.get("code")
    between, texts = _split(body)
    again, _ = _split(json.dumps(tree).encode())
    for separator in (b":", b","):
        if between.count(separator) != again.count(separator):
            return False
    if type(code) is not int or not 0 <= code < 1_000_000_000 or min(texts) < 32:
        return False
    digits = b'"code":%d' % code
    body = b"".join(body.split())
    return digits + b"," in body or digits + b"}" in body


def _split(text):
    # JSON's texts and what stands between them; escapes are of no interest here.
    parts = text.replace(b"\\\\", b"__").replace(b'\\"', b"__").split(b'"')
    return b"".join(parts[::2]), b"".join(parts[1::2])


def id_of(tree: dict):
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
    return None if found is None else load("protocol.refusals").checked_id(found)
