"""The body of a reply in chunks (RFC 9112 section 7.1), which the platform does not send.

Loaded when one comes (`loader`).
"""

from ..errors import ProtocolError
from ..loader import load

_BODY_MAX = 1024  # as `reply` has it
_LINE_MAX = 64  # bytes: size and extensions of one chunk
_TRAILERS_MAX = 4096
_DIGITS = b"0123456789abcdef"


def read(receive, view, rest):
    """Yield what to wait for until the last chunk was read; return (body, what came behind it).

    Args: as `reply.read` has them; rest, the bytes behind the head. Raises: ProtocolError.
    """
    body = b""
    while True:
        line, rest = yield from _line(receive, view, rest, _LINE_MAX)
        size = _size_of(line)
        if size > _BODY_MAX - len(body):
            raise ProtocolError("the body of the reply is over %d bytes" % _BODY_MAX)
        if size == 0:
            break
        while len(rest) < size:
            rest += yield from _more(receive, view)
        body += rest[:size]
        line, rest = yield from _line(receive, view, rest[size:], _LINE_MAX)
        if line:
            raise ProtocolError("the reply has a chunk longer than its size")
    seen = 0
    while line or seen == 0:
        line, rest = yield from _line(receive, view, rest, _TRAILERS_MAX)
        seen += len(line) + 2
        if seen > _TRAILERS_MAX:
            raise ProtocolError("the trailers of the reply are over %d bytes" % _TRAILERS_MAX)
    return body, rest


def _line(receive, view, rest, limit):
    # Returns the line, without its end, and what is behind it.
    while b"\n" not in rest:
        if len(rest) > limit + 1:
            break
        rest += yield from _more(receive, view)
    line, _, rest = rest.partition(b"\n")
    if len(line) > limit + 1:
        raise ProtocolError("the reply has a line over %d bytes" % limit)
    if line[-1:] != b"\r":
        raise ProtocolError("the reply has a line end without CR")
    line = line[:-1]
    if line and min(line.replace(b"\t", b" ")) < 32:
        raise ProtocolError("the reply has a control character between its chunks")
    return line, rest


def _more(receive, view):
    count = yield from receive(view)
    if count == 0:
        raise load("protocol.reply_faults").refusal(0)
    return bytes(view[:count])


def _size_of(line):
    # Extensions mean nothing here.
    digits = line.replace(b"\t", b" ").replace(b";", b" ").partition(b" ")[0].lower()
    if not digits or digits.strip(_DIGITS):
        raise ProtocolError("the reply has a chunk without a size")
    if len(digits) > 6:
        raise ProtocolError("the reply has a chunk over 16 MB")
    return int(digits, 16)
