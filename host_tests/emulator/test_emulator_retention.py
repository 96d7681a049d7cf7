"""What is forgotten, in which steps, and what stays right; and what is exported."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import time

import httpx
import pytest
from emulator_client import authenticate, encode_publish, exchange
from emulator_process import EmulatorProcess

from tools import cli
from tools.client.devices_csv import Triple
from tools.emulator.platform import Platform, Policy
from tools.emulator.queries import Queries
from tools.emulator.request import Request
from tools.emulator.retention import Keep, Retention
from tools.emulator.store import Store

NOW_MS = 1_800_000_000_000
DAY_MS = 86_400_000
TOPIC = "/a1pk/sensor01/user/update"
KEY = "a1pk/sensor01"


class World:
    def __init__(self, folder):
        self.now_ms = NOW_MS
        self.path = folder / "emulator.db"
        self.store = Store(self.path)
        self.platform = Platform(self.store, Policy(), lambda: self.now_ms)
        self.platform.start([Triple("a1pk", "sensor01", "secret01")])
        self.queries = Queries(self.path)
        with self.store.transaction():
            device = self.store.find_device("a1pk", "sensor01")
            self.token = self.store.issue_token(
                device, NOW_MS, NOW_MS + 365 * DAY_MS, void_others=False
            )

    def publish(self, payload, topic=TOPIC):
        headers = {"content-type": "application/octet-stream", "password": self.token}
        request = Request("POST", f"/topic{topic}", headers, payload)
        return self.platform.answer(request, self.platform.identify(request))

    def tidy(self, keep):
        return asyncio.run(Retention(self.store, self.queries, keep).tidy(self.now_ms))

    def count(self, table):
        return self.store.db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608

    def close(self):
        self.queries.close()
        self.store.close()


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    yield world
    world.close()


def reading(seq, **more):
    return json.dumps({"stream": "s", "seq": seq, **more}).encode()


def test_messages_beyond_the_number_go_oldest_first_and_counters_stay(world):
    for seq in range(1, 301):
        world.now_ms += 1000
        world.publish(reading(seq, time=world.now_ms, t=seq))
    before = world.queries.devices(KEY)[0]
    assert world.tidy(Keep(messages=120)) == 180
    left = world.queries.messages(limit=1000).rows
    assert [json.loads(row.payload)["seq"] for row in left] == list(range(300, 180, -1))
    assert world.count("wire") == 120
    assert world.queries.devices(KEY)[0] == before
    assert (before.accepted, before.missing) == (300, 0)
    points = world.queries.series(KEY)[0].points
    assert [value for _, value in points] == [float(seq) for seq in range(181, 301)]
    world.publish(reading(300))  # still known to be a duplicate
    assert world.queries.devices(KEY)[0].duplicates == 1
    assert world.tidy(Keep(messages=121)) == 0


def test_messages_beyond_the_age_go(world):
    for day in range(10):
        world.now_ms = NOW_MS + day * DAY_MS
        world.publish(b"%d" % day)
    assert world.tidy(Keep(messages=None, days=3.5)) == 6
    assert [row.payload for row in world.queries.messages().rows] == [b"9", b"8", b"7", b"6"]
    assert world.tidy(Keep(messages=None, days=None)) == 0


def test_authentications_are_forgotten_too(world):
    for _ in range(130):
        request = Request("POST", "/auth", {"content-type": "application/json"}, b"{}")
        world.platform.answer(request, None)
    world.tidy(Keep(messages=20))
    assert world.count("authentication") == 20
    assert world.count("wire") == 20


def test_id_stays_above_every_earlier_one_where_all_is_forgotten(world):
    last = world.publish(b"1").info["messageId"]
    world.now_ms += 10 * DAY_MS
    assert world.tidy(Keep(days=1)) == 1
    assert world.publish(b"2").info["messageId"] > last


def test_platform_answers_between_the_steps(world):
    payload = b"x" * 20_000
    for _ in range(300):
        world.publish(payload)

    async def run():
        retention = Retention(world.store, world.queries, Keep(messages=0))
        tidying = asyncio.create_task(retention.tidy(world.now_ms))
        answered = 0
        while not tidying.done():
            if world.count("message"):
                assert world.publish(b"in between").code == 0
                answered += 1
            await asyncio.sleep(0)
        assert await tidying >= 300
        return answered

    assert asyncio.run(run()) >= 3  # 300 in steps of 50


def test_running_emulator_forgets_and_tells_the_page(tmp_path):
    with EmulatorProcess(options=["--keep-messages", "10", "--quiet"]) as emulator:
        token = authenticate(emulator, emulator.devices_given[0])
        key = f"{emulator.devices_given[0][0]}/{emulator.devices_given[0][1]}"
        for number in range(25):
            exchange(emulator, encode_publish(f"/{key}/user/update", token, b"%d" % number))
        end = time.monotonic() + 60
        while len(emulator.messages()) > 10:
            assert time.monotonic() < end
            time.sleep(0.1)
        assert [m["text"] for m in emulator.messages()] == [str(n) for n in range(15, 25)]
        assert emulator.devices()[key]["accepted"] == 25


@pytest.fixture(scope="module")
def filled():
    """An emulator with messages of every kind, refused ones among them."""
    with EmulatorProcess([("a1pk", "sensor01", "secret01"), ("-2x", "@cmd", "secret02")]) as e:
        token = authenticate(e, ("a1pk", "sensor01", "secret01"))
        for payload in (
            b'{"seq":1}', b"=1+1", b"-5.5", b"+cmd|x", b"@sum", b"\ttab", b"\rcr",
            b"two\r\nlines, \"quoted\"", b"\xff\x00", b"nul\0", "é".encode(), b"",
        ):  # fmt: skip
            exchange(e, encode_publish(TOPIC, token, payload))
        exchange(e, encode_publish("/a1pk/nobody/x", token, b"refused"))
        exchange(e, encode_publish(TOPIC, "0" * 32, b"nor this"))
        other = authenticate(e, ("-2x", "@cmd", "secret02"))
        exchange(e, encode_publish("/-2x/@cmd/x", other, b"other"))
        e.token = token
        yield e


def get(emulator, **query):
    headers = query.pop("headers", {})
    url = f"{emulator.console}/api/messages"
    reply = httpx.get(url, params=query, headers=headers, trust_env=False, timeout=30)
    assert reply.is_success, reply.text
    return reply


def run_export(emulator, capsysbinary, *arguments):
    with pytest.raises(SystemExit) as ended:
        cli.main(["emulator", "export", "--db", emulator.db, *arguments])
    assert ended.value.code == 0
    return capsysbinary.readouterr().out.decode()


def test_ndjson_is_the_same_as_the_api_tells(filled):
    lines = [json.loads(line) for line in get(filled, format="ndjson").text.splitlines()]
    told = filled.messages()
    assert len(lines) == len(told) == 13
    for line, message in zip(lines, told, strict=True):
        for name in ("id", "device", "topic", "time_ms", "text", "payload_b64"):
            assert line[name] == message[name]
        assert (line["code"], line["reason"]) == (0, None)


def test_csv_has_no_cell_that_a_spreadsheet_would_run(filled):
    reply = get(filled, headers={"Accept": "text/csv"})
    assert reply.headers["content-type"] == "text/csv; charset=utf-8"
    assert "messages.csv" in reply.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(reply.text, newline="")))
    assert [row["text"] for row in rows] == [
        '{"seq":1}', "'=1+1", "-5.5", "'+cmd|x", "'@sum", "'\ttab", "'\rcr",
        'two\r\nlines, "quoted"', "", "nul", "é", "", "other",
    ]  # fmt: skip
    assert rows[-1]["device"] == "'-2x/@cmd"
    for row in rows:
        for name in ("device", "topic", "text", "reason"):
            assert row[name][:1] not in ("=", "+", "@", "\t", "\r"), row
    ids = [int(row["id"]) for row in rows]
    assert ids == [message["id"] for message in filled.messages()]


def test_export_filters_and_says_why_something_was_refused(filled, capsysbinary):
    both = get(filled, format="ndjson", refused=True, device="a1pk/sensor01").text
    lines = [json.loads(line) for line in both.splitlines()]
    assert [line["code"] for line in lines] == [0] * 12 + [30001, 20003]
    assert "may not publish" in lines[12]["reason"]
    arguments = ("--refused", "--device", "a1pk/sensor01")
    assert run_export(filled, capsysbinary, *arguments) == both
    after = str(lines[-3]["id"])
    told = run_export(filled, capsysbinary, "--after", after, *arguments)
    assert [json.loads(line)["code"] for line in told.splitlines()] == [30001, 20003]
    limited = get(filled, format="ndjson", limit=2).text.splitlines()
    assert [json.loads(line)["text"] for line in limited] == ['{"seq":1}', "=1+1"]


def test_export_to_a_file_while_the_emulator_runs(filled, capsysbinary, tmp_path):
    path = tmp_path / "messages.csv"
    assert run_export(filled, capsysbinary, "--format", "csv", "--out", str(path)) == ""
    assert path.read_bytes() == get(filled, format="csv").content
    assert list(tmp_path.iterdir()) == [path]


def test_export_holds_no_secret(filled, capsysbinary):
    text = run_export(filled, capsysbinary, "--refused")
    for secret in ("secret01", "secret02", filled.token):
        assert secret not in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--db", "none.db"], "no database"),
        (["--device", "a1pk/nobody"], "no device"),
        (["--out", "no/such/folder/x"], "No such file"),
    ],
)
def test_export_that_cannot_be_done_is_one_line(filled, arguments, words, capsys):
    arguments = arguments if "--db" in arguments else ["--db", filled.db, *arguments]
    with pytest.raises(SystemExit) as ended:
        cli.main(["emulator", "export", *arguments])
    errors = capsys.readouterr().err
    assert ended.value.code == 2
    assert words in errors
    assert len(errors.splitlines()) == 1


def test_export_of_another_file_says_so(tmp_path, capsys):
    path = tmp_path / "other.db"
    path.write_bytes(b"not a database, but long enough to be read as one" * 100)
    with pytest.raises(SystemExit) as ended:
        cli.main(["emulator", "export", "--db", str(path)])
    assert ended.value.code == 2
    assert "cannot be read" in capsys.readouterr().err
