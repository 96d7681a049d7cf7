"""The console's API: counters, messages, descriptions, and no secret."""

from __future__ import annotations

import base64
import json
import re
import sqlite3
import time
import urllib.request

import pytest
from emulator_client import (
    DEV1,
    OTHER,
    TOPIC,
    auth_fields,
    authenticate,
    encode_auth,
    encode_publish,
    exchange,
)


def test_counters_tell_what_each_device_did(emulator):
    before = emulator.devices()["pk1/dev1"]
    token = authenticate(emulator, DEV1)
    exchange(emulator, encode_publish(TOPIC, token))
    exchange(emulator, encode_publish("/pk1/dev2/x", token))
    exchange(emulator, encode_publish(TOPIC, "0" * 32))  # named by the topic
    exchange(emulator, encode_auth(auth_fields(("pk1", "dev1", "wrong"))))
    after = emulator.devices()["pk1/dev1"]

    def grown(*path):
        old, new = before, after
        for name in path:
            old = old.get(name, 0) if isinstance(old, dict) else old
            new = new[name]
        return new - (old or 0)

    assert grown("authentications") == 1
    assert grown("accepted") == 1
    assert (grown("requests", "auth"), grown("requests", "topic")) == (2, 3)
    assert [grown("refusals", code) for code in (30001, 20003, 20000)] == [1, 1, 1]
    assert after["online"]
    assert after["last_seen_ms"] >= (before["last_seen_ms"] or 0)


def test_messages_api_pages_filters_and_shows_bytes(emulator, token):
    ids = [
        exchange(emulator, encode_publish(TOPIC, token, payload)).json["info"]["messageId"]
        for payload in (b"a", b"\xff\x00", "é".encode())
    ]
    page = emulator.api("GET", "/api/messages", query={"after": ids[0], "device": "pk1/dev1"})
    assert [message["id"] for message in page] == ids[1:]
    assert [message["text"] for message in page] == [None, "é"]
    assert base64.b64decode(page[0]["payload_b64"]) == b"\xff\x00"
    assert set(page[0]) == {"id", "device", "topic", "time_ms", "payload_b64", "text"}
    assert abs(page[0]["time_ms"] - time.time_ns() // 1_000_000) < 60_000
    first = emulator.api("GET", "/api/messages", query={"limit": 1, "after": ids[0]})
    assert [message["id"] for message in first] == ids[1:2]
    assert emulator.api("GET", "/api/messages", query={"topic": "/none"}) == []
    with pytest.raises(AssertionError, match="404"):
        emulator.messages("pk1/none")


def test_device_that_is_deleted_is_gone_with_all_it_sent(emulator, token):
    new = {"product_key": "pk1", "device_name": "short-lived", "device_secret": "s" * 32}
    triple = tuple(new.values())
    topic = "/pk1/short-lived/user/update"
    for _ in range(2):  # and may be made anew
        emulator.api("POST", "/api/devices", new)
        assert emulator.devices()["pk1/short-lived"]["accepted"] == 0
        its = authenticate(emulator, triple)
        reading = json.dumps({"stream": "ab", "seq": 1, "value": 2.5}).encode()
        for _ in range(3):
            assert exchange(emulator, encode_publish(topic, its, reading)).code == 0
        emulator.fault(endpoint="topic", kind="code", code=40000, device="pk1/short-lived")
        exchange(emulator, encode_publish(TOPIC, token, b"another's"))
        emulator.api("DELETE", "/api/devices/pk1/short-lived")
        assert "pk1/short-lived" not in emulator.devices()
        assert emulator.faults() == []
        assert exchange(emulator, encode_publish(topic, its, reading)).code == 20003
        assert exchange(emulator, encode_auth(auth_fields(triple))).code == 20000
        assert not emulator.messages(topic=topic)
        assert emulator.messages("pk1/dev1")
        with pytest.raises(AssertionError, match="404"):
            emulator.api("DELETE", "/api/devices/pk1/short-lived")
    with sqlite3.connect(emulator.db) as db:
        for table in ("series", "stream", "token", "refusal"):
            orphans = (
                f"SELECT count(*) FROM {table} WHERE device_id NOT IN"  # noqa: S608
                " (SELECT id FROM device)"
            )
            assert db.execute(orphans).fetchone() == (0,), table
        (wires,) = db.execute(
            "SELECT count(*) FROM wire WHERE id NOT IN (SELECT id FROM message UNION"
            " SELECT id FROM authentication)"
        ).fetchone()
        assert wires == 0
    db.close()


def test_device_that_is_enabled_again_is_not_said_to_be_disabled(emulator):
    emulator.set_enabled("pk1/dev1", False)
    assert exchange(emulator, encode_auth(auth_fields(DEV1))).code == 20000
    emulator.set_enabled("pk1/dev1", True)
    with sqlite3.connect(emulator.db) as db:
        row = db.execute("SELECT last_code, last_reason FROM device WHERE device_name = 'dev1'")
        assert row.fetchone() == (None, None)
    db.close()
    # Another reason is not forgotten by that.
    assert exchange(emulator, encode_auth(auth_fields(("pk1", "dev1", "wrong")))).code == 20000
    emulator.set_enabled("pk1/dev1", True)
    with sqlite3.connect(emulator.db) as db:
        row = db.execute("SELECT last_code FROM device WHERE device_name = 'dev1'")
        assert row.fetchone() == (20000,)
    db.close()


def test_console_shows_page_and_api_description_from_here_alone(emulator):
    for path, text in (
        ("/", "linkpost emulator"),
        ("/openapi.json", "close_middle"),
        ("/docs", "swagger-ui-bundle.js"),
    ):
        with urllib.request.urlopen(emulator.console + path, timeout=30) as reply:  # noqa: S310
            content = reply.read().decode()
        assert text in content
        assert not re.search(r"""(?:src|href)=["'](?:https?:)?//""", content), path
    for script in re.findall(r'(?:src|href)="(/static[^"]+)"', content):
        with urllib.request.urlopen(emulator.console + script, timeout=30) as reply:  # noqa: S310
            assert reply.status == 200


def test_secrets_are_in_no_log_and_no_api(emulator, token):
    exchange(emulator, encode_publish(TOPIC + "?password=" + token, token))
    shown = emulator.log + emulator.output + json.dumps(emulator.api("GET", "/api/devices"))
    with urllib.request.urlopen(emulator.console, timeout=15) as reply:  # noqa: S310
        shown += reply.read().decode()
    assert "pk1/dev1" in shown
    for secret in (DEV1[2], OTHER[2], token):
        assert secret not in shown
