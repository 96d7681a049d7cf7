"""`Client.publish` over a fake transport: what it sends, when it connects, that it closes.

Each test runs with every client of the table: the blocking one, and linkpost.aio's, each of whose
calls is a run of asyncio. What only waiting tasks can meet is in test_aio.py.
"""

import asyncio
import os

from fakes_client import (
    ACCEPTED,
    CLOSING,
    CONFIG,
    EXPIRED,
    PUBLISH_ERROR,
    REFUSED,
    TOKEN,
    TOPIC,
    Log,
    Port,
    Stream,
    Tokens,
    Transport,
    raised_by,
)
from linkpost import aio
from linkpost.client import Client
from linkpost.errors import (
    AuthError,
    ConfigError,
    DeadlineError,
    NetworkError,
    StorageError,
    TokenError,
)


class _Asyncio(aio.Client):
    """linkpost.aio's client; its sleeping takes no time, as the fake port's."""

    async def _sleep(self, ms):
        self._port.sleep_ms(ms)
        await asyncio.sleep(0)


class _Run:
    """The calls of an asyncio client as ordinary ones."""

    def __init__(self, client):
        self._client = client
        self.date = client.date

    def publish(self, *arguments):
        return asyncio.run(self._client.publish(*arguments))

    def publish_file(self, *arguments):
        return asyncio.run(self._client.publish_file(*arguments))

    def open(self, *arguments):
        return asyncio.run(self._client.open(*arguments))

    def close(self):
        return asyncio.run(self._client.close())


CLIENTS = (
    ("blocking", Client),
    ("asyncio", lambda *arguments: _Run(_Asyncio(*arguments))),
)


def each_client(test):
    """Run a test with each client: it gets a function (transport, tokens, port) that makes one."""

    def test_with_each():
        for name, make in CLIENTS:

            def client_of(transport, tokens=None, port=None, make=make):
                tokens = tokens or Tokens("old")
                return make(CONFIG, port or Port(), tokens, transport, Log())

            print("client:", name)  # shown where it fails
            test(client_of)

    return test_with_each


@each_client
def test_publish_small_report_is_one_request_with_its_body(client_of):
    transport = Transport(ACCEPTED)
    assert client_of(transport).publish(TOPIC, b'{"t":1}') == "1207967842654323713"
    assert transport.sent[0] == (
        b"POST /topic/pk1/dev1/user/update HTTP/1.1\r\nHost: platform.example\r\n"
        b"Content-Type: application/octet-stream\r\npassword: old\r\nContent-Length: 7\r\n\r\n"
        b'{"t":1}'
    )


@each_client
def test_publish_without_token_authenticates_and_stores_it_once(client_of):
    transport = Transport(TOKEN, ACCEPTED, ACCEPTED)
    tokens = Tokens()
    client = client_of(transport, tokens)
    client.publish(TOPIC, b"x")
    client.publish(TOPIC, b"x")
    assert [sent.split(b" ")[1][:6] for sent in transport.sent] == [b"/auth", b"/topic", b"/topic"]
    assert (tokens.token, tokens.writes) == ("fresh", 1)


@each_client
def test_publish_dead_token_sends_the_same_message_again(client_of):
    transport = Transport(EXPIRED, TOKEN, ACCEPTED)
    tokens = Tokens("old")
    client_of(transport, tokens).publish(TOPIC, b"the message")
    assert len(transport.sent) == 3
    assert transport.sent[0].replace(b": old", b": fresh") == transport.sent[2]
    assert tokens.writes == 1


@each_client
def test_publish_lasting_dead_token_is_a_token_error(client_of):
    transport = Transport(EXPIRED, TOKEN, EXPIRED)
    raised_by(TokenError, client_of(transport).publish, TOPIC, b"x")
    assert len(transport.sent) == 3


@each_client
def test_publish_authentication_refused_is_an_auth_error_without_secret(client_of):
    error = raised_by(AuthError, client_of(Transport(REFUSED), Tokens()).publish, TOPIC, b"x")
    assert "canary" not in str(error)


@each_client
def test_publish_token_that_flash_refuses_is_used_all_the_same(client_of):
    transport = Transport(TOKEN, ACCEPTED, ACCEPTED)
    client = client_of(transport, Tokens(fails=True))
    client.publish(TOPIC, b"x")
    client.publish(TOPIC, b"x")
    assert len(transport.sent) == 3


@each_client
def test_publish_kept_connection_is_used_again_and_probed_first(client_of):
    transport = Transport(ACCEPTED, ACCEPTED, ACCEPTED)
    client = client_of(transport)
    client.publish(TOPIC, b"x")
    client.publish(TOPIC, b"x")
    assert transport.connects == 1
    transport.dies_idle = True
    client.publish(TOPIC, b"x")
    assert transport.connects == 2


@each_client
def test_open_connects_once_and_publish_uses_it(client_of):
    transport = Transport(ACCEPTED)
    client = client_of(transport)
    client.open()
    client.open()
    client.publish(TOPIC, b"x")
    assert transport.connects == 1
    transport.dies_idle = True
    client.open()
    assert transport.connects == 2


@each_client
def test_publish_connection_that_the_peer_closes_is_closed(client_of):
    transport = Transport(CLOSING, ACCEPTED)
    client = client_of(transport)
    client.publish(TOPIC, b"x")
    assert not transport.connected
    client.publish(TOPIC, b"x")
    assert transport.connects == 2


@each_client
def test_publish_kept_connection_that_fails_is_replaced_once(client_of):
    transport = Transport(ACCEPTED, NetworkError("reset", 104), ACCEPTED)
    client = client_of(transport)
    client.publish(TOPIC, b"x")
    client.publish(TOPIC, b"the message")
    assert transport.connects == 2
    assert transport.sent[1] == transport.sent[2]


@each_client
def test_publish_fresh_connection_that_fails_is_the_callers_to_retry(client_of):
    for error in (NetworkError("reset", 104), DeadlineError("late")):
        transport = Transport(error)
        assert raised_by(type(error), client_of(transport).publish, TOPIC, b"x") is error
        assert transport.connects == 1
        assert not transport.connected


@each_client
def test_publish_anything_raised_closes_the_connection(client_of):
    for error in (MemoryError("no heap"), KeyboardInterrupt(), ValueError("a bug")):
        transport = Transport(error)
        raised_by(type(error), client_of(transport).publish, TOPIC, b"x")
        assert not transport.connected, error


@each_client
def test_publish_publish_error_waits_before_the_second_try(client_of):
    port = Port()
    transport = Transport(PUBLISH_ERROR, ACCEPTED)
    client_of(transport, port=port).publish(TOPIC, b"x")
    assert len(transport.sent) == 2
    assert port.now == 2000
    assert port.fed >= 4


@each_client
def test_publish_bodies_of_every_size_leave_whole(client_of):
    for size in (1, 1000, 1024, 1500, 2000, 5000, 131_072):
        data = bytes([i & 255 for i in range(size)])
        for payload in (data, bytearray(data), memoryview(data), Stream(data)):
            transport = Transport(ACCEPTED)
            client_of(transport).publish(TOPIC, payload)
            head, _, body = transport.sent[0].partition(b"\r\n\r\n")
            assert body == data, (size, type(payload))
            assert head.endswith(b"Content-Length: %d" % size)


@each_client
def test_publish_stream_is_sent_from_its_beginning_again(client_of):
    transport = Transport(EXPIRED, TOKEN, ACCEPTED)
    client_of(transport).publish(TOPIC, Stream(b"0123456789" * 500))
    assert transport.sent[2].endswith(b"\r\n\r\n" + b"0123456789" * 500)


@each_client
def test_publish_file_streams_it_and_sends_it_again_where_it_must(client_of):
    path = "test_client.tmp"
    data = bytes([i & 255 for i in range(131_072)])
    with open(path, "wb") as file:
        file.write(data)
    transport = Transport(EXPIRED, TOKEN, ACCEPTED)
    assert client_of(transport).publish_file(TOPIC, path) == "1207967842654323713"
    assert transport.sent[2].endswith(b"\r\n\r\n" + data)
    os.remove(path)


@each_client
def test_publish_file_that_is_not_there_sends_nothing(client_of):
    transport = Transport()
    raised_by(StorageError, client_of(transport).publish_file, TOPIC, "no such file")
    assert transport.connects == 0


@each_client
def test_publish_payload_outside_the_limits_sends_nothing(client_of):
    for payload in (b"", bytes(131_073), Stream(b""), Stream(bytes(131_073)), "text", None, 5):
        transport = Transport()
        error = raised_by(ConfigError, client_of(transport).publish, TOPIC, payload)
        assert error.key == "payload"
        assert error.retry == "never"
        assert transport.connects == 0
        assert transport.sent == []


@each_client
def test_publish_bad_topic_sends_nothing(client_of):
    transport = Transport()
    raised_by(ConfigError, client_of(transport).publish, "/a b", b"x")
    assert transport.connects == 0


@each_client
def test_publish_steps_that_wait_are_taken_again_until_they_are_done(client_of):
    for is_ready in (True, False):
        transport = Transport(TOKEN, ACCEPTED, waits=3, is_ready=is_ready)
        assert client_of(transport, Tokens()).publish(TOPIC, b"x") == "1207967842654323713"
        assert transport.looks == 3 * 5  # connect, and twice write and read
        assert len(transport.sent) == 2


@each_client
def test_publish_reply_that_does_not_come_is_a_deadline_error_and_closes(client_of):
    port = Port()
    transport = Transport(waits=1_000_000, is_ready=False, port=port)
    error = raised_by(DeadlineError, client_of(transport, port=port).publish, TOPIC, b"x", 5000)
    assert "5" in str(error)
    assert 5000 <= port.now <= 5020
    assert not transport.connected


@each_client
def test_close_next_publish_opens_a_new_connection(client_of):
    transport = Transport(ACCEPTED, ACCEPTED)
    client = client_of(transport)
    client.close()
    client.publish(TOPIC, b"x")
    client.close()
    assert not transport.connected
    client.publish(TOPIC, b"x")
    assert transport.connects == 2


@each_client
def test_date_is_that_of_the_last_reply(client_of):
    date = b"Date: Sat, 18 Jul 2026 08:00:00 GMT\r\n"
    client = client_of(Transport(ACCEPTED.replace(b"200\r\n", b"200\r\n" + date)))
    assert client.date() is None
    client.publish(TOPIC, b"x")
    assert client.date() == "Sat, 18 Jul 2026 08:00:00 GMT"
