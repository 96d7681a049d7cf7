"""The policy: what each code and failure leads to, and how many requests it costs at most."""

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
from linkpost.protocol.http import Reply
from linkpost.protocol.session import (
    DONE,
    LATER,
    REFUSED,
    SEND_AUTH,
    SEND_TOPIC,
    STOP,
    Credentials,
    Session,
    head_max_bytes,
)

SECRET = "0123456789abcdef0123456789abWXYZ"
TOPIC = "/pk1/dev1/user/update"


def _credentials(host="platform.example", client_id="pk1.dev1"):
    return Credentials(host, "pk1", "dev1", SECRET, client_id, "hmacmd5")


def _reply(body, status=200):
    reply = Reply()
    data = body.encode()
    reply.feed(b"HTTP/1.1 %d\r\nContent-Length: %d\r\n\r\n" % (status, len(data)) + data)
    return reply


def _code(code):
    return _reply('{"code":%d,"message":"m","info":null}' % code)


def _token(token="fresh"):
    return _reply('{"code":0,"message":"success","info":{"token":"%s"}}' % token)


def _accepted():
    return _reply('{"code":0,"message":"success","info":{"messageId":1207967842654323713}}')


def _play(token, replies):
    """Drive one message; `replies` is asked for the reply or failure to each request in turn."""
    session = Session(_credentials(), token)
    action = session.publish(TOPIC, 5)
    sent = []
    while action in (SEND_AUTH, SEND_TOPIC):
        sent.append("auth" if action == SEND_AUTH else "topic")
        assert len(sent) <= 10, sent
        reply = replies[min(len(sent), len(replies)) - 1]
        if isinstance(reply, tuple):
            action = session.failed(*reply)
        else:
            try:
                action = session.answer(reply)
            except ProtocolError as error:
                action = session.failed(error, True, False)
    return session, action, sent


# name, stored token, replies (the last one repeats), requests sent, end, error, token afterwards
TABLE = (
    ("first message", None, (_token(), _accepted()), ["auth", "topic"], DONE, None, "fresh"),
    ("token kept", "old", (_accepted(),), ["topic"], DONE, None, "old"),
    (
        "expired token",
        "old",
        (_code(20001), _token(), _accepted()),
        ["topic", "auth", "topic"],
        DONE,
        None,
        "fresh",
    ),
    (
        "token missing",
        "old",
        (_code(20002), _token(), _accepted()),
        ["topic", "auth", "topic"],
        DONE,
        None,
        "fresh",
    ),
    (
        "token unknown",
        "old",
        (_code(20003), _token(), _accepted()),
        ["topic", "auth", "topic"],
        DONE,
        None,
        "fresh",
    ),
    (
        "lasting 20001",
        "old",
        (_code(20001), _token(), _code(20001)),
        ["topic", "auth", "topic"],
        LATER,
        TokenError,
        "fresh",
    ),
    (
        "lasting 20001 from the first message on",
        None,
        (_token("a"), _code(20001), _token("b"), _code(20003)),
        ["auth", "topic", "auth", "topic"],
        LATER,
        TokenError,
        "b",
    ),
    ("10000", "old", (_code(10000),), ["topic"], LATER, ServiceError, "old"),
    ("10001", "old", (_code(10001),), ["topic"], REFUSED, RejectedError, "old"),
    ("30001", "old", (_code(30001),), ["topic", "topic"], REFUSED, RejectedError, "old"),
    (
        "30001 once",
        "old",
        (_code(30001), _accepted()),
        ["topic", "topic"],
        DONE,
        None,
        "old",
    ),
    (
        "30001, then an expired token",
        "old",
        (_code(30001), _code(20001), _token(), _accepted()),
        ["topic", "topic", "auth", "topic"],
        DONE,
        None,
        "fresh",
    ),
    ("40000", "old", (_code(40000),), ["topic"], LATER, ThrottledError, "old"),
    ("20000 on a topic", "old", (_code(20000),), ["topic"], LATER, ServiceError, "old"),
    ("20004 on a topic", "old", (_code(20004),), ["topic"], LATER, ServiceError, "old"),
    ("unknown code", "old", (_code(99999),), ["topic"], LATER, ServiceError, "old"),
    ("auth 20000", None, (_code(20000),), ["auth"], STOP, AuthError, None),
    ("auth 10001", None, (_code(10001),), ["auth"], STOP, AuthError, None),
    ("auth 10000", None, (_code(10000),), ["auth"], LATER, ServiceError, None),
    ("auth 20002", None, (_code(20002),), ["auth"], LATER, ServiceError, None),
    ("auth 20004", None, (_code(20004),), ["auth"], LATER, ServiceError, None),
    ("auth 40000", None, (_code(40000),), ["auth"], LATER, ThrottledError, None),
    ("auth without token", None, (_accepted(),), ["auth"], LATER, ServiceError, None),
    (
        "expired token, auth refused",
        "old",
        (_code(20001), _code(20000)),
        ["topic", "auth"],
        STOP,
        AuthError,
        None,
    ),
    ("503", "old", (_reply("", 503),), ["topic"], LATER, ServiceError, "old"),
    ("redirect", "old", (_reply("", 302),), ["topic"], LATER, ServiceError, "old"),
    ("no JSON", "old", (_reply("<html>"),), ["topic"], LATER, ProtocolError, "old"),
    (
        "token no header can carry",
        None,
        (_token("a b"),),
        ["auth"],
        LATER,
        ProtocolError,
        None,
    ),
    (
        "no network",
        "old",
        ((NetworkError("down", 111), False, False),),
        ["topic"],
        LATER,
        NetworkError,
        "old",
    ),
    (
        "kept connection closed",
        "old",
        ((NetworkError("closed", 104), False, True), _accepted()),
        ["topic", "topic"],
        DONE,
        None,
        "old",
    ),
    (
        "kept connection closed twice",
        "old",
        ((NetworkError("closed", 104), False, True),),
        ["topic", "topic"],
        LATER,
        NetworkError,
        "old",
    ),
    (
        "kept connection closed within the reply",
        "old",
        ((NetworkError("closed", 104), True, True),),
        ["topic"],
        LATER,
        NetworkError,
        "old",
    ),
    (
        "deadline on a kept connection",
        "old",
        ((DeadlineError("late"), False, True),),
        ["topic"],
        LATER,
        DeadlineError,
        "old",
    ),
    ("no name", "old", ((DNSError("?"), False, False),), ["topic"], LATER, DNSError, "old"),
    (
        "TLS",
        "old",
        ((TLSError("not trusted", "untrusted"), False, False),),
        ["topic"],
        LATER,
        TLSError,
        "old",
    ),
)


def test_session_every_reply_leads_to_its_end_with_no_request_too_many():
    for name, token, replies, requests, end, error, token_after in TABLE:
        session, action, sent = _play(token, replies)
        assert sent == requests, (name, sent)
        assert action == end, (name, action)
        assert session.token == token_after, (name, session.token)
        if error is None:
            assert session.error is None, (name, session.error)
            assert session.message_id == "1207967842654323713", name
        else:
            assert type(session.error) is error, (name, session.error)
            assert SECRET not in str(session.error), name


def test_session_30001_waits_before_the_second_try_only():
    session = Session(_credentials(), "old")
    session.publish(TOPIC, 5)
    assert session.wait_ms == 0
    assert session.answer(_code(30001)) == SEND_TOPIC
    assert session.wait_ms >= 1000
    session.answer(_accepted())
    session.publish(TOPIC, 5)
    assert session.wait_ms == 0


def test_session_token_changes_once_per_authentication():
    session, _, _ = _play("old", (_accepted(),))
    assert not session.token_changed
    session, _, _ = _play("old", (_code(20001), _token(), _accepted()))
    assert session.token_changed
    # A dead token costs no write of its own.
    session, _, _ = _play("old", (_code(20001), _code(40000)))
    assert session.token is None
    assert not session.token_changed


def test_session_next_message_after_a_failure_starts_over():
    session, action, _ = _play("old", (_code(20001), _token(), _code(20001)))
    assert action == LATER
    assert session.publish(TOPIC, 5) == SEND_TOPIC
    assert session.error is None
    assert session.answer(_code(20001)) == SEND_AUTH


def test_request_topic_is_the_documented_bytes():
    session = Session(_credentials(), "6944e5bfb92e4d4ea3918d1eda391234")
    action = session.publish("/a1GFjLP1234/device123/user/update", 53)
    buffer = bytearray(1000)
    end = session.request_into(action, buffer)
    assert bytes(buffer[:end]) == (
        b"POST /topic/a1GFjLP1234/device123/user/update HTTP/1.1\r\n"
        b"Host: platform.example\r\n"
        b"Content-Type: application/octet-stream\r\n"
        b"password: 6944e5bfb92e4d4ea3918d1eda391234\r\n"
        b"Content-Length: 53\r\n\r\n"
    )


def test_request_auth_is_head_and_body_in_one():
    session = Session(_credentials("localhost:8443"))
    action = session.publish(TOPIC, 5)
    buffer = bytearray(1000)
    end = session.request_into(action, buffer)
    head, _, body = bytes(buffer[:end]).partition(b"\r\n\r\n")
    assert head == (
        b"POST /auth HTTP/1.1\r\nHost: localhost:8443\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d" % len(body)
    )
    # The signature over clientIdpk1.dev1deviceNamedev1productKeypk1 by this secret, by
    # CPython's hmac.
    assert b'"sign":"' in body
    assert SECRET.encode() not in bytes(buffer)


def test_request_follows_a_new_token_and_topic():
    session = Session(_credentials(), "old")
    buffer = bytearray(1000)
    session.request_into(session.publish(TOPIC, 5), buffer)
    session.answer(_code(20001))
    session.answer(_token("fresh"))
    end = session.request_into(SEND_TOPIC, buffer)
    assert b"password: fresh\r\n" in bytes(buffer[:end])
    session.answer(_accepted())
    session.publish("/pk1/dev1/user/other", 123)
    end = session.request_into(SEND_TOPIC, buffer)
    assert b"/topic/pk1/dev1/user/other " in bytes(buffer[:end])
    assert b"Content-Length: 123\r\n" in bytes(buffer[:end])


def test_request_bound_holds_for_the_longest_of_everything():
    credentials = Credentials(
        "h" * 253 + ":65535", "p" * 32, "d" * 32, SECRET, "\u20ac" * 64, "hmacsha1"
    )
    for client_id in ("\u20ac" * 64, '"' * 64, "\x01" * 64):
        credentials.client_id = client_id
        bound = head_max_bytes(credentials, 128, 512)
        buffer = bytearray(bound)
        session = Session(credentials)
        session.request_into(session.publish(TOPIC, 5), buffer)
        assert len(buffer) == bound
        session = Session(credentials, "t" * 512)
        session.request_into(session.publish("/" + "t" * 127, 131_072), buffer)
        assert len(buffer) == bound


def test_request_into_a_small_buffer_is_an_error_not_a_growth():
    session = Session(_credentials(), "old")
    action = session.publish(TOPIC, 5)
    buffer = bytearray(50)
    try:
        session.request_into(action, buffer)
    except ValueError:
        assert len(buffer) == 50
        return
    raise AssertionError("written")


def test_publish_bad_topics_are_config_errors():
    session = Session(_credentials(), "old")
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
            session.publish(topic, 5)
        except ConfigError as error:
            assert error.key == "topic"
            continue
        raise AssertionError(topic)
    assert session.publish("/" + "a" * 127, 5) == SEND_TOPIC
