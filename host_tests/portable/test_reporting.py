"""`Client.report`: Wi-Fi, clock, and the reading, by fakes of both chips and of the connection."""

import asyncio
import json

from fakes_client import Connection, Log, Tokens, json_reply
from linkpost import aio
from linkpost.client import Client
from linkpost.config import Config
from linkpost.errors import ConfigError, DeadlineError, NetworkError, RejectedError
from test_link import BOTH, DATE, NOW, World

ACCEPTED = json_reply(b'{"code":0,"info":{"messageId":7}}')
DATED = json_reply(b'{"code":0}', b"Date: " + DATE.encode() + b"\r\n")
REFUSED = json_reply(b'{"code":10001}')


def _config(world, **more):
    values = {
        "endpoint": "platform.example",
        "product_key": "pk1",
        "device_name": "dev1",
        "device_secret": "canary-secret",
        "wifi": {"ssid": "lab", "password": "opensesame"},
        "ntp": [world.server.name],
    }
    values.update(more)
    return Config(values)


def _client(world, connection, **more):
    return Client(_config(world, **more), world.port, Tokens("token"), connection, Log())


def _payload(connection, number=-1):
    head, _, body = connection.sent[number].partition(b"\r\n\r\n")
    return head, json.loads(body)


def on_both(test, **options):
    for make_chip in BOTH:
        world = World(make_chip, **options)
        try:
            test(world)
        finally:
            world.server.close()


def _raised(kind, function, *arguments):
    try:
        function(*arguments)
    except kind as error:
        return error
    raise AssertionError("no %s" % kind.__name__)


def test_report_on_a_freshly_powered_board_joins_sets_the_clock_and_sends():
    def test(world):
        connection = Connection(ACCEPTED)
        assert not world.link.is_up
        assert _client(world, connection).report({"temperature": 21.5, "door": True}) == "7"
        head, payload = _payload(connection)
        assert head.startswith(b"POST /topic/pk1/dev1/user/update HTTP/1.1\r\n")
        time = payload.pop("time")
        assert NOW <= time <= NOW + 60_000
        assert payload == {"temperature": 21.5, "door": True}
        assert len(world.server.questions) == 1

    on_both(test)


def test_report_again_joins_and_asks_no_more():
    def test(world):
        client = _client(world, Connection(ACCEPTED, ACCEPTED))
        client.report({"n": 1})
        client.report({"n": 2})
        assert len(world.server.questions) == 1

    on_both(test)


def test_report_without_a_right_clock_has_no_time_until_a_reply_sets_it():
    def test(world):
        connection = Connection(DATED, ACCEPTED)
        client = _client(world, connection)
        client.report({"n": 1})
        assert _payload(connection)[1] == {"time": None, "n": 1}
        client.report({"n": 2})
        assert NOW <= _payload(connection)[1]["time"] <= NOW + 60_000

    on_both(test, answers=False)


def test_report_alink_has_a_random_id_and_goes_to_its_topic():
    def test(world):
        connection = Connection(ACCEPTED, ACCEPTED)
        client = _client(world, connection, format="alink")
        client.report({"n": 1, "on": True})
        client.report({"n": 2})
        head, payload = _payload(connection, 0)
        assert b"/topic/sys/pk1/dev1/thing/event/property/post " in head
        assert payload["params"]["n"]["value"] == 1 and payload["params"]["on"]["value"] == 1
        assert payload["id"].isdigit() and payload["id"] != _payload(connection)[1]["id"]

    on_both(test)


def test_report_that_is_refused_raises_and_stores_nothing():
    def test(world):
        client = _client(world, Connection(REFUSED, ACCEPTED))
        _raised(RejectedError, client.report, {"n": 1})
        assert client.report({"n": 2}) == "7"

    on_both(test)


def test_report_of_values_that_a_reading_cannot_carry_joins_nothing():
    def test(world):
        client = _client(world, Connection())
        nan = float("nan")
        for values in ({}, None, [1], {"": 1}, {"time": 1}, {1: 2}, {"a": None}, {"a": nan}):
            error = _raised(ConfigError, client.report, values)
            assert error.retry == "never", values
        assert not client.link.is_up

    on_both(test)


def test_report_longer_than_the_platform_takes_is_refused_here():
    def test(world):
        client = _client(world, Connection(ACCEPTED))
        assert _raised(ConfigError, client.report, {"text": "x" * 131_072}).retry == "never"
        assert client.report({"n": 2}) == "7"

    on_both(test)


def test_report_where_there_is_no_network_is_an_error_within_its_deadline():
    def test(world):
        client = _client(world, Connection())
        start = world.chip.now_ms
        error = _raised(NetworkError, client.report, {"n": 1}, 5_000)
        assert world.chip.now_ms - start <= 5_500
        assert isinstance(error, DeadlineError) or "lab" in str(error)

    on_both(test, points={})


def test_report_that_fails_twice_makes_the_link_anew():
    def test(world):
        down = NetworkError("reset", 104)
        connection = Connection(down, down, ACCEPTED)
        client = _client(world, connection)
        for _ in range(2):
            _raised(NetworkError, client.report, {"n": 1})
        assert not client.link.is_up
        assert client.report({"n": 1}) == "7"

    on_both(test)


def test_report_that_ends_at_its_deadline_twice_makes_the_link_anew():
    """The access point has gone, and the chip shows a link all the same."""

    def test(world):
        class Silent(Connection):
            def poll(self, want, ms):
                world.port.sleep_ms(ms)
                return False

        connection = Silent(ACCEPTED, waits=10_000)
        client = _client(world, connection)
        for _ in range(2):
            _raised(DeadlineError, client.report, {"n": 1}, 20_000)
        assert not client.link.is_up
        connection.wait_for_nothing()
        assert client.report({"n": 1}) == "7"

    on_both(test)


class _Asyncio(aio.Client):
    """Its sleeping takes no time of this machine's."""

    async def _sleep(self, ms):
        if ms:
            self.port.sleep_ms(ms)
        await asyncio.sleep(0)


def test_report_by_asyncio_joins_beside_other_tasks():
    def test(world):
        rounds = 0
        connection = Connection(ACCEPTED)
        client = _Asyncio(_config(world), world.port, Tokens("token"), connection, Log())

        async def run():
            nonlocal rounds
            task = asyncio.create_task(client.report({"n": 1}))
            while not task.done():
                rounds += 1
                await asyncio.sleep(0)
            return await task

        assert asyncio.run(run()) == "7"
        assert rounds > 10
        assert NOW <= _payload(connection)[1]["time"] <= NOW + 60_000

    on_both(test)
