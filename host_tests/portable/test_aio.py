"""linkpost.aio's client among other tasks: they go on, take turns, are cancelled at every point.

What it does alone is in test_client.py, with the blocking client's tests.
"""

import asyncio

from fakes_client import (
    ACCEPTED,
    CLOSED,
    CONFIG,
    PUBLISH_ERROR,
    TOPIC,
    Connection,
    Log,
    Platform,
    Port,
    Tokens,
)
from linkpost.aio import Client
from linkpost.errors import ConfigError, LinkpostError, NetworkError


class _Client(Client):
    """Sleeping takes no time: it lets the others have one round, and is noted."""

    def __init__(self, connection, tokens=None, port=None):
        super().__init__(CONFIG, port or Port(), tokens or Tokens("old"), connection, Log())
        self.slept = []

    async def _sleep(self, ms):
        self.slept.append(ms)
        self.port.sleep_ms(ms)
        await asyncio.sleep(0)


async def _rounds(count):
    for _ in range(count):
        await asyncio.sleep(0)


async def _end_of(task):
    """Return what a task came to: its result, or what it raised."""
    try:
        return await task
    except (LinkpostError, asyncio.CancelledError) as error:
        return error


def test_publish_other_tasks_go_on_while_it_waits():
    async def run(is_ready):
        rounds = 0
        client = _Client(Connection(ACCEPTED, waits=50, is_ready=is_ready))
        task = asyncio.create_task(client.publish(TOPIC, b"x"))
        while not task.done():
            rounds += 1
            await asyncio.sleep(0)
        assert await task == "1207967842654323713"
        return rounds

    # Also where the socket has something each time: a peer that floods us keeps nobody waiting.
    for is_ready in (False, True):
        assert asyncio.run(run(is_ready)) >= 150, is_ready


def test_publish_other_tasks_go_on_where_the_peer_is_faster_than_we_are():
    async def run():
        rounds = 0
        client = _Client(Platform())

        async def publish_in_a_loop():
            for _ in range(50):
                await client.publish(TOPIC, b"x")

        task = asyncio.create_task(publish_in_a_loop())
        while not task.done():
            rounds += 1
            await asyncio.sleep(0)
        await task
        assert rounds >= 100

    asyncio.run(run())


def test_publish_sleeps_longer_and_longer_but_not_where_something_is_there():
    client = _Client(Connection(ACCEPTED, waits=6, is_ready=False))
    asyncio.run(client.publish(TOPIC, b"x"))
    # Between sending and receiving everybody has a turn, whatever comes of it.
    longer = [1, 3, 7, 15, 20, 20]
    assert client.slept == [0] + longer + [20] * 6 + [0] + longer
    client = _Client(Connection(ACCEPTED, waits=6, is_ready=True))
    asyncio.run(client.publish(TOPIC, b"x"))
    assert client.slept == [0] * 20


def test_publish_looks_after_the_watchdog_while_it_pauses_and_waits():
    port = Port()
    client = _Client(Connection(PUBLISH_ERROR, ACCEPTED), port=port)
    asyncio.run(client.publish(TOPIC, b"x"))
    assert port.now == 2000
    assert port.fed >= 100


def test_publish_tasks_at_once_take_turns_in_order():
    async def run():
        platform = Platform(waits=5)
        client = _Client(platform, Tokens())
        messages = [b"message %d" % i for i in range(6)]
        tasks = [asyncio.create_task(client.publish(TOPIC, message)) for message in messages]
        for task in tasks:
            assert await task == "1207967842654323713"
        assert platform.accepted == messages
        assert (platform.connects, platform.tokens_given) == (1, 1)

    asyncio.run(run())


def test_publish_one_that_fails_leaves_the_next_its_turn():
    async def run():
        connection = Connection(NetworkError("reset", 104), ACCEPTED, waits=2)
        client = _Client(connection)
        first = asyncio.create_task(client.publish(TOPIC, b"1"))
        second = asyncio.create_task(client.publish(TOPIC, b"2"))
        assert isinstance(await _end_of(first), NetworkError)
        assert await second == "1207967842654323713"
        assert connection.connects == 2

    asyncio.run(run())


def test_publish_deadline_counts_from_the_messages_turn():
    async def run():
        port = Port()
        # Each step takes 186 ms of the fake clock.
        platform = Platform(waits=12, is_ready=False)
        client = _Client(platform, port=port)
        tasks = [
            asyncio.create_task(client.publish(TOPIC, b"%d" % i, deadline_ms=2000))
            for i in range(9)
        ]
        for task in tasks:
            await task
        assert port.now > 2000
        assert len(platform.accepted) == 9

    asyncio.run(run())


def test_publish_cancelled_at_every_point_closes_and_loses_nothing():
    async def run(rounds):
        platform = Platform(waits=2)
        platform.tokens_given = 1  # so "old" is a dead token: the longest way there is
        tokens = Tokens("old")
        client = _Client(platform, tokens)
        task = asyncio.create_task(client.publish(TOPIC, b"first"))
        await _rounds(rounds)
        finished = task.done()
        task.cancel()
        end = await _end_of(task)
        if finished:
            assert end == "1207967842654323713"
        else:
            assert isinstance(end, asyncio.CancelledError), rounds
            assert not platform.connected, rounds
        given = platform.tokens_given
        assert tokens.token == ("old" if given == 1 else "token-%d" % given), rounds
        # A token that is known is used, not asked for again.
        assert await client.publish(TOPIC, b"second") == "1207967842654323713"
        assert platform.tokens_given == max(given, 2), rounds
        assert platform.accepted[-1] == b"second"
        assert platform.accepted.count(b"second") == 1
        return finished

    rounds = 0
    while not asyncio.run(run(rounds)):
        rounds += 1
    assert rounds > 12


def test_publish_cancelled_in_the_pause_before_a_retry_closes():
    async def run():
        connection = Connection(PUBLISH_ERROR, ACCEPTED)
        client = _Client(connection)
        task = asyncio.create_task(client.publish(TOPIC, b"x"))
        await _rounds(5)
        assert len(connection.sent) == 1
        task.cancel()
        assert isinstance(await _end_of(task), asyncio.CancelledError)
        assert not connection.connected
        assert await client.publish(TOPIC, b"x") == "1207967842654323713"

    asyncio.run(run())


def test_publish_cancelled_before_its_turn_leaves_the_connection_alone():
    async def run():
        platform = Platform(waits=10)
        client = _Client(platform, Tokens())
        first = asyncio.create_task(client.publish(TOPIC, b"1"))
        second = asyncio.create_task(client.publish(TOPIC, b"2"))
        third = asyncio.create_task(client.publish(TOPIC, b"3"))
        await _rounds(15)
        second.cancel()
        assert isinstance(await _end_of(second), asyncio.CancelledError)
        assert await first == await third == "1207967842654323713"
        assert platform.accepted == [b"1", b"3"]
        assert platform.connects == 1

    asyncio.run(run())


def test_publish_wait_for_that_runs_out_closes_and_the_next_works():
    async def run():
        connection = Connection(ACCEPTED, waits=1_000_000)
        client = _Client(connection)
        try:
            await asyncio.wait_for(client.publish(TOPIC, b"x"), 0.05)
        except asyncio.TimeoutError:  # noqa: UP041  MicroPython has no other name for it
            pass
        else:
            raise AssertionError("no TimeoutError")
        assert not connection.connected
        connection.wait_for_nothing()
        assert await client.publish(TOPIC, b"x") == "1207967842654323713"

    asyncio.run(run())


def test_publish_payload_outside_the_limits_is_refused_while_another_waits():
    async def run():
        platform = Platform(waits=10)
        client = _Client(platform)
        task = asyncio.create_task(client.publish(TOPIC, b"x"))
        await _rounds(3)
        assert isinstance(await _end_of(client.publish(TOPIC, b"")), ConfigError)
        assert not task.done()
        assert await task == "1207967842654323713"

    asyncio.run(run())


def test_open_cancelled_closes():
    async def run():
        platform = Platform(waits=10)
        client = _Client(platform)
        task = asyncio.create_task(client.open())
        await _rounds(4)
        assert platform.phase != CLOSED
        task.cancel()
        assert isinstance(await _end_of(task), asyncio.CancelledError)
        assert platform.phase == CLOSED

    asyncio.run(run())


def test_close_waits_for_the_publish_that_is_going_on():
    async def run():
        platform = Platform(waits=10)
        client = _Client(platform)
        task = asyncio.create_task(client.publish(TOPIC, b"x"))
        await _rounds(5)
        assert not task.done()
        await client.close()
        assert task.done()
        assert not platform.connected
        assert await task == "1207967842654323713"

    asyncio.run(run())


def test_async_with_closes_also_where_its_body_raises():
    async def run():
        connection = Connection(ACCEPTED, ACCEPTED)
        async with _Client(connection) as client:
            await client.publish(TOPIC, b"x")
            assert connection.connected
        assert not connection.connected
        try:
            async with client:
                await client.publish(TOPIC, b"x")
                raise ValueError("the person's own")
        except ValueError:
            pass
        assert not connection.connected

    asyncio.run(run())
