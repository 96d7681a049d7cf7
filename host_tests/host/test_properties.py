"""Properties of what reads bytes from the network: any split is the same, any bytes end well."""

from __future__ import annotations

import json

from hypothesis import example, given, settings
from hypothesis import strategies as st
from linkpost.errors import LinkpostError, ProtocolError
from linkpost.protocol import id_of, parse, read
from linkpost.protocol.refusals import platform_message, token_of
from linkpost.storage.tokens import TokenStore

_BODY_MAX_BYTES = 1024  # the limit of `reply`
_NAMES = st.sampled_from(
    ["Date", "Server", "X", "Connection", "Content-Type", "EagleEye-TraceId", "connection"]
)
_VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=200)


@st.composite
def replies(draw) -> tuple[bytes, int, bytes]:
    """A reply that keeps the rules: bytes, status, body."""
    body = draw(st.binary(max_size=_BODY_MAX_BYTES))
    status = draw(st.sampled_from([200, 200, 200, 204, 302, 404, 503]))
    head = f"HTTP/1.{draw(st.sampled_from('01'))} {status}"
    head += draw(st.sampled_from(["", " ", " OK", " a reason with words"])) + "\r\n"
    lines = [f"{draw(_NAMES)}:{draw(_VALUES)}" for _ in range(draw(st.integers(0, 5)))]
    lines = [line for line in lines if len(line) <= 128]
    if draw(st.booleans()):
        lines.insert(draw(st.integers(0, len(lines))), f"content-length: {len(body)}")
        tail = body
    else:
        lines.append("Transfer-Encoding: chunked")
        tail = b""
        at = 0
        while at < len(body):
            size = draw(st.integers(1, len(body) - at))
            tail += b"%X\r\n" % size + body[at : at + size] + b"\r\n"
            at += size
        tail += b"0\r\n\r\n"
    if status != 200:
        tail = body = b""
    data = (head + "".join(line + "\r\n" for line in lines) + "\r\n").encode() + tail
    return data, status, body


def _read(pieces: list[bytes]) -> tuple | None:
    """Return what a reply in these pieces is read as; None: it is refused."""
    left = [piece for piece in pieces if piece]

    def receive(view):
        yield 1
        if not left:
            return 0
        piece = left[0][: len(view)]
        left[0] = left[0][len(piece) :]
        if not left[0]:
            left.pop(0)
        view[: len(piece)] = piece
        return len(piece)

    steps = read(receive, bytearray(2048))
    try:
        while True:
            next(steps)
    except StopIteration as stop:
        return stop.value
    except ProtocolError:
        return None


@given(replies(), st.data())
def test_reply_any_split_gives_the_same_result(made, data):
    raw, status, body = made
    whole = _read([raw])
    assert whole is not None
    assert (whole[0], whole[3]) == (status, body)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=8)))
    pieces = [raw[start:end] for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    assert _read(pieces) == whole


@given(replies(), st.binary(min_size=1, max_size=50), st.integers(1, 64))
def test_reply_is_the_same_whatever_comes_behind_it(made, behind, step):
    raw, status, body = made
    stream = raw + behind
    found = _read([stream[at : at + step] for at in range(0, len(stream), step)])
    assert found is not None
    assert (found[0], found[3]) == (status, body)


@settings(max_examples=500)
@given(
    st.one_of(
        st.binary(max_size=3000),
        st.binary(max_size=3000).map(lambda data: b"HTTP/1.1 200\r\n" + data),
        st.binary(max_size=2000).map(
            lambda data: b"HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n" + data
        ),
    )
)
@example(b"HTTP/1.1 200\r\nContent-Length: 99999999999999999999\r\n\r\n")
@example(b"HTTP/1.1 200\r\n" + b"\r\n".join([b"a: b"] * 3000))
def test_reply_any_bytes_end_in_a_reply_or_a_protocol_error_within_bounds(data):
    found = _read([data])
    if found is not None:
        assert 100 <= found[0] <= 999
        assert len(found[3]) <= _BODY_MAX_BYTES


@given(replies(), st.data())
def test_reply_mutated_ends_in_a_reply_or_a_protocol_error(made, data):
    raw = bytearray(made[0])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at] = data.draw(st.integers(0, 255))
    _read([bytes(raw)])


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4)
    ),
    max_leaves=10,
)


@given(
    st.integers(0, 999_999_999),
    st.text(max_size=60),
    st.integers(0, 10**19) | st.none(),
    st.dictionaries(
        st.text(max_size=10).filter(lambda k: k not in ("code", "message", "info")), _JSON
    ),
    st.booleans(),
    st.booleans(),
)
def test_answer_reads_what_json_wrote(code, message, message_id, more, as_text, spaces):
    info = (
        None if message_id is None else {"messageId": str(message_id) if as_text else message_id}
    )
    tree = {**more, "info": info, "message": message, "code": code}
    text = json.dumps(tree, separators=(", ", ": ") if spaces else (",", ":"), ensure_ascii=False)
    data = text.encode(errors="surrogatepass")
    # Halves of surrogate pairs, what begins as they do, and DEL, which stands for no UTF-8.
    odd = any("\ud000" <= c <= "\udfff" or c == "\x7f" for c in text)
    try:
        tree = parse(data)
    except ProtocolError as error:
        assert "no JSON object" in str(error)
        # The one bound that such a tree can pass: too deep, or too much in it. And names that only
        # differ in what is no UTF-8 are the same name twice.
        assert (
            odd
            or 8 * (text.count("[") + text.count("{")) + text.count(",") + text.count('"') > 256
        )
        return
    assert tree["code"] == code
    assert id_of(tree) == (None if message_id is None else str(message_id))
    if not odd:
        assert platform_message(tree) == message
    platform_message(tree).encode()


@settings(max_examples=500)
@given(
    st.binary(max_size=300)
    | st.text('{}[]":,\\ \n0123456789truefalsnullcodemessageinfotoken', max_size=200).map(
        str.encode
    )
)
def test_answer_any_bytes_end_in_an_answer_or_a_protocol_error(data):
    try:
        tree = parse(data)
        assert type(tree["code"]) is int
        assert isinstance(platform_message(tree), str)
        id_of(tree)
        assert 1 <= len(token_of(tree, "secret")) <= 512
    except LinkpostError:
        pass


@given(st.binary(max_size=2000))
def test_token_file_of_any_bytes_is_a_token_or_none(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "token"
    path.write_bytes(data)
    try:
        assert TokenStore(str(path), ("a", "b")).load() is None
    except LinkpostError as error:  # pragma: no cover
        raise AssertionError(error) from error
