"""Peers that mean no good, and a process that is killed: what the emulator's device port stands.

LINKPOST_IDLE=10000 and LINKPOST_KILLS=100 make two of the tests as hard as one likes.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import socket
import sys
import threading
import time
from pathlib import Path

import pytest
from emulator_client import (
    DEV1,
    TOPIC,
    RawClient,
    auth_fields,
    authenticate,
    client_context,
    encode_auth,
    encode_publish,
    exchange,
)
from emulator_process import EmulatorProcess

IDLE = int(os.environ.get("LINKPOST_IDLE", "120"))
KILLS = int(os.environ.get("LINKPOST_KILLS", "4"))
_linux = pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")


@pytest.fixture(scope="module")
def emulator():
    options = ["--max-connections", "40", "--request-timeout", "60", "--idle-timeout", "60"]
    with EmulatorProcess([DEV1], [*options, "--quiet"]) as process:
        yield process


@contextlib.contextmanager
def connections(emulator, count):
    """That many TCP connections, of which nothing is read."""
    with contextlib.ExitStack() as stack:
        opened = []
        for _ in range(count):
            peer = socket.create_connection(("127.0.0.1", emulator.port), timeout=30)
            opened.append(stack.enter_context(peer))
        yield opened


def wait_for(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def resident_bytes(emulator):
    text = Path(f"/proc/{emulator.process.pid}/status").read_text()
    return int(text.partition("VmRSS:")[2].split()[0]) * 1024


@_linux
def test_idle_connections_keep_no_device_out_and_cost_little(emulator):
    authenticate(emulator, DEV1)
    before, evicted = resident_bytes(emulator), emulator.totals()["evicted"]
    begin = time.monotonic()
    with connections(emulator, IDLE):
        wait_for(lambda: emulator.totals()["evicted"] >= evicted + IDLE - 40)
        assert authenticate(emulator, DEV1)
        grown = resident_bytes(emulator) - before
        print(f"{IDLE} idle: {time.monotonic() - begin:.1f} s, {grown / 1e6:.1f} MB more")
        assert grown < 40e6
    assert authenticate(emulator, DEV1)


def test_slow_requests_keep_no_device_out(emulator):
    """Slow loris: each says a little of a request now and then, and never ends it."""
    context = client_context(emulator)
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(RawClient(emulator, context)) for _ in range(60)]
        for number, client in enumerate(slow):
            with contextlib.suppress(OSError):  # the first ones are gone already
                client.send(b"POST /topic/x HTTP/1.1\r\n" if number % 2 else b"P")
        token = authenticate(emulator, DEV1)
        for client in slow:
            with contextlib.suppress(OSError):
                client.send(b"X")
        assert exchange(emulator, encode_publish(TOPIC, token)).code == 0


def test_request_that_is_being_answered_is_not_given_up_for_others(emulator):
    token = authenticate(emulator, DEV1)
    emulator.fault(endpoint="topic", kind="delay", ms=1500, times=1)
    with RawClient(emulator) as client:
        client.send(encode_publish(TOPIC, token, b"patience"))
        wait_for(lambda: not emulator.faults())
        with connections(emulator, 80):
            assert client.read_to_end().code == 0


@_linux
@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 1073741824\r\n",
        b"Content-Length: 131073\r\n",
        b"Content-Length: 18446744073709551616\r\n",
        b"Content-Length: " + b"9" * 5000 + b"\r\n",
        b"Transfer-Encoding: chunked\r\n",
    ],
)
def test_endless_body_is_answered_early_and_not_taken_in(emulator, head):
    token = authenticate(emulator, DEV1)
    before = resident_bytes(emulator)
    start = b"POST /topic" + TOPIC.encode() + b" HTTP/1.1\r\nHost: x\r\npassword: "
    start += token.encode() + b"\r\nContent-Type: application/octet-stream\r\n" + head + b"\r\n"
    piece = b"10000\r\n" + b"x" * 65536 + b"\r\n" if b"chunked" in head else b"x" * 65536
    sent = 0
    with RawClient(emulator) as client:
        client.send(start)
        with contextlib.suppress(OSError):
            while sent < 256 * 1024 * 1024:
                client.send(piece)
                sent += len(piece)
    assert sent < 64 * 1024 * 1024  # what kernel buffers and a moment's patience take
    assert resident_bytes(emulator) - before < 20e6
    assert authenticate(emulator, DEV1)


@pytest.mark.parametrize(
    "data",
    [
        b"POST /auth HTTP/1.1\r\n" + b"X: y\r\n" * 100_000,
        b"POST /auth HTTP/1.1\r\nX: " + b"y" * 1_000_000,
        b"POST /" + b"a" * 1_000_000,
        b"\r\n" * 200_000,
        b"POST /auth HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
         b"1;" + b"x" * 500_000,
        b"POST /auth HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
        + b"T: x\r\n" * 100_000,
    ],
)  # fmt: skip
def test_head_without_end_is_cut_off(emulator, data):
    with RawClient(emulator) as client, contextlib.suppress(OSError):
        client.send(data)
        reply = client.read_to_end()
        assert reply.raw == b"" or reply.status >= 400 or reply.code == 10001
    assert authenticate(emulator, DEV1)


def test_flood_of_pipelined_requests_is_answered_one_by_one(emulator):
    emulator.keep_alive(True)
    try:
        request = encode_auth(auth_fields(("pk1", "dev1", "wrong")))
        with RawClient(emulator) as client:
            client.send(request * 200)
            for _ in range(200):
                assert client.read_reply().code == 20000
    finally:
        emulator.keep_alive(False)


def test_killed_emulator_has_every_message_it_accepted():
    chooser = random.Random(1)
    with EmulatorProcess([DEV1], ["--quiet"]) as emulator:
        token = authenticate(emulator, DEV1)
        acknowledged: dict[int, str] = {}
        for life in range(KILLS):
            _publish_until_killed(emulator, token, life, chooser, acknowledged)
            emulator.start()
        kept = {message["id"]: message["text"] for message in emulator.messages()}
        print(f"{KILLS} kills, {len(acknowledged)} accepted, {len(kept)} kept")
        assert len(acknowledged) > KILLS
        assert acknowledged.items() <= kept.items()
        assert emulator.devices()["pk1/dev1"]["accepted"] == len(kept)


def _publish_until_killed(emulator, token, life, chooser, acknowledged):
    context = client_context(emulator)
    enough = threading.Event()

    def publish(worker):
        for number in itertools.count():
            text = f"{life}.{worker}.{number}"
            with contextlib.suppress(OSError, ValueError, IndexError):  # killed at any point
                message = encode_publish(TOPIC, token, text.encode())
                reply = exchange(emulator, message, context=context)
                if reply.code == 0:
                    acknowledged[reply.json["info"]["messageId"]] = text
                    enough.set()
                    continue
            return

    threads = [threading.Thread(target=publish, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    try:
        assert enough.wait(60)
        time.sleep(chooser.uniform(0, 0.3))  # killed anywhere in the exchange of one or another
    finally:
        emulator.kill()
        for thread in threads:
            thread.join(60)
