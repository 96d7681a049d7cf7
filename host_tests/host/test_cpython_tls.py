"""CPython's stand-in for `tls`: what the transport's own tests on both runtimes do not reach."""

import select
import socket

import pytest
import tls
from tls_server import Authority, Connection, Peer, answer_once, close_in_handshake, reply


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


def connected(port: int, anchor: bytes | None) -> tls.SSLSocket:
    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    if anchor:
        context.load_verify_locations(anchor)
    raw = socket.create_connection(("127.0.0.1", port))
    raw.setblocking(False)
    return context.wrap_socket(raw, server_hostname="localhost", do_handshake_on_connect=False)


def until_not_none(sock: tls.SSLSocket, call, *arguments):
    """Call again, each time something has come, until it gives more than None."""
    while (result := call(*arguments)) is None:
        assert select.select([sock._raw], [], [], 10)[0]
    return result


def test_context_requires_certificates_unless_told_otherwise():
    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    assert context.verify_mode == tls.CERT_REQUIRED
    with pytest.raises(ValueError, match="CERT_REQUIRED requires server_hostname"):
        context.wrap_socket(socket.socket(), do_handshake_on_connect=False)


@pytest.mark.parametrize("data", [b"", b"garbage", b"-----BEGIN CERTIFICATE-----\n"])
def test_anchor_that_is_no_der_is_the_error_of_mbedtls(data):
    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    with pytest.raises(ValueError, match="^invalid cert$"):
        context.load_verify_locations(data)


def test_no_anchor_is_the_number_of_mbedtls(authority):
    with Peer(authority.context(), answer_once) as peer:
        sock = connected(peer.port, None)
        with pytest.raises(OSError, match="CA_CHAIN_REQUIRED") as caught:
            until_not_none(sock, sock.write, b"x")
        assert caught.value.errno == -30336
        sock.close()


def test_error_stays_with_the_connection(authority):
    with Peer(authority.context(), close_in_handshake) as peer:
        sock = connected(peer.port, authority.der)
        for _ in range(3):
            with pytest.raises(OSError, match="CONN_EOF") as caught:
                until_not_none(sock, sock.write, b"x")
            assert caught.value.errno == -29312
        sock.close()


def test_use_after_close_is_refused_and_close_is_quiet(authority):
    with Peer(authority.context(), answer_once) as peer:
        sock = connected(peer.port, authority.der)
        sock.close()
        sock.close()
        with pytest.raises(OSError, match="BAD_INPUT_DATA"):
            sock.read(1)


def test_write_and_read_take_bounds_as_micropython_does(authority):
    request = b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nab"
    with Peer(authority.context(), answer_once) as peer:
        sock = connected(peer.port, authority.der)
        assert until_not_none(sock, sock.write, b"--" + request + b"--", 2, 5) == 5
        assert sock.write(request[5:] + b"--", len(request) - 5) == len(request) - 5
        buffer = bytearray(b"________")
        assert until_not_none(sock, sock.readinto, buffer, 4) == 4
        assert buffer == b"HTTP____"
        assert sock.recv(5) == b"/1.1 "
        assert sock.read(3) == b"200"
        assert peer.connections[0].requests == [request]
        sock.close()


def test_write_that_the_socket_takes_in_parts_arrives_whole_and_once(authority):
    def slow(connection: Connection) -> None:
        connection.handshake()
        connection.pause(0.3)  # until then nothing is read, and the buffers are full
        connection.read_request()
        connection.send(reply())

    body = bytes(range(256)) * 4096
    request = b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    with Peer(authority.context(), slow, receive_buffer=4096) as peer:
        sock = connected(peer.port, authority.der)
        sock._raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 5000)
        at = full = 0
        while at < len(request):
            count = sock.write(request, at, 10000)
            if count is None:
                full += at > 0
                select.select([], [sock._raw], [], 0.01)  # or, in the handshake, the other way
            else:
                at += count
        assert full > 1
        assert until_not_none(sock, sock.read, 4) == b"HTTP"
        assert peer.connections[0].requests == [request]
        sock.close()


def test_poll_of_windows_tells_readers_writers_and_the_idle():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        poller = tls._SelectPoll()
        poller.register(ours, tls._POLLIN)
        assert poller.poll(0) == []
        theirs.send(b"x")
        assert poller.poll(1000) == [(ours, tls._POLLIN)]
        poller.modify(ours, tls._POLLOUT)
        assert poller.poll(1000) == [(ours, tls._POLLOUT)]
        poller.unregister(ours)
        poller.register(theirs, tls._POLLIN | tls._POLLOUT)
        assert poller.poll(1000) == [(theirs, tls._POLLOUT)]
