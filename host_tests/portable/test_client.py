"""`Client.publish` over a fake connection: what it sends, when it connects, that it closes.

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
    Connection,
    Log,
    Port,
    Stream,
    Tokens,
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
        self.port.sleep_ms(ms)
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
    """Run a test with each client: it gets a function (connection, tokens, port) for one."""

    def test_with_each():
        for name, make in CLIENTS:

            def client_of(connection, tokens=None, port=None, log=None, make=make):
                tokens = tokens or Tokens("old")
                return make(CONFIG, port or Port(), tokens, connection, log or Log())

            print("client:", name)  # shown where it fails
            test(client_of)

    return test_with_each


@each_client
def test_publish_small_report_is_one_request_with_its_body(client_of):
    connection = Connection(ACCEPTED)
    assert client_of(connection).publish(TOPIC, b'{"t":1}') == "1207967842654323713"
    assert connection.sent[0] == (
        b"POST /topic/pk1/dev1/user/update HTTP/1.1\r\nHost: platform.example\r\n"
        b"Content-Type: application/octet-stream\r\npassword: old\r\nContent-Length: 7\r\n\r\n"
        b'{"t":1}'
    )


@each_client
def test_publish_without_token_authenticates_and_stores_it_once(client_of):
    connection = Connection(TOKEN, ACCEPTED, ACCEPTED)
    tokens = Tokens()
    client = client_of(connection, tokens)
    client.publish(TOPIC, b"x")
    client.publish(TOPIC, b"x")
    assert [sent.split(b" ")[1][:6] for sent in connection.sent] == [
        b"/auth",
        b"/topic",
        b"/topic",
    ]
    assert (tokens.token, tokens.writes) == ("fresh", 1)


@each_client
def test_publish_dead_token_sends_the_same_message_again(client_of):
    connection = Connection(EXPIRED, TOKEN, ACCEPTED)
    tokens = Tokens("old")
    client_of(connection, tokens).publish(TOPIC, b"the message")
    assert len(connection.sent) == 3
    assert connection.sent[0].replace(b": old", b": fresh") == connection.sent[2]
    assert tokens.writes == 1


@each_client
def test_publish_lasting_dead_token_is_a_token_error(client_of):
    connection = Connection(EXPIRED, TOKEN, EXPIRED)
    raised_by(TokenError, client_of(connection).publish, TOPIC, b"x")
    assert len(connection.sent) == 3


@each_client
def test_publish_authentication_refused_is_an_auth_error_without_secret(client_of):
    error = raised_by(AuthError, client_of(Connection(REFUSED), Tokens()).publish, TOPIC, b"x")
    assert "canary" not in str(error)


@each_client
def test_publish_token_that_flash_refuses_is_used_all_the_same(client_of):
    connection = Connection(TOKEN, ACCEPTED, ACCEPTED)
    client = client_of(connection, Tokens(fails=True))
    client.publish(TOPIC, b"x")
    client.publish(TOPIC, b"x")
    assert len(connection.sent) == 3


@each_client
def test_publish_kept_connection_is_used_again_and_probed_first(client_of):
    connection = Connection(ACCEPTED, ACCEPTED, ACCEPTED)
    client = client_of(connection)
    client.publish(TOPIC, b"x")
    client.publish(TOPIC, b"x")
    assert connection.connects == 1
    connection.dies_idle = True
    client.publish(TOPIC, b"x")
    assert connection.connects == 2


@each_client
def test_open_connects_once_and_publish_uses_it(client_of):
    connection = Connection(ACCEPTED)
    client = client_of(connection)
    client.open()
    client.open()
    client.publish(TOPIC, b"x")
    assert connection.connects == 1
    connection.dies_idle = True
    client.open()
    assert connection.connects == 2


@each_client
def test_publish_connection_that_the_peer_closes_is_closed(client_of):
    connection = Connection(CLOSING, ACCEPTED)
    client = client_of(connection)
    client.publish(TOPIC, b"x")
    assert not connection.connected
    client.publish(TOPIC, b"x")
    assert connection.connects == 2


@each_client
def test_publish_kept_connection_that_fails_is_replaced_once(client_of):
    connection = Connection(ACCEPTED, NetworkError("reset", 104), ACCEPTED)
    client = client_of(connection)
    client.publish(TOPIC, b"x")
    client.publish(TOPIC, b"the message")
    assert connection.connects == 2
    assert connection.sent[1] == connection.sent[2]


@each_client
def test_publish_fresh_connection_that_fails_is_the_callers_to_retry(client_of):
    for error in (NetworkError("reset", 104), DeadlineError("late")):
        connection = Connection(error)
        assert raised_by(type(error), client_of(connection).publish, TOPIC, b"x") is error
        assert connection.connects == 1
        assert not connection.connected


@each_client
def test_publish_anything_raised_closes_the_connection(client_of):
    for error in (MemoryError("no heap"), KeyboardInterrupt(), ValueError("a bug")):
        connection = Connection(error)
        raised_by(type(error), client_of(connection).publish, TOPIC, b"x")
        assert not connection.connected, error


@each_client
def test_publish_publish_error_waits_before_the_second_try(client_of):
    port = Port()
    connection = Connection(PUBLISH_ERROR, ACCEPTED)
    client_of(connection, port=port).publish(TOPIC, b"x")
    assert len(connection.sent) == 2
    assert port.now == 2000
    assert port.fed >= 4


@each_client
def test_publish_bodies_of_every_size_leave_whole(client_of):
    for size in (1, 1000, 1024, 1500, 2000, 5000, 131_072):
        data = bytes([i & 255 for i in range(size)])
        for payload in (data, bytearray(data), memoryview(data), Stream(data)):
            connection = Connection(ACCEPTED)
            client_of(connection).publish(TOPIC, payload)
            head, _, body = connection.sent[0].partition(b"\r\n\r\n")
            assert body == data, (size, type(payload))
            assert head.endswith(b"Content-Length: %d" % size)


@each_client
def test_publish_stream_is_sent_from_its_beginning_again(client_of):
    connection = Connection(EXPIRED, TOKEN, ACCEPTED)
    client_of(connection).publish(TOPIC, Stream(b"0123456789" * 500))
    assert connection.sent[2].endswith(b"\r\n\r\n" + b"0123456789" * 500)


@each_client
def test_publish_file_streams_it_and_sends_it_again_where_it_must(client_of):
    path = "test_client.tmp"
    data = bytes([i & 255 for i in range(131_072)])
    with open(path, "wb") as file:
        file.write(data)
    connection = Connection(EXPIRED, TOKEN, ACCEPTED)
    assert client_of(connection).publish_file(TOPIC, path) == "1207967842654323713"
    assert connection.sent[2].endswith(b"\r\n\r\n" + data)
    os.remove(path)


@each_client
def test_publish_file_that_is_not_there_sends_nothing(client_of):
    connection = Connection()
    raised_by(StorageError, client_of(connection).publish_file, TOPIC, "no such file")
    assert connection.connects == 0


@each_client
def test_publish_payload_outside_the_limits_sends_nothing(client_of):
    nan = float("nan")
    for payload in (
        b"",
        bytes(131_073),
        Stream(b""),
        Stream(bytes(131_073)),
        "",
        "x" * 131_073,
        None,
        5,
        {"a": nan},
        {"a": [1, -float("inf")]},
        [{"a": b"bytes"}],
        {"a": {1, 2}},
    ):
        connection = Connection()
        error = raised_by(ConfigError, client_of(connection).publish, TOPIC, payload)
        assert error.key == "payload"
        assert error.retry == "never"
        assert connection.connects == 0
        assert connection.sent == []


@each_client
def test_publish_bad_topic_sends_nothing(client_of):
    connection = Connection()
    raised_by(ConfigError, client_of(connection).publish, "/a b", b"x")
    assert connection.connects == 0


@each_client
def test_publish_steps_that_wait_are_taken_again_until_they_are_done(client_of):
    for is_ready in (True, False):
        connection = Connection(TOKEN, ACCEPTED, waits=3, is_ready=is_ready)
        assert client_of(connection, Tokens()).publish(TOPIC, b"x") == "1207967842654323713"
        assert connection.looks == 3 * 5  # connect, and twice write and read
        assert len(connection.sent) == 2


@each_client
def test_publish_reply_that_does_not_come_is_a_deadline_error_and_closes(client_of):
    port = Port()
    connection = Connection(waits=1_000_000, is_ready=False, port=port)
    error = raised_by(DeadlineError, client_of(connection, port=port).publish, TOPIC, b"x", 5000)
    assert "5" in str(error)
    assert 5000 <= port.now <= 5020
    assert not connection.connected


@each_client
def test_close_next_publish_opens_a_new_connection(client_of):
    connection = Connection(ACCEPTED, ACCEPTED)
    client = client_of(connection)
    client.close()
    client.publish(TOPIC, b"x")
    client.close()
    assert not connection.connected
    client.publish(TOPIC, b"x")
    assert connection.connects == 2


@each_client
def test_date_is_that_of_the_last_reply(client_of):
    date = b"Date: Sat, 18 Jul 2026 08:00:00 GMT\r\n"
    client = client_of(Connection(ACCEPTED.replace(b"200\r\n", b"200\r\n" + date)))
    assert client.date() is None
    client.publish(TOPIC, b"x")
    assert client.date() == "Sat, 18 Jul 2026 08:00:00 GMT"


@each_client
def test_publish_text_and_json_of_a_persons_own(client_of):
    for payload, body in (
        ("23 \u00b0C", b"23 \xc2\xb0C"),
        ({"door": True}, b'{"door": true}'),
        ([1, None, "x", {"a": 2.5}], b'[1, null, "x", {"a": 2.5}]'),
        ((1, 2), b"[1, 2]"),
    ):
        connection = Connection(ACCEPTED)
        client_of(connection).publish(TOPIC, payload)
        assert connection.sent[0].partition(b"\r\n\r\n")[2] == body


def test_with_closes_also_where_its_body_raises():
    connection = Connection(ACCEPTED, ACCEPTED)
    with Client(CONFIG, Port(), Tokens("old"), connection, Log()) as client:
        client.publish(TOPIC, b"x")
        assert connection.connected
    assert not connection.connected
    try:
        with client:
            client.publish(TOPIC, b"x")
            raise ValueError("the person's own")
    except ValueError:
        pass
    assert not connection.connected


@each_client
def test_publish_warns_of_little_memory_once_until_there_is_more(client_of):
    connection = Connection(CLOSING, CLOSING, CLOSING, CLOSING)
    log = Log()
    client = client_of(connection, log=log)
    for tight in ((40_000, 20_000), (40_000, 20_000), None, (40_000, None)):
        connection.tight = tight
        client.publish(TOPIC, b"x")
    assert log.warnings == [
        ("send", "little memory for TLS", "free", 40_000, "block", 20_000),
        ("send", "little memory for TLS", "free", 40_000, "block", None),
    ]
