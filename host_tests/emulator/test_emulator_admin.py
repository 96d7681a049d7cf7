"""What a person at the console does: devices made and changed, and how a page learns of it."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import stat
import time

import httpx
import pytest
from emulator_client import DEV1, auth_fields, authenticate, encode_auth, encode_publish, exchange
from emulator_process import EmulatorProcess

from tools.emulator.changes import Changes
from tools.emulator.queries import Queries
from tools.emulator.store import Store
from tools.terminal.failures import CommandError


@pytest.fixture(scope="module")
def emulator():
    with EmulatorProcess([DEV1]) as process:
        yield process


def post_device(emulator, **fields):
    return httpx.post(f"{emulator.console}/api/devices", json=fields, trust_env=False, timeout=30)


def test_new_device_gets_a_secret_once_and_can_authenticate(emulator):
    made = post_device(emulator, product_key="a1New", device_name="kitchen-1").json()
    assert made["device"] == "a1New/kitchen-1"
    assert len(made["device_secret"]) == 32
    triple = (made["product_key"], made["device_name"], made["device_secret"])
    assert authenticate(emulator, triple)
    assert emulator.devices()["a1New/kitchen-1"]["state"] == "online"
    assert made["device_secret"] not in json.dumps(emulator.devices())
    assert made["device_secret"] not in emulator.log + emulator.output
    again = post_device(emulator, product_key="a1New", device_name="kitchen-1")
    assert again.status_code == 409
    assert authenticate(emulator, triple)  # its secret is the one it was given


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"product_key": "a1New", "device_name": "x"}, "device name"),
        ({"product_key": "a b", "device_name": "kitchen-2"}, "product key"),
        ({"product_key": "a1New", "device_name": "<b>kitchen"}, "device name"),
        ({"product_key": "a1New", "device_name": "kitchen-2", "device_secret": "é"}, "secret"),
    ],
)
def test_new_device_that_breaks_a_rule_is_refused_in_words(emulator, fields, words):
    reply = post_device(emulator, **fields)
    assert reply.status_code == 422
    assert words in reply.json()["detail"]


def test_device_view_says_why_it_was_refused_and_no_secret(emulator):
    exchange(emulator, encode_auth(auth_fields(("pk1", "dev1", "wrong-secret"))))
    view = emulator.devices()["pk1/dev1"]
    assert view["last_code"] == 20000
    assert "deviceSecret" in view["last_reason"]
    assert "secret1" not in view["last_reason"]
    authenticate(emulator, DEV1)
    view = emulator.devices()["pk1/dev1"]
    assert view["last_reason"] is None
    assert view["token_expires_ms"] - view["token_issued_ms"] == 7 * 86_400_000


def test_streams_are_told_by_the_api(emulator):
    token = authenticate(emulator, DEV1)
    for seq in (1, 2, 2, 5):
        payload = json.dumps({"stream": "9f2c41aa", "seq": seq}).encode()
        exchange(emulator, encode_publish("/pk1/dev1/user/update", token, payload))
    (stream,) = emulator.api("GET", "/api/devices/pk1/dev1/streams")
    del stream["last_ms"]
    assert stream == {
        "name": "9f2c41aa", "first": 1, "last": 5, "received": 3, "duplicates": 1, "missing": 2,
    }  # fmt: skip
    with pytest.raises(AssertionError, match="404"):
        emulator.api("GET", "/api/devices/pk1/nobody/streams")


def test_about_tells_where_to_connect_and_whom_to_trust(emulator):
    about = emulator.api("GET", "/api/about")
    assert about["platform"] == emulator.platform
    with open(emulator.ca) as file:
        assert about["ca"] == file.read()


def test_failure_of_the_console_is_in_the_log(emulator):
    os.rename(emulator.ca, emulator.ca + ".away")
    try:
        with pytest.raises(AssertionError, match="500"):
            emulator.api("GET", "/api/about")
    finally:
        os.rename(emulator.ca + ".away", emulator.ca)
    end = time.monotonic() + 30
    while "FileNotFoundError" not in emulator.log:  # written after the reply
        assert time.monotonic() < end
        time.sleep(0.02)


def test_changes_wake_whoever_waits_and_count_by_device():
    async def run():
        changes = Changes()
        seen = await changes.wait(-1, 0)  # the first look
        waiting = [asyncio.create_task(changes.wait(seen, 0)) for _ in range(3)]
        await asyncio.sleep(0)
        assert not any(task.done() for task in waiting)
        changes.touch("a/b")
        changes.touch()
        assert await asyncio.gather(*waiting) == [2, 2, 2]
        assert (changes.of_device("a/b"), changes.of_device("c/d")) == (1, 0)
        late = asyncio.create_task(changes.wait(2, 0))
        await asyncio.sleep(0)
        late.cancel()  # a page that was closed
        await asyncio.gather(late, return_exceptions=True)
        changes.touch()
        assert await changes.wait(2, 0) == 3

    asyncio.run(run())


# The tables of version 1, which kept accepted messages only.
_VERSION_1 = """
CREATE TABLE device (
    id INTEGER PRIMARY KEY, product_key TEXT NOT NULL, device_name TEXT NOT NULL,
    secret TEXT NOT NULL, enabled INTEGER NOT NULL DEFAULT 1, last_seen_ms INTEGER,
    auth_requests INTEGER NOT NULL DEFAULT 0, topic_requests INTEGER NOT NULL DEFAULT 0,
    authentications INTEGER NOT NULL DEFAULT 0, accepted INTEGER NOT NULL DEFAULT 0,
    UNIQUE (product_key, device_name)
);
CREATE TABLE refusal (
    device_id INTEGER NOT NULL REFERENCES device (id), code INTEGER NOT NULL,
    count INTEGER NOT NULL, PRIMARY KEY (device_id, code)
) WITHOUT ROWID;
CREATE TABLE token (
    hash BLOB PRIMARY KEY, device_id INTEGER NOT NULL REFERENCES device (id),
    expires_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX token_of_device ON token (device_id);
CREATE TABLE message (
    id INTEGER PRIMARY KEY, device_id INTEGER NOT NULL REFERENCES device (id),
    topic TEXT NOT NULL, time_ms INTEGER NOT NULL, payload BLOB NOT NULL
);
CREATE INDEX message_of_device ON message (device_id, id);
CREATE INDEX message_of_topic ON message (topic, id);
INSERT INTO device VALUES (1, 'pk1', 'dev1', 'secret1', 1, 5, 1, 2, 1, 2);
INSERT INTO refusal VALUES (1, 20000, 3);
INSERT INTO token VALUES (x'00', 1, 99);
INSERT INTO message VALUES (7, 1, '/pk1/dev1/x', 1000, x'6869'), (9, 1, '/y', 2000, x'');
PRAGMA user_version = 1;
"""


def make_database(path, script):
    db = sqlite3.connect(path)
    db.executescript(script)
    db.close()


def test_database_of_version_1_is_brought_up_to_this_one(tmp_path):
    path = tmp_path / "emulator.db"
    make_database(path, _VERSION_1)
    for _ in range(2):  # and opened again
        store = Store(path)
        queries = Queries(path)
        queries.check()
        row = queries.devices()[0]
        assert (row.device, row.accepted, row.refused) == ("pk1/dev1", 2, {20000: 3})
        found = queries.messages().rows
        assert [(m.id, m.topic, m.code, m.payload) for m in found] == [
            (9, "/y", 0, b""),
            (7, "/pk1/dev1/x", 0, b"hi"),
        ]
        assert store.next_id(0) >= 10
        queries.close()
        store.close()
    fresh = Store(tmp_path / "fresh.db")
    old = sqlite3.connect(path)
    objects = "SELECT type, name FROM sqlite_master ORDER BY 1, 2"
    assert old.execute(objects).fetchall() == fresh.db.execute(objects).fetchall()
    old.close()
    fresh.close()


def test_database_of_a_later_version_is_left_alone(tmp_path):
    path = tmp_path / "emulator.db"
    make_database(path, "PRAGMA user_version = 99;")
    with pytest.raises(CommandError, match="another version"):
        Store(path)


@pytest.mark.skipif(os.name != "posix", reason="file modes")
def test_database_that_was_open_to_others_is_closed_to_them(tmp_path):
    path = tmp_path / "emulator.db"
    path.touch(0o644)
    store = Store(path)
    with store.transaction():
        store.db.execute("DELETE FROM device")
    for file in tmp_path.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    store.close()
