"""The policy: what each code and failure leads to, and how many requests it costs at most."""

from fakes_client import Connection, Log, Port, Tokens
from linkpost.client import Client
from linkpost.config import Config
from linkpost.errors import (
    AuthError,
    ConfigError,
    DeadlineError,
    DNSError,
    NetworkError,
    ProtocolError,
    RejectedError,
    ServiceError,
    ThrottledError,
    TLSError,
    TokenError,
)
from linkpost.protocol.refusals import platform_message

SECRET = "0123456789abcdef0123456789abWXYZ"
TOPIC = "/pk1/dev1/user/update"


def _config(**changes):
    values = {
        "endpoint": "platform.example",
        "product_key": "pk1",
        "device_name": "dev1",
        "device_secret": SECRET,
        "client_id": "pk1.dev1",
        "sign_method": "hmacmd5",
    }
    values.update(changes)
    return Config(values)


def _reply(body, status=200):
    data = body.encode()
    return b"HTTP/1.1 %d\r\nContent-Length: %d\r\n\r\n" % (status, len(data)) + data


def _code(code):
    return _reply('{"code":%d,"message":"m","info":null}' % code)


def _token(token="fresh"):
    return _reply('{"code":0,"message":"success","info":{"token":"%s"}}' % token)


def _accepted():
    return _reply('{"code":0,"message":"success","info":{"messageId":1207967842654323713}}')


def _cut(error):
    """A failure after the reply has begun."""
    return b"HTTP/1.1 200", error


class _Endless(Connection):
    """Gives its replies in turn, the last one again and again."""

    def answer(self):
        assert len(self.sent) <= 10, self.sent
        return self.replies[min(len(self.sent), len(self.replies)) - 1]


def _play(token, replies, kept=False):
    """Publish one message; return what came of it, the kinds of request, and the token then."""
    connection = _Endless(*replies)
    client = Client(_config(), Port(), Tokens(token), connection, Log())
    if kept:
        client.open()
        connection.kept = True
    try:
        found = client.publish(TOPIC, b"12345")
    except Exception as error:
        found = error
    sent = [request.split(b" ")[1].split(b"/")[1].decode() for request in connection.sent]
    assert connection.connects <= 5
    return found, sent, client._token


# name, stored token, replies (the last one repeats), requests sent, error, token afterwards
TABLE = (
    ("first message", None, (_token(), _accepted()), ["auth", "topic"], None, "fresh"),
    ("token kept", "old", (_accepted(),), ["topic"], None, "old"),
    (
        "expired token",
        "old",
        (_code(20001), _token(), _accepted()),
        ["topic", "auth", "topic"],
        None,
        "fresh",
    ),
    (
        "token missing",
        "old",
        (_code(20002), _token(), _accepted()),
        ["topic", "auth", "topic"],
        None,
        "fresh",
    ),
    (
        "token unknown",
        "old",
        (_code(20003), _token(), _accepted()),
        ["topic", "auth", "topic"],
        None,
        "fresh",
    ),
    (
        "lasting 20001",
        "old",
        (_code(20001), _token(), _code(20001)),
        ["topic", "auth", "topic"],
        TokenError,
        "fresh",
    ),
    (
        "lasting 20001 from the first message on",
        None,
        (_token("a"), _code(20001), _token("b"), _code(20003)),
        ["auth", "topic", "auth", "topic"],
        TokenError,
        "b",
    ),
    ("10000", "old", (_code(10000),), ["topic"], ServiceError, "old"),
    ("10001", "old", (_code(10001),), ["topic"], RejectedError, "old"),
    ("30001", "old", (_code(30001),), ["topic", "topic"], RejectedError, "old"),
    (
        "30001 once",
        "old",
        (_code(30001), _accepted()),
        ["topic", "topic"],
        None,
        "old",
    ),
    (
        "30001, then an expired token",
        "old",
        (_code(30001), _code(20001), _token(), _accepted()),
        ["topic", "topic", "auth", "topic"],
        None,
        "fresh",
    ),
    ("40000", "old", (_code(40000),), ["topic"], ThrottledError, "old"),
    ("20000 on a topic", "old", (_code(20000),), ["topic"], ServiceError, "old"),
    ("20004 on a topic", "old", (_code(20004),), ["topic"], ServiceError, "old"),
    ("unknown code", "old", (_code(99999),), ["topic"], ServiceError, "old"),
    ("auth 20000", None, (_code(20000),), ["auth"], AuthError, None),
    ("auth 10001", None, (_code(10001),), ["auth"], AuthError, None),
    ("auth 10000", None, (_code(10000),), ["auth"], ServiceError, None),
    ("auth 20002", None, (_code(20002),), ["auth"], ServiceError, None),
    ("auth 20004", None, (_code(20004),), ["auth"], ServiceError, None),
    ("auth 40000", None, (_code(40000),), ["auth"], ThrottledError, None),
    ("auth without token", None, (_accepted(),), ["auth"], ServiceError, None),
    (
        "expired token, auth refused",
        "old",
        (_code(20001), _code(20000)),
        ["topic", "auth"],
        AuthError,
        None,
    ),
    ("503", "old", (_reply("", 503),), ["topic"], ServiceError, "old"),
    ("redirect", "old", (_reply("", 302),), ["topic"], ServiceError, "old"),
    ("no JSON", "old", (_reply("<html>"),), ["topic"], ProtocolError, "old"),
    (
        "token no header can carry",
        None,
        (_token("a b"),),
        ["auth"],
        ProtocolError,
        None,
    ),
    (
        "no network",
        "old",
        (NetworkError("down", 111),),
        ["topic"],
        NetworkError,
        "old",
    ),
    (
        "kept connection closed",
        "old",
        (NetworkError("closed", 104), _accepted()),
        ["topic", "topic"],
        None,
        "old",
    ),
    (
        "kept connection closed twice",
        "old",
        (NetworkError("closed", 104),),
        ["topic", "topic"],
        NetworkError,
        "old",
    ),
    (
        "kept connection closed within the reply",
        "old",
        (_cut(NetworkError("closed", 104)),),
        ["topic"],
        NetworkError,
        "old",
    ),
    (
        "deadline on a kept connection",
        "old",
        (DeadlineError("late"),),
        ["topic"],
        DeadlineError,
        "old",
    ),
    ("no name", "old", (DNSError("?"),), ["topic"], DNSError, "old"),
    (
        "TLS",
        "old",
        (TLSError("not trusted", "untrusted"),),
        ["topic"],
        TLSError,
        "old",
    ),
)


def test_every_reply_leads_to_its_end_with_no_request_too_many():
    for name, token, replies, requests, error, token_after in TABLE:
        found, sent, token_then = _play(token, replies, kept="kept" in name)
        assert sent == requests, (name, sent)
        assert token_then == token_after, (name, token_then)
        if error is None:
            assert found == "1207967842654323713", (name, found)
        else:
            assert type(found) is error, (name, found)
            assert SECRET not in str(found), name


def test_kept_connection_is_replaced_once_in_a_message_not_once_a_request():
    closed = NetworkError("closed", 104)
    found, sent, token = _play(None, (closed, _token(), closed, _accepted()), kept=True)
    assert found is closed and token == "fresh"
    assert sent == ["auth", "auth", "topic"]


def test_any_run_of_replies_costs_two_authentications_and_four_messages_at_most():
    replies = [
        _accepted(),
        _token(),
        _code(20001),
        _code(30001),
        _code(10001),
        _code(40000),
        _reply("", 503),
        NetworkError("closed", 104),
        _cut(NetworkError("closed", 104)),
    ]
    most = {"auth": 0, "topic": 0}
    for seed in range(400):
        run = []
        for _ in range(8):
            seed = (seed * 1103515245 + 12345) & 0x7FFFFFFF
            run.append(replies[(seed >> 8) % len(replies)])
        _, sent, _ = _play("old" if seed & 1 else None, run, kept=seed & 2 > 0)
        for kind in most:
            most[kind] = max(most[kind], sent.count(kind))
    assert most["auth"] <= 3  # two, and one that was sent again over a new connection
    assert most["topic"] <= 4


def test_next_message_after_a_failure_starts_over():
    connection = Connection(
        _code(20001), _token("a"), _code(20001), _code(20001), _token("b"), _accepted()
    )
    tokens = Tokens("old")
    client = Client(_config(), Port(), tokens, connection, Log())
    try:
        client.publish(TOPIC, b"x")
    except TokenError:
        pass
    assert client.publish(TOPIC, b"x") == "1207967842654323713"
    assert tokens.writes == 2  # a dead token costs no write of its own


def test_request_topic_is_the_documented_bytes():
    connection = Connection(_accepted())
    tokens = Tokens("6944e5bfb92e4d4ea3918d1eda391234")
    client = Client(_config(), Port(), tokens, connection, Log())
    client.publish("/a1GFjLP1234/device123/user/update", b"5" * 53)
    assert connection.sent[0] == (
        b"POST /topic/a1GFjLP1234/device123/user/update HTTP/1.1\r\n"
        b"Host: platform.example\r\n"
        b"Content-Type: application/octet-stream\r\n"
        b"password: 6944e5bfb92e4d4ea3918d1eda391234\r\n"
        b"Content-Length: 53\r\n\r\n" + b"5" * 53
    )


def test_request_auth_is_head_and_body_in_one():
    connection = Connection(_token(), _accepted())
    config = _config(endpoint="localhost:8443")
    Client(config, Port(), Tokens(), connection, Log()).publish(TOPIC, b"x")
    head, _, body = connection.sent[0].partition(b"\r\n\r\n")
    assert head == (
        b"POST /auth HTTP/1.1\r\nHost: localhost:8443\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d" % len(body)
    )
    assert b'"sign":"' in body
    assert SECRET.encode() not in connection.sent[0]


def test_request_follows_a_new_token_and_topic():
    connection = Connection(_code(20001), _token("fresh"), _accepted(), _accepted())
    client = Client(_config(), Port(), Tokens("old"), connection, Log())
    client.publish(TOPIC, b"x")
    assert b"password: fresh\r\n" in connection.sent[2]
    client.publish("/pk1/dev1/user/other", b"x" * 123)
    assert b"/topic/pk1/dev1/user/other " in connection.sent[3]
    assert b"Content-Length: 123\r\n" in connection.sent[3]


def test_request_of_the_longest_of_everything_fits():
    for client_id in ("\u20ac" * 64, '"' * 64, "\x01" * 64):
        connection = Connection(_token("t" * 512), _accepted(), _accepted())
        config = _config(
            endpoint=".".join(["h" * 61] * 4) + ":65535",
            device_name="d" * 32,
            client_id=client_id,
            sign_method="hmacsha1",
        )
        client = Client(config, Port(), Tokens(), connection, Log())
        topic = "/" + "t" * 127
        client.publish(topic, b"x")
        client.publish(topic, bytes(131_072))
        assert connection.sent[0].startswith(b"POST /auth HTTP/1.1\r\n")
        for sent, length in ((connection.sent[1], 1), (connection.sent[2], 131_072)):
            head, _, body = sent.partition(b"\r\n\r\n")
            assert head.endswith(b"password: " + b"t" * 512 + b"\r\nContent-Length: %d" % length)
            assert len(body) == length


def test_reply_is_taken_in_pieces_that_a_small_heap_has_room_for():
    # Twice 2 KB in one piece was more than a heap of 81,920 bytes had left at a long head.
    connection = Connection(_token(), _accepted())
    asked = []
    receive = connection.receive

    def watched(view):
        asked.append(len(view))
        return (yield from receive(view))

    connection.receive = watched
    Client(_config(), Port(), Tokens(), connection, Log()).publish(TOPIC, b"x")
    assert 0 < max(asked) <= 1024, asked


def test_bad_topics_are_config_errors():
    client = Client(_config(), Port(), Tokens("old"), Connection(_accepted()), Log())
    for topic in (
        "",
        "/",
        "//a",
        "a/b",
        "/a?b",
        "/a#",
        "/a/+",
        "/a b",
        "/a\r\nX: y",
        "/a\0",
        "/\u00e9",
        "/" + "a" * 128,
        None,
        b"/a",
    ):
        try:
            client.publish(topic, b"x")
        except ConfigError as error:
            assert error.key == "topic"
            continue
        raise AssertionError(topic)
    client.publish("/" + "a" * 127, b"x")


def test_token_that_no_header_can_carry_is_a_protocol_error():
    for token in ('""', '"a b"', '"a\\r\\nx: y"', '"\u00e9"', '"a\\u0000"', '"%s"' % ("t" * 513)):
        _check_token(token)
    for token in ("1", "[]", "true", "{}"):
        _check_token(token)


def _check_token(token):
    reply = _reply('{"code":0,"info":{"token":%s}}' % token)
    found, sent, token_then = _play(None, (reply,))
    assert type(found) is ProtocolError, (token, found)
    assert sent == ["auth"] and token_then is None


def test_words_that_are_no_text_leave_the_code_to_decide():
    # GBK, no encoding at all, and half a surrogate pair, of which no UTF-8 can be made.
    for message in (b"\xb2\xce\xca\xfd", b"\xff\xfe", b"a\\ud800b\\udfffc"):
        body = b'{"code":10001,"message":"%s"}' % message
        reply = b"HTTP/1.1 200\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        found, _, _ = _play("old", (reply,))
        assert type(found) is RejectedError
        assert found.message.startswith("message is not text"), found
        str(found).encode()


def test_words_are_empty_where_there_are_none():
    for tree in ({}, {"message": None}, {"message": 5}, {"message": ["a"]}):
        assert platform_message(tree) == ""
