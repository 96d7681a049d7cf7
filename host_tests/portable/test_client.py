"""`Client.publish` over a fake transport: what it sends, when it connects, that it closes."""

import os

from linkpost.client import Client
from linkpost.config import Config
from linkpost.errors import (
    AuthError,
    ConfigError,
    DeadlineError,
    NetworkError,
    StorageError,
    TokenError,
)
from linkpost.net import transport as transport_module

TOPIC = "/pk1/dev1/user/update"
CONFIG = {
    "endpoint": "platform.example",
    "product_key": "pk1",
    "device_name": "dev1",
    "device_secret": "canary-secret",
}


def _json(body, more=b""):
    return b"HTTP/1.1 200\r\n%sContent-Length: %d\r\n\r\n" % (more, len(body)) + body


ACCEPTED = _json(b'{"code":0,"message":"success","info":{"messageId":1207967842654323713}}')
CLOSING = ACCEPTED.replace(b"200\r\n", b"200\r\nConnection: close\r\n")
TOKEN = _json(b'{"code":0,"message":"success","info":{"token":"fresh"}}')
EXPIRED = _json(b'{"code":20001,"message":"token is expired"}')
REFUSED = _json(b'{"code":20000,"message":"auth check error"}')
PUBLISH_ERROR = _json(b'{"code":30001,"message":"publish message error"}')


class _Port:
    """A fake clock: sleeping takes no time, and is counted."""

    def __init__(self):
        self.now = 0
        self.fed = 0

    def ticks_ms(self):
        return self.now

    def ticks_diff(self, later, earlier):
        return later - earlier

    def uptime_ms(self):
        return self.now

    def sleep_ms(self, ms):
        self.now += ms

    def feed(self):
        self.fed += 1


class _Tokens:
    def __init__(self, token=None, fails=False):
        self.token = token
        self.fails = fails
        self.writes = 0

    def load(self):
        return self.token

    def save(self, token):
        self.writes += 1
        if self.fails:
            raise StorageError("flash is full")
        self.token = token


class _Transport:
    """Takes one reply (bytes) or error per request; keeps what was sent."""

    host = "platform.example"
    phase = 0

    def __init__(self, *replies):
        self.replies = list(replies)
        self.sent = []
        self.connects = 0
        self.connected = False
        self.reused = False
        self.dies_idle = False
        self._used = False

    def connect_step(self):
        self.connects += 1
        self.connected = True
        self._used = False
        return transport_module.READY

    def begin(self, head, length, body, body_bytes=0):
        self.reused = self._used
        self._used = True
        sent = bytes(head[:length])
        if body is not None:
            chunk = bytearray(1000)
            left = body_bytes
            while left:
                count = body.readinto(memoryview(chunk)[: min(left, len(chunk))])
                assert count, "the body ended short"
                sent += bytes(chunk[:count])
                left -= count
        self.sent.append(sent)

    def write_step(self):
        return transport_module.READY

    def read_step(self, reply):
        answer = self.replies.pop(0)
        if isinstance(answer, BaseException):
            self.close()
            raise answer
        reply.feed(answer)
        return transport_module.READY

    def alive(self):
        return not self.dies_idle

    def feed(self):
        pass

    def close(self):
        self.connected = False


def _client(transport, tokens=None, port=None):
    tokens = tokens or _Tokens("old")
    return Client(
        Config(CONFIG), port=port or _Port(), tokens=tokens, transport=transport, log=_Log()
    )


class _Log:
    def warning(self, *arguments):
        pass


def _fails(kind, function, *arguments):
    try:
        function(*arguments)
    except kind as error:
        return error
    raise AssertionError("no %s" % kind.__name__)


def test_publish_small_report_is_one_request_with_its_body():
    transport = _Transport(ACCEPTED)
    assert _client(transport).publish(TOPIC, b'{"t":1}') == "1207967842654323713"
    assert transport.sent[0] == (
        b"POST /topic/pk1/dev1/user/update HTTP/1.1\r\nHost: platform.example\r\n"
        b"Content-Type: application/octet-stream\r\npassword: old\r\nContent-Length: 7\r\n\r\n"
        b'{"t":1}'
    )


def test_publish_without_token_authenticates_and_stores_it_once():
    transport = _Transport(TOKEN, ACCEPTED, ACCEPTED)
    tokens = _Tokens()
    client = _client(transport, tokens)
    client.publish(TOPIC, b"x")
    client.publish(TOPIC, b"x")
    assert [sent.split(b" ")[1][:6] for sent in transport.sent] == [b"/auth", b"/topic", b"/topic"]
    assert (tokens.token, tokens.writes) == ("fresh", 1)


def test_publish_dead_token_sends_the_same_message_again():
    transport = _Transport(EXPIRED, TOKEN, ACCEPTED)
    tokens = _Tokens("old")
    _client(transport, tokens).publish(TOPIC, b"the message")
    assert len(transport.sent) == 3
    assert transport.sent[0].replace(b": old", b": fresh") == transport.sent[2]
    assert tokens.writes == 1


def test_publish_lasting_dead_token_is_a_token_error():
    transport = _Transport(EXPIRED, TOKEN, EXPIRED)
    _fails(TokenError, _client(transport).publish, TOPIC, b"x")
    assert len(transport.sent) == 3


def test_publish_authentication_refused_is_an_auth_error_without_secret():
    error = _fails(AuthError, _client(_Transport(REFUSED), _Tokens()).publish, TOPIC, b"x")
    assert "canary" not in str(error)


def test_publish_token_that_flash_refuses_is_used_all_the_same():
    transport = _Transport(TOKEN, ACCEPTED, ACCEPTED)
    client = _client(transport, _Tokens(fails=True))
    client.publish(TOPIC, b"x")
    client.publish(TOPIC, b"x")
    assert len(transport.sent) == 3


def test_publish_kept_connection_is_used_again_and_probed_first():
    transport = _Transport(ACCEPTED, ACCEPTED, ACCEPTED)
    client = _client(transport)
    client.publish(TOPIC, b"x")
    client.publish(TOPIC, b"x")
    assert transport.connects == 1
    transport.dies_idle = True
    client.publish(TOPIC, b"x")
    assert transport.connects == 2


def test_open_connects_once_and_publish_uses_it():
    transport = _Transport(ACCEPTED)
    client = _client(transport)
    client.open()
    client.open()
    client.publish(TOPIC, b"x")
    assert transport.connects == 1
    transport.dies_idle = True
    client.open()
    assert transport.connects == 2


def test_publish_connection_that_the_peer_closes_is_closed():
    transport = _Transport(CLOSING, ACCEPTED)
    client = _client(transport)
    client.publish(TOPIC, b"x")
    assert not transport.connected
    client.publish(TOPIC, b"x")
    assert transport.connects == 2


def test_publish_kept_connection_that_fails_is_replaced_once():
    transport = _Transport(ACCEPTED, NetworkError("reset", 104), ACCEPTED)
    client = _client(transport)
    client.publish(TOPIC, b"x")
    client.publish(TOPIC, b"the message")
    assert transport.connects == 2
    assert transport.sent[1] == transport.sent[2]


def test_publish_fresh_connection_that_fails_is_the_callers_to_retry():
    for error in (NetworkError("reset", 104), DeadlineError("late")):
        transport = _Transport(error)
        assert _fails(type(error), _client(transport).publish, TOPIC, b"x") is error
        assert transport.connects == 1
        assert not transport.connected


def test_publish_anything_raised_closes_the_connection():
    for error in (MemoryError("no heap"), KeyboardInterrupt(), ValueError("a bug")):
        transport = _Transport(error)
        _fails(type(error), _client(transport).publish, TOPIC, b"x")
        assert not transport.connected, error


def test_publish_publish_error_waits_before_the_second_try():
    port = _Port()
    transport = _Transport(PUBLISH_ERROR, ACCEPTED)
    _client(transport, port=port).publish(TOPIC, b"x")
    assert len(transport.sent) == 2
    assert port.now == 2000
    assert port.fed >= 4


class _Stream:
    """A file as a payload: `readinto`, `seek`, `tell`."""

    def __init__(self, data):
        self._data = data
        self._at = 0

    def seek(self, at, whence=0):
        self._at = len(self._data) + at if whence == 2 else at
        return self._at

    def tell(self):
        return self._at

    def readinto(self, buffer):
        count = min(len(buffer), len(self._data) - self._at)
        buffer[:count] = self._data[self._at : self._at + count]
        self._at += count
        return count


def test_publish_bodies_of_every_size_leave_whole():
    for size in (1, 1000, 1024, 1500, 2000, 5000, 131_072):
        data = bytes([i & 255 for i in range(size)])
        for payload in (data, bytearray(data), memoryview(data), _Stream(data)):
            transport = _Transport(ACCEPTED)
            _client(transport).publish(TOPIC, payload)
            head, _, body = transport.sent[0].partition(b"\r\n\r\n")
            assert body == data, (size, type(payload))
            assert head.endswith(b"Content-Length: %d" % size)


def test_publish_stream_is_sent_from_its_beginning_again():
    transport = _Transport(EXPIRED, TOKEN, ACCEPTED)
    _client(transport).publish(TOPIC, _Stream(b"0123456789" * 500))
    assert transport.sent[2].endswith(b"\r\n\r\n" + b"0123456789" * 500)


def test_publish_file_streams_it_and_sends_it_again_where_it_must():
    path = "test_client.tmp"
    data = bytes([i & 255 for i in range(131_072)])
    with open(path, "wb") as file:
        file.write(data)
    transport = _Transport(EXPIRED, TOKEN, ACCEPTED)
    assert _client(transport).publish_file(TOPIC, path) == "1207967842654323713"
    assert transport.sent[2].endswith(b"\r\n\r\n" + data)
    os.remove(path)


def test_publish_file_that_is_not_there_sends_nothing():
    transport = _Transport()
    _fails(StorageError, _client(transport).publish_file, TOPIC, "no such file")
    assert transport.connects == 0


def test_publish_payload_outside_the_limits_sends_nothing():
    for payload in (b"", bytes(131_073), _Stream(b""), _Stream(bytes(131_073)), "text", None, 5):
        transport = _Transport()
        error = _fails(ConfigError, _client(transport).publish, TOPIC, payload)
        assert error.key == "payload"
        assert error.retry == "never"
        assert transport.connects == 0
        assert transport.sent == []


def test_publish_bad_topic_sends_nothing():
    transport = _Transport()
    _fails(ConfigError, _client(transport).publish, "/a b", b"x")
    assert transport.connects == 0
