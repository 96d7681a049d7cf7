"""The body of a reply in chunks (RFC 9112 section 7.1), which the platform does not send.

Loaded when one comes (`loader`).
"""

from micropython import const

from . import line_of, refusal_of

_BODY_MAX = const(1024)  # as the room has them
_LINE_MAX = const(128)  # bytes: a chunk's size with its extensions, or a trailer
_LINES_MAX = const(4096)  # of all these

# Of the room's refusals.
_CUT_SHORT = const(0)
_HEAD_LONG = const(2)
_LENGTH = const(3)
_BODY_LONG = const(4)


def read(receive, view, rest):
    """Yield what to wait for until the last chunk was read; return (body, what came behind it).

    Args: as the room's `read` has them; rest, the bytes behind the head. Raises: ProtocolError.
    """
    body = b""
    size = None  # of the chunk whose data comes next; 0: trailers come
    seen = 0
    while True:
        if size:
            if len(rest) >= size + 2:
                if rest[size : size + 2] != b"\r\n":
                    raise refusal_of(_LENGTH)
                body += rest[:size]
                rest = rest[size + 2 :]
                size = None
                continue
        else:
            line, end, behind = rest.partition(b"\n")
            if len(line) > _LINE_MAX or seen > _LINES_MAX:
                raise refusal_of(_HEAD_LONG)
            if end:
                line = line_of(line)
                seen += len(line)
                rest = behind
                if size is None:
                    # Extensions mean nothing here.
                    digits = line.partition(b";")[0].rstrip().lower()
                    if not 1 <= len(digits) <= 6 or digits.strip(b"0123456789abcdef"):
                        raise refusal_of(_LENGTH)
                    size = int(digits, 16)
                    if size > _BODY_MAX - len(body):
                        raise refusal_of(_BODY_LONG)
                elif not line:
                    return body, rest
                continue
        count = yield from receive(view)
        if count == 0:
            raise refusal_of(_CUT_SHORT)
        rest += bytes(view[:count])
