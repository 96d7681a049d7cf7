"""The console's queries: what they find, that each uses an index, and that nothing waits."""

from __future__ import annotations

import json
import random
import threading

import pytest

from tools.client.devices_csv import Triple
from tools.emulator import queries as queries_module
from tools.emulator import rules, sql
from tools.emulator.platform import Platform, Policy
from tools.emulator.queries import Queries
from tools.emulator.request import Answer, Request
from tools.emulator.store import Store

NOW_MS = 1_800_000_000_000
MINUTE_MS = 60_000
KEYS = ("a1pk/sensor01", "a1pk/sensor02", "b2pk/sensor01")
TOPIC = "/a1pk/sensor01/user/update"


class World:
    """A platform with a clock, its store and its queries."""

    def __init__(self, folder):
        self.path = folder / "emulator.db"
        self.now_ms = NOW_MS
        self.store = Store(self.path)
        self.platform = Platform(self.store, Policy(), lambda: self.now_ms, lambda: 0.0)
        self.platform.start([Triple(*key.split("/"), f"secret of {i}") for i, key in
                             enumerate(KEYS)])  # fmt: skip
        self.queries = Queries(self.path)

    def ask(self, request, **more) -> Answer:
        return self.platform.answer(request, self.platform.identify(request), **more)

    def authenticate(self, number=0, **change):
        product_key, device_name = KEYS[number].split("/")
        fields = {"clientId": "c", "productKey": product_key, "deviceName": device_name}
        auth = rules.AuthFields(fields)
        fields["sign"] = _sign(auth, f"secret of {number}")
        body = json.dumps(fields | change).encode()
        return self.ask(Request("POST", "/auth", {"content-type": "application/json"}, body))

    def token(self, number=0):
        return self.authenticate(number).info["token"]

    def publish(self, token, payload, topic=TOPIC, **more):
        headers = {"content-type": "application/octet-stream", "password": token}
        return self.ask(Request("POST", f"/topic{topic}", headers, payload), **more)

    def close(self):
        self.queries.close()
        self.store.close()


def _sign(auth, secret):
    import hashlib
    import hmac

    content = rules.encode_content(auth.fields)
    return hmac.new(secret.encode(), content, hashlib.md5).hexdigest()


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    yield world
    world.close()


@pytest.fixture(autouse=True)
def _one_clock(monkeypatch, request):
    """`devices` asks the time; it gets the world's."""
    if "world" in request.fixturenames:
        world = request.getfixturevalue("world")
        monkeypatch.setattr(queries_module.time, "time_ns", lambda: world.now_ms * 1_000_000)


def test_device_state_follows_what_was_proven(world):
    def states():
        return [row.state for row in world.queries.devices()]

    assert states() == ["inactive"] * 3
    world.authenticate(0, sign="00")  # claims to be it, and is not
    assert states()[0] == "inactive"
    token = world.token(0)
    assert states()[0] == "online"
    world.now_ms += 5 * MINUTE_MS
    assert states()[0] == "offline"
    world.publish("0" * 32, b"not it")
    assert states()[0] == "offline"
    assert world.queries.devices(KEYS[0])[0].last_seen_ms == world.now_ms
    world.publish(token, b"it")
    assert states()[0] == "online"
    with world.store.transaction():
        world.store.set_enabled(world.store.find_device(*KEYS[0].split("/")), False)
    assert states() == ["disabled", "inactive", "inactive"]


def test_device_row_tells_counts_token_and_the_last_reason(world):
    token = world.token()
    world.publish(token, b"1")
    world.now_ms += 1000
    world.publish(token, b"2", "/a1pk/sensor02/x")
    row = world.queries.devices(KEYS[0])[0]
    assert (row.accepted, row.refused, row.topic_requests, row.auth_requests) == (
        1, {30001: 1}, 2, 1,
    )  # fmt: skip
    assert row.last_code == 30001
    assert "/a1pk/sensor02/x" in row.last_reason
    assert (row.token_issued_ms, row.token_expires_ms) == (NOW_MS, NOW_MS + 7 * 86_400_000)
    world.publish(token, b"3")
    assert world.queries.devices(KEYS[0])[0].last_reason is None
    world.now_ms += 8 * 86_400_000
    assert world.queries.devices(KEYS[0])[0].token_issued_ms is None
    assert world.queries.devices("a1pk/none") == []


def test_messages_filter_by_device_topic_code_and_text_and_page(world):
    tokens = [world.token(number) for number in range(3)]
    sent = []
    for number in range(60):
        key = KEYS[number % 3]
        topic = f"/{key}/user/{'update' if number % 2 else 'other'}"
        topic = topic if number % 5 else "/a1pk/nobody/x"
        payload = json.dumps({"n": number, "Word": f"w{number % 7}"}).encode()
        answer = world.publish(tokens[number % 3], payload, topic)
        sent.append((answer.info["messageId"], key, topic, answer.code, payload))
    chooser = random.Random(5)
    for _ in range(60):
        wanted = {
            "device": chooser.choice((None, *KEYS, "a1pk/none")),
            "topic": chooser.choice((None, sent[1][2], sent[2][2], "/none")),
            "code": chooser.choice((None, 0, 30001, 20001)),
            "text": chooser.choice((None, "w3", "WORD", '"n": 1', "%", "_", "none")),
        }
        expected = [
            message_id
            for message_id, key, topic, code, payload in reversed(sent)
            if wanted["device"] in (None, key)
            and wanted["topic"] in (None, topic)
            and wanted["code"] in (None, code)
            and (wanted["text"] or "").lower() in payload.decode().lower()
        ]
        found, before = [], None
        while True:
            page = world.queries.messages(**wanted, before=before, limit=7)
            found += [row.id for row in page.rows]
            assert len(page.rows) <= 7
            if page.before is None:
                break
            before = page.before
        assert found == expected, wanted


def test_message_of_an_unknown_device_is_shown_with_its_reason(world):
    world.publish("0" * 32, b"who", "/a1pk/nobody/x")
    row = world.queries.messages().rows[0]
    assert (row.device, row.code) == (None, 20003)
    assert "32 characters" in row.reason


def test_list_shows_the_beginning_of_a_payload_and_one_message_all(world):
    token = world.token()
    world.publish(token, b"x" * 5000)
    world.publish(token, b"")
    empty, row = world.queries.messages().rows
    assert (row.size, row.payload) == (5000, b"x" * queries_module.PREVIEW_BYTES)
    assert (empty.size, empty.payload) == (0, b"")
    assert world.queries.message(row.id).payload == b"x" * 5000
    assert world.queries.message(1) is None


def test_topics_are_listed_once_each(world):
    token = world.token()
    for topic in ("/b", "/a", "/b", "/c", "/a"):
        world.publish(token, b"x", topic)
    assert world.queries.topics() == ["/a", "/b", "/c"]
    assert world.queries.topics(limit=2) == ["/a", "/b"]


def test_authentications_tell_who_claimed_what_and_why_it_failed(world):
    world.token()
    world.authenticate(0, sign="0" * 32)
    world.authenticate(0, deviceName="nobody")
    rows = world.queries.authentications()
    assert [row.code for row in rows] == [20000, 20000, 0]
    assert [row.device for row in rows] == [None, KEYS[0], KEYS[0]]
    assert rows[0].claimed == "a1pk/nobody"
    assert "deviceName" in rows[0].reason
    assert "deviceSecret" in rows[1].reason
    assert [row.id for row in world.queries.authentications(device=KEYS[0], code=20000)] == [
        rows[1].id
    ]
    assert world.queries.authentications(before=rows[-1].id) == []


def test_series_is_thinned_and_keeps_its_spikes(world):
    token = world.token()
    for begin in range(0, 30_000, 1000):
        batch = [
            {"time": NOW_MS + 1000 * n, "t": 500 if n == 12_345 else n % 10, "u": -n}
            for n in range(begin, begin + 1000)
        ]
        world.publish(token, json.dumps(batch).encode())
    by_name = {series.name: series for series in world.queries.series(KEYS[0], points=2000)}
    assert sorted(by_name) == ["t", "u"]
    t = by_name["t"]
    assert t.total == 30_000
    assert 900 <= len(t.points) <= 1000
    assert (NOW_MS + 12_345_000, 500.0) in t.points
    times = [time_ms for time_ms, _ in t.points]
    assert times == sorted(times)
    assert by_name["u"].points[0] == (NOW_MS, 0.0)
    late = world.queries.series(KEYS[0], since_ms=NOW_MS + 29_900_000)
    assert [len(series.points) for series in late] == [100, 100]
    assert world.queries.series(KEYS[0], since_ms=NOW_MS + 10**9) == []
    assert world.queries.series(KEYS[1]) == []


def test_wire_shows_request_and_reply_without_secrets(world):
    head = (
        b"POST /auth HTTP/1.1\r\nHost: x\r\nPassword: " + b"a1" * 16 + b"\r\nCookie: abc\r\n\r\n"
    )
    good = world.authenticate()
    token = good.info["token"]
    body = json.dumps(
        {"clientId": "c", "productKey": "a1pk", "deviceName": "sensor01", "sign": "F" * 32}
    ).encode()
    request = Request("POST", "/auth", {"content-type": "application/json"}, body, head)
    world.ask(request, encode=lambda answer: b"HTTP/1.1 200\r\n\r\n{...}")
    wire = world.queries.wire(world.queries.authentications()[0].id)
    assert wire.reply == b"HTTP/1.1 200\r\n\r\n{...}"
    assert b"Password: " + b"*" * 32 + b"\r\nCookie: ***\r\n\r\n" in wire.request
    assert b'"sign": "' + b"*" * 32 + b'"' in wire.request
    content = b"".join(path.read_bytes() for path in world.path.parent.iterdir())
    for secret in (token.encode(), b"F" * 32, b"a1" * 16):
        assert secret not in content


# Each query of the page, as it is asked.
PLANS = [
    (sql.DEVICES, (0,)),
    (sql.DEVICES + sql.IS_DEVICE, (0, "p", "d")),
    (sql.REFUSALS, ()),
    (sql.STREAMS, ("p", "d", 10)),
    (sql.TOPICS, (10,)),
    (sql.MESSAGE, (10, 1)),
    (sql.WIRE, (1,)),
    (sql.SERIES, ("p", "d")),
    (sql.SERIES_SPAN, (1, 0)),
    (sql.POINTS, (1, 0)),
    (sql.THINNED, {"id": 1, "since": 0, "width": 10}),
]
# The index that has to serve a page, by what it is filtered with.
PAGES = []
for _device in (None, "p/d"):
    for _code in (None, 0):
        _index = {
            (False, False): "authentication USING INTEGER PRIMARY KEY",
            (True, False): "authentication_by_device",
            (True, True): "authentication_by_device_code",
        }.get((_device is not None, _code is not None))
        _query, _values = sql.authentication_query(_device, _code, 5)
        if _index:  # the page asks for a code of one device only
            PAGES.append((_query, (*_values, 10), _index))
        for _topic in (None, "/t"):
            _index = "message USING INTEGER PRIMARY KEY"
            if _device is not None:
                _index = "message_by_device_code" if _code is not None else "message_by_device"
            elif _topic is not None:
                _index = "message_by_topic"
            elif _code is not None:
                _index = "message_by_code"
            for _text in (None, "x"):
                _query, _values = sql.message_query(_device, _topic, _code, _text, 5)
                PAGES.append((_query, (10, *_values, 10), _index))
            _query, _values = sql.message_query(_device, _topic, _code, None, None, after=5)
            PAGES.append((_query, (10, *_values, 10), _index))


def _plan(world, query, values):
    return [row[3] for row in world.queries.db.execute("EXPLAIN QUERY PLAN " + query, values)]


@pytest.mark.parametrize(("query", "values"), PLANS)
def test_query_searches_what_can_be_long(world, query, values):
    plan = _plan(world, query, values)
    for step in plan:
        # Devices are few and all wanted; the other steps are over what one before them gave.
        few = ("SCAN device", "SCAN now", "SCAN known", "SCAN CONSTANT", "SCAN 2 CON", "SCAN (sub")
        assert not step.startswith("SCAN") or step.startswith(few), plan
        if "ORDER BY" in step:
            assert query in (sql.STREAMS, sql.THINNED), plan


@pytest.mark.parametrize(("query", "values", "index"), PAGES)
def test_page_is_read_in_the_order_of_its_index(world, query, values, index):
    plan = _plan(world, query, values)
    assert any(f"{index} (" in step and "SEARCH" in step for step in plan), plan
    assert not any("ORDER BY" in step or step.startswith("SCAN") for step in plan), plan


def test_queries_from_many_threads_while_the_platform_writes(world):
    token = world.token()
    errors = []
    stop = threading.Event()

    def read():
        try:
            while not stop.is_set():
                page = world.queries.messages(device=KEYS[0], text="x")
                ids = [row.id for row in page.rows]
                assert ids == sorted(ids, reverse=True)
                world.queries.devices()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(150):
        assert world.publish(token, b"x").code == 0
    stop.set()
    for thread in threads:
        thread.join(60)
    assert errors == []


def test_queries_cannot_write(world):
    import sqlite3

    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        world.queries.db.execute("DELETE FROM message")
