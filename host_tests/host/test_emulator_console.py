"""The console's API: counters, messages, descriptions, and no secret."""

from __future__ import annotations

import base64
import json
import re
import time
import urllib.request

import pytest
from emulator_client import (
    auth_fields,
    authenticate,
    encode_auth,
    encode_publish,
    exchange,
)
from emulator_process import EmulatorProcess

DEV1 = ("pk1", "dev1", "secret1")  # the device of PROTOCOL.md's SDK requests
OTHER = ("a1B2c3D4e5F", "other.device@1:x-y", "0123456789abcdef0123456789abcdef")
TOPIC = "/pk1/dev1/user/update"


@pytest.fixture(scope="module")
def emulator():
    with EmulatorProcess([DEV1, OTHER]) as process:
        yield process


@pytest.fixture
def token(emulator):
    return authenticate(emulator, DEV1)


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
