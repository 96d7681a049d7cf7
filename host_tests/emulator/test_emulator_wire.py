"""Framing, bounds and TLS: what a peer may do to the emulator, and what it gets for it."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import time

import pytest
from emulator_client import (
    DEV1,
    OTHER,
    TOPIC,
    RawClient,
    auth_fields,
    client_context,
    encode_auth,
    encode_publish,
    exchange,
    exchange_half_closed,
)
from emulator_process import EmulatorProcess

from tools.emulator.tls_stream import TLSStream

SIGNED = auth_fields(DEV1)


@pytest.fixture(scope="module")
def emulator():
    with EmulatorProcess([DEV1, OTHER], ["--request-timeout", "2"]) as process:
        yield process


def test_request_one_byte_per_record_is_accepted(emulator, token):
    request = encode_publish(TOPIC, token, b"slow")
    reply = exchange(emulator, *(bytes((byte,)) for byte in request))
    assert reply.code == 0
    assert emulator.messages()[-1]["text"] == "slow"


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\r\n\r\nnonsense\r\n\r\n",
        b"POST /auth HTTP/1.1\r\n\r\n",  # no Host
        b"POST /auth HTTP/1.1\r\nHost: x\r\nContent-Length: two\r\n\r\n",
        b"POST /auth HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST /auth HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 40_000 + b"\r\n\r\n",
        bytes(range(256)) * 4,
    ],
)
def test_bytes_that_are_not_http_get_a_4xx_and_a_close(emulator, request_bytes):
    reply = exchange(emulator, request_bytes)
    assert 400 <= reply.status < 500
    assert reply.body == b""


def cut(request: bytes, stated: bytes) -> bytes:
    return re.sub(rb"Content-Length: \d+", b"Content-Length: " + stated, request)


def test_content_length_below_the_body_fails_authentication(emulator):
    request = encode_auth(SIGNED)
    length = len(request.partition(b"\r\n\r\n")[2])
    assert exchange(emulator, cut(request, b"%d" % (length - 1))).code == 10001


@pytest.mark.parametrize("goodbye", [True, False])
def test_content_length_above_the_body_fails_authentication_at_the_end(emulator, goodbye):
    reply = exchange_half_closed(emulator, cut(encode_auth(SIGNED), b"500"), goodbye=goodbye)
    assert reply.code == 10001


def test_content_length_above_the_body_of_a_waiting_peer_times_out(emulator):
    begin = time.monotonic()
    reply = exchange(emulator, cut(encode_auth(SIGNED), b"500"))
    assert reply.status == 408
    assert time.monotonic() - begin < 15


def test_slow_head_is_bounded(emulator):
    begin = time.monotonic()
    with RawClient(emulator) as client:
        client.send(b"POST /auth HTTP/1.1\r\n")
        assert client.read_to_end().status == 408
    assert time.monotonic() - begin < 15


def test_silent_peer_in_the_handshake_is_dropped(emulator):
    failed = emulator.totals()["handshakes_failed"]
    with socket.create_connection(("127.0.0.1", emulator.port), timeout=15) as raw:
        assert raw.recv(1) == b""
    assert emulator.totals()["handshakes_failed"] == failed + 1


def test_peer_that_does_not_read_is_dropped():
    async def run():
        dropped = asyncio.Event()

        async def serve(reader, writer):
            writer.write(bytes(32 * 1024 * 1024))  # more than the system takes
            await TLSStream(reader, writer, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)).drop()
            dropped.set()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        with socket.create_connection(server.sockets[0].getsockname()):
            async with asyncio.timeout(20):
                await dropped.wait()
        server.close()

    asyncio.run(run())


def test_plain_http_on_the_tls_port_fails_cleanly(emulator):
    with socket.create_connection(("127.0.0.1", emulator.port), timeout=15) as raw:
        raw.sendall(b"POST /auth HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
        answer = raw.recv(1000)
    assert not answer.startswith(b"HTTP")
    assert exchange(emulator, encode_auth(SIGNED)).code == 0


def test_http_1_0_needs_a_content_length(emulator):
    request = encode_auth(SIGNED).replace(b"HTTP/1.1", b"HTTP/1.0", 1)
    assert exchange(emulator, request).code == 0
    without = re.sub(rb"Content-Length: \d+\r\n", b"", request)
    assert exchange(emulator, without).code == 10001


def test_http_1_1_without_any_length_is_refused(emulator, token):
    request = encode_publish(TOPIC, token)
    without = re.sub(rb"Content-Length: \d+\r\n", b"", request)
    assert exchange(emulator, without).code == 10001


def test_chunked_request_is_decoded_and_bounded(emulator, token):
    head, _, _ = encode_publish(TOPIC, token).partition(b"\r\n\r\n")
    head = re.sub(rb"Content-Length: \d+", b"Transfer-Encoding: chunked", head) + b"\r\n\r\n"
    assert exchange(emulator, head, b"3\r\nabc\r\n", b"2\r\nde\r\n0\r\n\r\n").code == 0
    assert emulator.messages()[-1]["text"] == "abcde"
    chunk = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
    assert exchange(emulator, head, *([chunk] * 5), b"0\r\n\r\n").code == 10001


def test_expect_100_continue_is_answered_before_the_body(emulator, token):
    request = encode_publish(TOPIC, token, b"later", expect=b"100-continue")
    head, _, body = request.partition(b"\r\n\r\n")
    with RawClient(emulator) as client:
        client.send(head + b"\r\n\r\n")
        assert client.tls.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(*(bytes((byte,)) for byte in body))
        reply = client.read_to_end()
    assert reply.code == 0
    assert b"100 Continue" not in reply.raw


def test_expect_100_continue_is_answered_once(emulator, token):
    request = encode_publish(TOPIC, token, b"", expect=b"100-continue")
    head = re.sub(rb"Content-Length: \d+", b"Transfer-Encoding: chunked", request)
    with RawClient(emulator) as client:
        client.send(head)
        assert client.tls.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(b"5", b"\r\nlater\r\n", b"0\r\n\r\n")
        assert client.read_to_end().raw.startswith(b"HTTP/1.1 200\r\n")


def test_connection_is_closed_after_each_reply_by_default(emulator, token):
    request = encode_publish(TOPIC, token, connection=b"Keep-Alive")
    with RawClient(emulator) as client:
        client.send(request, request)
        assert client.read_to_end().raw.count(b"HTTP/1.1") == 1


def test_connection_is_kept_where_chosen_unless_the_client_closes(emulator, token):
    emulator.keep_alive(True)
    try:
        with RawClient(emulator) as client:
            for part in (b"1", b"2"):
                client.send(encode_publish(TOPIC, token, part))
                reply = client.read_reply()
                assert (reply.code, reply.headers["Connection"]) == (0, "keep-alive")
            # Two at once, and then a wish to close.
            client.send(encode_publish(TOPIC, token) + encode_publish(TOPIC, token))
            client.send(encode_publish(TOPIC, token, connection=b"close"))
            assert client.read_to_end().raw.count(b'"code":0') == 3
    finally:
        emulator.keep_alive(False)


def test_kept_connection_with_bytes_after_the_body_is_ended(emulator, token):
    emulator.keep_alive(True)
    try:
        raw = exchange(emulator, encode_publish(TOPIC, token) + b"\0\0more\r\n\r\n").raw
    finally:
        emulator.keep_alive(False)
    assert raw.count(b"HTTP/1.1 200") == 1
    assert raw.count(b"HTTP/1.1 400") == 1


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_tls_1_1_is_refused(emulator):
    context = client_context(emulator)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError):
        RawClient(emulator, context)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_1_2_and_1_3_are_accepted(emulator, version):
    context = client_context(emulator, minimum_version=version, maximum_version=version)
    assert exchange(emulator, encode_auth(SIGNED), context=context).code == 0


def test_static_rsa_is_refused_where_it_was_not_chosen(emulator):
    context = client_context(emulator, maximum_version=ssl.TLSVersion.TLSv1_2)
    context.set_ciphers("AES128-SHA:AES256-SHA:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError):
        RawClient(emulator, context)
