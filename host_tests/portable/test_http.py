"""Heads as bytes, and the reply parser: every reply whole, split, byte by byte, cut short."""

from linkpost.errors import ProtocolError
from linkpost.protocol.http import BODY_MAX_BYTES, Reply, encode_head, finish_head

BODY = b'{"code":0,"message":"success","info":{"messageId":1207967842654323713}}'
# The header set as recorded from the real service (PROTOCOL.md, Replies).
RECORDED = (
    b"HTTP/1.1 200\r\n"
    b"Date: Mon, 02 Dec 2019 06:59:04 GMT\r\n"
    b"Content-Type: application/json\r\n"
    b"Content-Length: 84\r\n"
    b"Connection: close\r\n"
    b"Server: Tengine\r\n"
    b"EagleEye-TraceId: 0b0d860d15752699446551234e\r\n"
    b"Timing-Allow-Origin: *\r\n"
    b"\r\n"
    b'{"code":20001,"info":{"messageId":1207967842654323713},"message":"token is expired"}'
)
LENGTH = b"Content-Length: %d\r\n" % len(BODY)
CHUNKS = b"5\r\n" + BODY[:5] + b"\r\n" + b"%x;a=b\r\n" % len(BODY[5:]) + BODY[5:] + b"\r\n"

# name, bytes, status, body, keep_alive
GOOD = (
    ("recorded", RECORDED, 200, RECORDED[-84:], False),
    ("reason phrase", b"HTTP/1.1 200 OK\r\n" + LENGTH + b"\r\n" + BODY, 200, BODY, True),
    ("space for a reason", b"HTTP/1.1 200 \r\n" + LENGTH + b"\r\n" + BODY, 200, BODY, True),
    ("lower-case names", b"HTTP/1.1 200\r\n" + LENGTH.lower() + b"\r\n" + BODY, 200, BODY, True),
    ("upper-case names", b"HTTP/1.1 200\r\n" + LENGTH.upper() + b"\r\n" + BODY, 200, BODY, True),
    ("no space", b"HTTP/1.1 200\r\nContent-Length:%d\r\n\r\n" % len(BODY) + BODY, 200, BODY, True),
    (
        "spaces around",
        b"HTTP/1.1 200\r\nContent-Length: \t%d \r\n\r\n" % len(BODY) + BODY,
        200,
        BODY,
        True,
    ),
    (
        "list in Connection",
        b"HTTP/1.1 200\r\nConnection: foo , Close\r\n" + LENGTH + b"\r\n" + BODY,
        200,
        BODY,
        False,
    ),
    ("HTTP/1.0", b"HTTP/1.0 200 OK\r\n" + LENGTH + b"\r\n" + BODY, 200, BODY, False),
    (
        "HTTP/1.0 kept",
        b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\n" + LENGTH + b"\r\n" + BODY,
        200,
        BODY,
        True,
    ),
    ("empty body", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, b"", True),
    (
        "chunked",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS + b"0\r\n\r\n",
        200,
        BODY,
        True,
    ),
    (
        "chunked with trailers",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n"
        + CHUNKS
        + b"000\r\nA: b\r\nC: d\r\n\r\n",
        200,
        BODY,
        True,
    ),
    (
        "interim reply first",
        b"HTTP/1.1 100 Continue\r\nA: b\r\n\r\nHTTP/1.1 200\r\n" + LENGTH + b"\r\n" + BODY,
        200,
        BODY,
        True,
    ),
    (
        "long line of no interest",
        b"HTTP/1.1 200\r\nX: " + b"x" * 900 + b"\r\n" + LENGTH + b"\r\n" + BODY,
        200,
        BODY,
        True,
    ),
    ("not 200", b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", 503, b"", False),
    ("redirect", b"HTTP/1.1 302 Found\r\nLocation: https://elsewhere/\r\n\r\n", 302, b"", False),
)

BAD = (
    ("not HTTP", b"SSH-2.0-OpenSSH\r\n"),
    ("HTTP/0.9", b'{"code":0}\r\n'),
    ("HTTP/2", b"HTTP/2 200\r\n"),
    ("empty line first", b"\r\nHTTP/1.1 200\r\n\r\n"),
    ("no status", b"HTTP/1.1\r\n"),
    ("two digits", b"HTTP/1.1 20\r\n"),
    ("four digits", b"HTTP/1.1 2000\r\n"),
    ("letters", b"HTTP/1.1 2x0 OK\r\n"),
    ("status 0", b"HTTP/1.1 000\r\n"),
    ("switching", b"HTTP/1.1 101\r\n\r\n"),
    ("LF alone", b"HTTP/1.1 200\nContent-Length: 0\n\n"),
    ("CR alone", b"HTTP/1.1 200\rContent-Length: 0\r\n"),
    ("NUL", b"HTTP/1.1 200\r\nA: \0\r\n\r\n"),
    ("two lengths", b"HTTP/1.1 200\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n"),
    ("the same length twice", b"HTTP/1.1 200\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n"),
    ("list of lengths", b"HTTP/1.1 200\r\nContent-Length: 5, 5\r\n\r\n"),
    ("negative", b"HTTP/1.1 200\r\nContent-Length: -1\r\n\r\n"),
    ("plus", b"HTTP/1.1 200\r\nContent-Length: +1\r\n\r\n"),
    ("no number", b"HTTP/1.1 200\r\nContent-Length:\r\n\r\n"),
    ("hex", b"HTTP/1.1 200\r\nContent-Length: 0x5\r\n\r\n"),
    ("2**31", b"HTTP/1.1 200\r\nContent-Length: 2147483648\r\n\r\n"),
    ("2**64", b"HTTP/1.1 200\r\nContent-Length: 18446744073709551616\r\n\r\n"),
    ("over the limit", b"HTTP/1.1 200\r\nContent-Length: %d\r\n\r\n" % (BODY_MAX_BYTES + 1)),
    (
        "length and chunked",
        b"HTTP/1.1 200\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    ),
    ("gzip coding", b"HTTP/1.1 200\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"),
    ("chunked twice", b"HTTP/1.1 200\r\n" + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n"),
    ("endless headers", b"HTTP/1.1 200\r\n" + b"A: b\r\n" * 2000),
    ("endless header", b"HTTP/1.1 200\r\nA: " + b"b" * 5000),
    ("endless interim", b"HTTP/1.1 100\r\n\r\n" * 1000),
    ("body to close, endless", b"HTTP/1.1 200\r\n\r\n" + b"x" * 2000),
    ("chunk too large", b"HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n"),
    (
        "chunk size of 20 digits",
        b"HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n" + b"0" * 20 + b"\r\n",
    ),
    ("chunk without size", b"HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n\r\n"),
    ("chunk of negative size", b"HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n"),
    ("chunk with a wrong end", b"HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n"),
    (
        "endless trailers",
        b"HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"A: b\r\n" * 2000,
    ),
    (
        "endless chunk extension",
        b"HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"a" * 200,
    ),
    (
        "chunks over the limit",
        b"HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n"
        + (b"40\r\n" + b"x" * 64 + b"\r\n") * 40,
    ),
)


def _read(reply, data, step):
    """Read as the transport does: what room() allows, at most `step` at a time."""
    at = 0
    while not reply.done:
        count = min(reply.room(), step, len(data) - at)
        if count == 0:
            return at
        reply.feed(data[at : at + count])
        at += count
    return at


def _check(name, reply, status, body, keep_alive):
    assert reply.done, name
    assert reply.status == status, name
    assert bytes(reply.body[: reply.length]) == body, name
    assert reply.keep_alive == keep_alive, name


def test_reply_good_replies_read_by_room_give_the_body_and_stop_at_its_end():
    reply = Reply()
    for name, data, status, body, keep_alive in GOOD:
        for step in (1, 3, 4096):
            reply.clear()
            assert _read(reply, data + b"HTTP/1.1 200", step) == len(data), name
            _check(name, reply, status, body, keep_alive)
            assert reply.room() == 0, name


def test_reply_good_replies_split_at_every_point_give_the_same():
    reply = Reply()
    for name, data, status, body, keep_alive in GOOD:
        if len(data) > 400:
            continue
        for cut in range(len(data) + 1):
            reply.clear()
            assert reply.feed(data[:cut]) == (cut == len(data)), (name, cut)
            assert reply.feed(data[cut:]), (name, cut)
            _check(name, reply, status, body, keep_alive)


def test_reply_trailing_bytes_end_the_connection():
    for name, data, status, body, _ in GOOD:
        reply = Reply()
        assert reply.feed(data + b"x"), name
        _check(name, reply, status, body, False)


def test_reply_cut_short_anywhere_is_a_protocol_error():
    reply = Reply()
    for name, data, _, _, _ in GOOD:
        for cut in range(0, len(data), 1 if len(data) < 400 else 97):
            reply.clear()
            reply.feed(data[:cut])
            assert reply.started == (cut > 0), (name, cut)
            try:
                reply.eof()
            except ProtocolError:
                continue
            raise AssertionError((name, cut))


def test_reply_bad_replies_are_protocol_errors_at_any_pace():
    reply = Reply()
    for name, data in BAD:
        for step in (1, 4096):
            reply.clear()
            try:
                _read(reply, data, step)
            except ProtocolError:
                continue
            raise AssertionError((name, step, reply.status, reply.length))


def test_reply_body_without_length_ends_with_the_close():
    reply = Reply()
    data = b"HTTP/1.1 200 OK\r\n\r\n" + BODY
    _read(reply, data, 4096)
    assert not reply.done
    assert reply.room() == 1  # more would wait for the close, and swallow it
    reply.eof()
    _check("to close", reply, 200, BODY, False)


def test_reply_date_is_kept():
    reply = Reply()
    assert reply.date() is None
    reply.feed(RECORDED)
    assert reply.date() == "Mon, 02 Dec 2019 06:59:04 GMT"
    reply.clear()
    reply.feed(b"HTTP/1.1 200\r\nDate: yesterday\r\n\r\n")
    assert reply.date() is None


def test_head_is_written_in_place():
    head = encode_head(b"/topic/a/b", "host:8443", (("password", "token"),))
    buffer = bytearray(200)
    for length in (1, 9, 10, 53, 999, 131_072):
        buffer[: len(head)] = head
        end = finish_head(buffer, len(head), length)
        assert bytes(buffer[:end]) == (
            b"POST /topic/a/b HTTP/1.1\r\nHost: host:8443\r\npassword: token\r\n"
            b"Content-Length: %d\r\n\r\n" % length
        ), length
