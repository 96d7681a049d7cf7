"""Every kind of fault, as a raw client sees it."""

from __future__ import annotations

import socket
import ssl
import time

import pytest
from emulator_client import (
    DEV1,
    TOPIC,
    RawClient,
    Reply,
    auth_fields,
    authenticate,
    client_context,
    encode_auth,
    encode_publish,
    exchange,
    is_torn,
)
from emulator_process import EmulatorProcess

DEV2 = ("pk1", "dev2", "secret2")
AUTH = encode_auth(auth_fields(DEV1))


@pytest.fixture(scope="module")
def process():
    with EmulatorProcess([DEV1, DEV2]) as emulator:
        emulator.token = authenticate(emulator, DEV1)
        yield emulator


@pytest.fixture
def emulator(process):
    process.clear_faults()
    return process


@pytest.fixture
def publish(emulator):
    return encode_publish(TOPIC, emulator.token, b"reading")


class Accepted:
    """Tells whether the platform kept a message since this was made."""

    def __init__(self, emulator):
        self._emulator = emulator
        self._before = len(emulator.messages())

    def count(self) -> int:
        return len(self._emulator.messages()) - self._before


class Counting(RawClient):
    """Counts the TLS records and the pieces in which a reply arrives, on TLS in memory."""

    def __init__(self, emulator):
        self.raw = socket.create_connection(("127.0.0.1", emulator.port), timeout=20)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = client_context(emulator)
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")
        self.pieces: list[bytes] = []
        self.reads: list[bytes] = []

    def __exit__(self, *details):
        self.raw.close()

    def _run(self, step, *arguments):
        while True:
            try:
                return step(*arguments)
            except ssl.SSLWantReadError:
                self.raw.sendall(self.outgoing.read())
                piece = self.raw.recv(65536)
                self.pieces.append(piece)
                if piece:
                    self.incoming.write(piece)
                else:
                    self.incoming.write_eof()

    def shake_hands(self):
        self._run(self.tls.do_handshake)
        self.raw.sendall(self.outgoing.read())

    def exchange(self, request) -> Reply:
        self.pieces.clear()
        self.tls.write(request)
        try:
            while part := self._run(self.tls.read, 65536):
                self.reads.append(part)
        except ssl.SSLError as error:
            if not isinstance(error, ssl.SSLZeroReturnError) and not is_torn(error):
                raise
        return Reply(b"".join(self.reads))


@pytest.mark.parametrize(
    "code", [10000, 10001, 20000, 20001, 20002, 20003, 20004, 30001, 40000, 99999]
)
def test_code_is_answered_that_often_and_nothing_is_kept(emulator, publish, code):
    accepted = Accepted(emulator)
    refusals = emulator.devices()["pk1/dev1"]["refusals"].get(code, 0)
    emulator.fault(endpoint="topic", kind="code", code=code, times=2)
    codes = [exchange(emulator, publish).code for _ in range(3)]
    assert codes == [code, code, 0]
    assert accepted.count() == 1
    assert emulator.devices()["pk1/dev1"]["refusals"][code] == refusals + 2
    assert emulator.faults() == []


def test_code_on_auth_issues_no_token(emulator):
    before = emulator.devices()["pk1/dev1"]["authentications"]
    emulator.fault(endpoint="auth", kind="code", code=20004, times=1)
    reply = exchange(emulator, AUTH)
    assert reply.json == {"code": 20004, "message": "update session error"}
    assert emulator.devices()["pk1/dev1"]["authentications"] == before


def test_fault_meets_only_its_endpoint_and_device(emulator, publish):
    emulator.fault(endpoint="auth", kind="code", code=40000)
    assert exchange(emulator, publish).code == 0
    emulator.clear_faults()
    emulator.fault(endpoint="topic", device="pk1/dev2", kind="code", code=40000)
    assert exchange(emulator, publish).code == 0
    other = encode_publish("/pk1/dev2/x", authenticate(emulator, DEV2))
    assert [exchange(emulator, other).code for _ in range(3)] == [40000] * 3
    (fault,) = emulator.faults()
    assert (fault["hits"], fault["times"]) == (3, None)


def test_fault_without_endpoint_meets_both(emulator, publish):
    emulator.fault(kind="code", code=40000)
    assert exchange(emulator, publish).code == 40000
    assert exchange(emulator, AUTH).code == 40000


def test_faults_happen_in_the_order_they_were_set(emulator, publish):
    for code in (20001, 40000):
        emulator.fault(endpoint="topic", kind="code", code=code, times=1)
    assert [exchange(emulator, publish).code for _ in range(3)] == [20001, 40000, 0]


def test_fault_is_removed_by_its_id(emulator, publish):
    first = emulator.fault(endpoint="topic", kind="code", code=40000)
    emulator.fault(endpoint="topic", kind="code", code=10000)
    emulator.api("DELETE", f"/api/faults/{first['id']}")
    assert exchange(emulator, publish).code == 10000
    with pytest.raises(AssertionError, match="404"):
        emulator.api("DELETE", f"/api/faults/{first['id']}")


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "unheard"},
        {"kind": "code"},
        {"kind": "delay"},
        {"kind": "status"},
        {"kind": "stall", "code": 5},
        {"kind": "drip", "interval": 5},
        {"kind": "code", "code": 1, "times": 0},
        {"kind": "code", "code": 1, "endpoint": "both"},
        {"kind": "redirect", "location": "x\r\ny: z"},
    ],
)
def test_fault_that_says_nothing_is_refused(emulator, fault):
    with pytest.raises(AssertionError, match="422"):
        emulator.api("POST", "/api/faults", fault)
    with pytest.raises(AssertionError, match="404"):
        emulator.fault(kind="stall", device="pk1/none")
    assert emulator.faults() == []


def test_delay_answers_later(emulator, publish):
    accepted = Accepted(emulator)
    emulator.fault(endpoint="topic", kind="delay", ms=600, times=1)
    begin = time.monotonic()
    assert exchange(emulator, publish).code == 0
    assert time.monotonic() - begin >= 0.6
    assert accepted.count() == 1


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize(
    ("kind", "more", "received", "kept"),
    [
        ("close_before", {}, b"", 0),
        ("close_after", {}, b"", 1),
        ("close_middle", {"bytes": 12}, b"HTTP/1.1 200", 1),
        ("close_middle", {}, b"HTTP/1.1 200\r\nDate: ", 1),
    ],
)
def test_close_ends_the_connection_there(emulator, publish, kind, more, received, kept, reset):
    accepted = Accepted(emulator)
    emulator.fault(endpoint="topic", kind=kind, times=1, reset=reset, **more)
    reply = exchange(emulator, publish)
    # A reset may overtake what was sent before it.
    assert reply.raw == received or (reset and received.startswith(reply.raw))
    assert reply.ended == "cut"
    assert accepted.count() == kept
    assert exchange(emulator, publish).code == 0


@pytest.mark.parametrize("kind", ["close_before", "close_after", "close_middle"])
def test_close_with_reset_breaks_the_connection_in_tcp(emulator, publish, kind):
    emulator.fault(endpoint="topic", kind=kind, times=1)
    emulator.fault(endpoint="topic", kind=kind, times=1, reset=True)
    with Counting(emulator) as client:
        client.shake_hands()
        client.exchange(publish)
    with Counting(emulator) as client:
        client.shake_hands()
        with pytest.raises(ConnectionResetError):
            client.exchange(publish)


def test_drip_sends_each_byte_in_its_own_record(emulator, publish):
    emulator.fault(endpoint="topic", kind="drip", interval_ms=1, times=1)
    with Counting(emulator) as client:
        client.shake_hands()
        reply = client.exchange(publish)
    assert reply.code == 0
    assert {len(part) for part in client.reads} == {1}


def test_drip_record_sends_one_record_in_single_bytes(emulator, publish):
    emulator.fault(endpoint="topic", kind="drip_record", interval_ms=1, times=1)
    with Counting(emulator) as client:
        client.shake_hands()
        reply = client.exchange(publish)
    assert reply.code == 0
    assert client.reads == [reply.raw]  # nothing could be read before its last byte
    assert len(client.pieces) > len(reply.raw) / 4  # TCP may join a few


def test_drip_handshake_sends_the_handshake_in_single_bytes(emulator):
    emulator.fault(kind="drip_handshake", interval_ms=1, times=1)
    with Counting(emulator) as client:
        client.shake_hands()
        assert len(client.pieces) > sum(map(len, client.pieces)) / 4
        assert client.exchange(AUTH).code == 0
    with Counting(emulator) as client:
        client.shake_hands()
        assert len(client.pieces) < 10


def test_drip_to_a_peer_that_left_ends(emulator, publish):
    emulator.fault(endpoint="topic", kind="drip", interval_ms=1, times=1)
    with RawClient(emulator) as client:
        client.send(publish)
        assert client.tls.recv(1) == b"H"
    assert exchange(emulator, publish).code == 0


def test_stall_answers_nothing_until_the_peer_gives_up(emulator, publish):
    accepted = Accepted(emulator)
    emulator.fault(endpoint="topic", kind="stall", times=1)
    with RawClient(emulator) as client:
        client.send(publish)
        client.tls.settimeout(0.5)
        with pytest.raises(TimeoutError):
            client.tls.recv(1)
    assert accepted.count() == 0


def test_garbage_is_not_http(emulator, publish):
    accepted = Accepted(emulator)
    emulator.fault(endpoint="topic", kind="garbage", bytes=300, times=2)
    first, second = exchange(emulator, publish).raw, exchange(emulator, publish).raw
    assert len(first) == len(second) == 300
    assert first != second
    assert accepted.count() == 0


def test_chunked_reply_is_in_several_chunks(emulator, publish):
    emulator.fault(endpoint="topic", kind="chunked", times=1)
    reply = exchange(emulator, publish)
    assert reply.headers["Transfer-Encoding"] == "chunked"
    assert "Content-Length" not in reply.headers
    body, rest, count = b"", reply.body, 0
    while True:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size.partition(b";")[0], 16)
        if not length:
            break
        body, rest, count = body + rest[:length], rest[length + 2 :], count + 1
    assert count == 2
    assert b'"code":0' in body
    assert rest.endswith(b"\r\n\r\n")


def test_no_content_length_ends_with_the_connection(emulator, publish):
    emulator.keep_alive(True)
    try:
        emulator.fault(endpoint="topic", kind="no_content_length", times=1)
        reply = exchange(emulator, publish)
    finally:
        emulator.keep_alive(False)
    assert "Content-Length" not in reply.headers
    assert "Transfer-Encoding" not in reply.headers
    assert reply.headers["Connection"] == "close"
    assert reply.code == 0


def test_oversize_head_and_body_are_as_large_as_asked(emulator, publish):
    emulator.fault(endpoint="topic", kind="oversize_head", bytes=30_000, times=1)
    reply = exchange(emulator, publish)
    assert len(reply.raw) - len(reply.body) > 30_000
    assert reply.code == 0
    emulator.fault(endpoint="topic", kind="oversize_body", bytes=200_000, times=1)
    reply = exchange(emulator, publish)
    assert len(reply.body) == int(reply.headers["Content-Length"]) == 200_000
    assert reply.code == 0


def test_redirect_and_status_refuse_without_keeping(emulator, publish):
    accepted = Accepted(emulator)
    emulator.fault(endpoint="topic", kind="redirect", times=1)
    reply = exchange(emulator, publish)
    assert (reply.status, reply.headers["Location"]) == (302, "/topic" + TOPIC)
    emulator.fault(
        endpoint="topic", kind="redirect", status=307, location="https://localhost:1/x", times=1
    )
    reply = exchange(emulator, publish)
    assert (reply.status, reply.headers["Location"]) == (307, "https://localhost:1/x")
    for status in (500, 503, 404, 204):
        emulator.fault(endpoint="topic", kind="status", status=status, times=1)
        assert exchange(emulator, publish).status_line == b"HTTP/1.1 %d" % status
    assert accepted.count() == 0
