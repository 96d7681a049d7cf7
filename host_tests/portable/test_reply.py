"""Replies as bytes: whole, split at every point, byte by byte, cut short, with bytes behind."""

from linkpost.errors import ProtocolError
from linkpost.protocol import id_of, parse, read

BODY_MAX_BYTES = 1024  # the limit of `reply`

BODY = b'{"code":0,"message":"success","info":{"messageId":1207967842654323713}}'
# The header set as recorded from the real service (docs/protocol.md, "Replies").
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
    (
        "chunk size behind a space",
        b"HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n 5\r\nhello\r\n0\r\n\r\n",
    ),
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


WAIT = 1


class Peer:
    """Gives `data` in pieces of at most `step` bytes; a wait before each. Then it closes."""

    def __init__(self, data, step=4096, waits=True):
        self.data = data
        self.at = 0
        self.asked = 0  # the most that was asked for at once
        self._step = step
        self._waits = waits

    def receive(self, view):
        self.asked = max(self.asked, len(view))
        if self._waits:
            yield WAIT
        piece = self.data[self.at : self.at + min(self._step, len(view))]
        view[: len(piece)] = piece
        self.at += len(piece)
        return len(piece)


class Pieces(Peer):
    """Gives these pieces, each as far as there is room for it."""

    def __init__(self, *pieces):
        super().__init__(b"")
        self._pieces = [piece for piece in pieces if piece]

    def receive(self, view):
        yield WAIT
        if not self._pieces:
            return 0
        piece = self._pieces[0][: len(view)]
        self._pieces[0] = self._pieces[0][len(piece) :]
        if not self._pieces[0]:
            self._pieces.pop(0)
        view[: len(piece)] = piece
        return len(piece)


def finish(steps):
    """Run a generator to its end; return what it returns."""
    try:
        while True:
            assert next(steps) == WAIT
    except StopIteration as stop:
        return stop.value


def read_all(peer, room=2048):
    return finish(read(peer.receive, bytearray(room)))


def refuses(peer, room=2048):
    try:
        read_all(peer, room)
    except ProtocolError as error:
        return str(error)
    return None


def test_good_replies_give_status_body_and_whether_the_connection_is_kept():
    for name, data, status, body, keeps in GOOD:
        for step in (1, 3, 100, 4096):
            found = read_all(Peer(data, step))
            assert (found[0], found[1], found[3]) == (status, keeps, body), (name, step, found)


def test_good_replies_split_at_every_point_give_the_same():
    for name, data, status, body, keeps in GOOD:
        if len(data) > 400:
            continue
        for cut in range(len(data) + 1):
            found = read_all(Pieces(data[:cut], data[cut:]))
            assert (found[0], found[1], found[3]) == (status, keeps, body), (name, cut, found)


def test_reply_with_bytes_behind_it_ends_the_connection():
    for name, data, status, body, _ in GOOD:
        found = read_all(Peer(data + b"x"))
        assert (found[0], found[1], found[3]) == (status, False, body), name


def test_nothing_is_asked_for_beyond_a_body_of_known_length():
    for name, data, status, body, keeps in GOOD:
        if b"hunked" in data or status != 200:
            continue
        head = data[: len(data) - len(body)]
        peer = Pieces(head, body + b"HTTP/1.1 200")
        found = read_all(peer)
        assert (found[0], found[1], found[3]) == (status, keeps, body), name


def test_reply_cut_short_anywhere_is_a_protocol_error():
    for name, data, _, _, _ in GOOD:
        for cut in range(0, len(data), 1 if len(data) < 400 else 97):
            assert refuses(Peer(data[:cut])) is not None, (name, cut)


def test_bad_replies_are_protocol_errors_at_any_pace_and_in_any_buffer():
    for name, data in BAD:
        for step, room in ((1, 2048), (4096, 2048), (4096, 64)):
            assert refuses(Peer(data, step, waits=False), room) is not None, (name, step)


def test_head_that_never_ends_is_refused_at_its_limit_and_not_kept():
    for data, step in ((b"HTTP/1.1 200\r\nX: " + b"y" * 9000, 1), (b"x" * 9000, 700)):
        peer = Peer(data, step, waits=False)
        assert "too long a head" in refuses(peer)
        assert peer.at < 4096 + 2 * step


def test_body_without_length_ends_with_the_close():
    data = b"HTTP/1.1 200 OK\r\n\r\n" + BODY
    for step in (1, 4096):
        assert read_all(Peer(data, step)) == (200, False, None, BODY)
    assert read_all(Peer(b"HTTP/1.1 200 OK\r\n\r\n")) == (200, False, None, b"")


def test_date_is_that_of_the_final_reply():
    assert read_all(Peer(RECORDED))[2] == "Mon, 02 Dec 2019 06:59:04 GMT"
    interim = b"HTTP/1.1 100\r\nDate: Mon, 02 Dec 2019 06:59:04 GMT\r\n\r\n"
    for date in (b"Date: yesterday\r\n", b"Date: " + b"\xff" * 29 + b"\r\n", b""):
        reply = interim + b"HTTP/1.1 200\r\n" + date + b"Content-Length: 0\r\n\r\n"
        assert read_all(Peer(reply))[2] is None


# -- JSON -----------------------------------------------------------------------------------------

# text, code, message, token, message id
GOOD_JSON = (
    (
        '{"code":0,"message":"success","info":{"messageId":892687470447040}}',
        0,
        "success",
        None,
        "892687470447040",
    ),
    (
        '{"code":20001,"info":{"messageId":1207967842654323713},"message":"token is expired"}',
        20001,
        "token is expired",
        None,
        "1207967842654323713",
    ),
    (
        '{"code":0,"message":"success","info":{"messageId":"1207967842654323713"}}',
        0,
        "success",
        None,
        "1207967842654323713",
    ),
    (
        '{ "info" : { "token" : "6944e5bf" } , "message" : "success" , "code" : 0 }',
        0,
        "success",
        "6944e5bf",
        None,
    ),
    ('{"code":40000,"message":"request too many"}', 40000, "request too many", None, None),
    ('{"code":10000,"message":"common error","info":null}', 10000, "common error", None, None),
    ('{"code":0,"info":{}}', 0, "", None, None),
    ('{"code":0,"message":null,"info":{"messageId":null,"token":null}}', 0, "", None, None),
    ('{"code":0,"info":[1,{"a":[]}],"x":true,"y":-1.5e3,"z":"\\"}"}', 0, "", None, None),
    ('{"code":1,"message":"a\\"b\\u0041\\n"}', 1, 'a"bA\n', None, None),
    ('{"code":0,"info":{"token":"eyJ.eyJ-_.x="}}\r\n', 0, "", "eyJ.eyJ-_.x=", None),
    ('{"x":{"code":5},"code":7,"info":{"code":6}}', 7, "", None, None),
)

BAD_JSON = (
    b"",
    b"{",
    b"{}",
    b"[]",
    b"null",
    b"0",
    b'{"code"}',
    b'{"code":}',
    b'{"code":0',
    b'{"code":0,}',
    b'{"code":0}}',
    b'{"code":0}x',
    b'{"code":"0"}',
    b'{"code":true}',
    b'{"code":-1}',
    b'{"code":0.5}',
    b'{"code":12345678901234567890}',
    b'{"code":0,"code":0}',
    b'{"code":0,"info":{"messageId":1,"messageId":2}}',
    b'{"code":0,"info":{"messageId":[1]}}',
    b'{"code":0,"info":{"messageId":' + b"1" * 65 + b"}}",
    b'{"code":0,"message":"' + b"\x01" + b'"}',
    b'{"code":0,"message":"open}',
    b'{"code":0,"message":"open\\"}',
    b'{"code":0,"x":' + b"[" * 500 + b"]" * 500 + b"}",
    b'{"code":0,"x":]}',
    b'{"code":0 "message":1}',
    b"\xff\xfe",
    b"<html><body>busy</body></html>",
)


def parsed(data):
    try:
        return parse(data)
    except ProtocolError as error:
        return str(error)


def test_good_bodies_give_their_fields():
    for text, code, message, token, identity in GOOD_JSON:
        tree = parse(text.encode())
        assert tree["code"] == code, text
        assert (tree.get("message") or "") == message, text
        info = tree.get("info")
        assert (info.get("token") if isinstance(info, dict) else None) == token, text
        assert id_of(tree) == identity, text


def test_bad_bodies_are_protocol_errors():
    for data in BAD_JSON:
        try:
            id_of(parse(data))
        except ProtocolError:
            continue
        raise AssertionError(data)


def test_every_cut_of_a_body_is_a_protocol_error():
    data = GOOD_JSON[1][0].encode()
    for cut in range(len(data)):
        assert isinstance(parsed(data[:cut]), str), data[:cut]


def test_refused_json_is_told_by_one_text():
    for data in (
        b"",
        b"[1]",
        b'{"code":0}{"code":0}',
        b'{"code":0,"code":0}',
        b'{"code":0,"info":{"messageId":1,"messageId":2}}',
        b'{"code":0,"\\u0063ode":1}',  # two that only look different
        b'{"info":{"code":0}}',
        b'{"code":-0}',
        b'{"code":00}',
        b'{"code":0.0}',
        b'{"code":"0"}',
        b'{"code":NaN}',
        b'{"code":0,"info":' + b"[" * 40,
        b'{"code":0,"message":"\r\n"}',
    ):
        assert parsed(data) == "the reply is no JSON object with a code", data


def test_text_that_is_no_text_leaves_the_code_to_decide():
    # GBK, and no encoding at all: the words are lost, the refusal is not.
    for words in (b"\xb2\xce\xca\xfd", b"\xff\xfe"):
        tree = parse(b'{"code":10001,"message":"%s"}' % words)
        assert tree["code"] == 10001
        assert tree["message"] == "\x7f" * len(words)


def test_numbers_that_json_has_not_are_nothing_where_nobody_looks():
    for word in (b"NaN", b"Infinity", b"-Infinity"):
        tree = parse(b'{"code":0,"x":[%s],"info":{"messageId":7}}' % word)
        assert id_of(tree) == "7"


def test_message_id_keeps_every_digit():
    for text, found in (
        ("9" * 40, "9" * 40),
        ('"%s"' % ("9" * 40), "9" * 40),
        ("1207967842654323713", "1207967842654323713"),
        ('"a-Z"', "a-Z"),
        ("-5", "-5"),
        ("null", None),
    ):
        tree = parse(('{"code":0,"info":{"messageId":%s}}' % text).encode())
        assert id_of(tree) == found, text
    for text in ('""', '"a b"', '"1\\r\\n2"', "1.5", "true", "{}", '"\\u0660"', "1" * 65):
        tree = parse(('{"code":0,"info":{"messageId":%s}}' % text).encode())
        try:
            id_of(tree)
        except ProtocolError:
            continue
        raise AssertionError(text)
