"""What comes before a handshake: the root, a look at memory, the name, and TCP.

Loaded at each connect (`loader`), and gone before the handshake: a kept connection needs none of
it. The TLS context is made here, the one place that says whom to trust. There is no way to verify
less.
"""

import errno
import select
import socket

import tls
from micropython import const

from ..loader import load

_WRITE = const(4)  # these two as `connection` has them
_CONNECTING = const(1)

# Each message of the handshake is a write: without this the second waits for the ACK of the first.
# The same numbers on lwIP and every desktop; the unix port has no names for them.
_IPPROTO_TCP = const(6)
_TCP_NODELAY = const(1)
# Of a connect under way. Numbers differ by chip, names do not; EWOULDBLOCK is Windows' word.
_WOULD_BLOCK = getattr(errno, "EWOULDBLOCK", errno.EAGAIN)
_NOT_YET = (errno.EINPROGRESS, errno.EAGAIN, errno.ENOTCONN, _WOULD_BLOCK)
_NAME_MS = const(15_000)  # two name servers that do not answer
# Memory for TLS, bytes, without a root loaded: what `wrap_socket` and handshake cannot do without,
# and what is comfortable. Measured on a plain ESP32.
_LEAST_BLOCK = const(17_000)
_LEAST_FREE = const(33_000)
_GOOD_BLOCK = const(24_000)
_GOOD_FREE = const(56_000)


def connect(connection, untrusted):
    """Yield until TCP stands; the name is resolved first, which blocks.

    Args: untrusted, why another root is to be tried, or None.
    Raises: DNSError, NetworkError, TLSError.
    """
    connection.be_quiet()
    if connection.context is None or untrusted is not None:
        load_root(connection, untrusted)
        connection.be_quiet()  # without the root's bytes: mbedTLS has its own copy
    _look_at_memory(connection)
    error = None
    # A name may have an IPv6 address where only IPv4 is served, and the other way round.
    for address in resolve(connection):
        connection.close_sockets()
        try:
            connection.socket = socket.socket(address[0], socket.SOCK_STREAM)
            connection.socket.setblocking(False)
            connection.socket.setsockopt(_IPPROTO_TCP, _TCP_NODELAY, 1)
            connection.socket.connect(address[-1])
        except OSError as raised:
            if raised.errno not in _NOT_YET:
                error = raised
                continue
        connection.poller = select.poll()
        connection.poller.register(connection.socket, _WRITE)
        connection.phase = _CONNECTING
        while not connection.poll(_WRITE, 0):
            yield _WRITE
        # Boards have no getsockopt, and not every chip flags a failed connect: reading tells. rp2
        # says "writable" while still connecting; then the ClientHello waits.
        try:
            if connection.socket.recv(1) == b"":
                error = OSError(errno.ECONNRESET, "closed")
                continue
        except OSError as raised:
            if raised.errno not in _NOT_YET:
                error = raised
                continue
        return
    raise load("net.failures").network_error(error, connection.host)


def resolve(connection):
    """Return what `getaddrinfo` says of the connection's host. Raises: DNSError."""
    # It blocks: no chip offers another way, and no deadline ends it. Two name servers that are
    # silent take 14 s on rp2, longer than its watchdog; the port keeps that fed.
    port = connection.port
    port.feed_for(_NAME_MS)
    try:
        return socket.getaddrinfo(connection.host, connection.port_number, 0, socket.SOCK_STREAM)
    except (OSError, ValueError) as error:  # ValueError: CPython, of what cannot be a name
        raise load("net.failures").dns_error(error, connection.host)
    finally:
        port.feed_for(0)
        port.feed()


def _look_at_memory(connection):
    connection.tight = None
    memory = connection.port.tls_memory()
    free, block = memory[0] + connection.context_bytes, memory[1]
    if free < _LEAST_FREE or (block is not None and block < _LEAST_BLOCK):
        raise load("net.failures").no_memory(connection.host, None, memory)
    if free < _GOOD_FREE or (block is not None and block < _GOOD_BLOCK):
        connection.tight = memory


def make_context(der: bytes):
    """Return an `SSLContext` that accepts only a peer vouched for by that root.

    Args: one certificate, DER; it may be dropped afterwards, mbedTLS has its own copy.
    Raises: ValueError, OSError where it is no certificate or memory ran out: mbedTLS says the
    same of both. Memory: 3 to 5 KB, on rp2 of the heap.
    """
    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    context.verify_mode = tls.CERT_REQUIRED  # type: ignore[attr-defined]
    context.load_verify_locations(der)
    return context


def load_root(connection, error) -> None:
    """Give the connection a context with its root `connection.root`, or the next that can be used.

    Raises: `error`, where it is not None and there is no other; TLSError for the last that cannot
    be used, out of memory at once. The next time then begins with the first again.
    """
    connection.context = None
    connection.context_bytes = 0
    before = connection.port.tls_memory()
    while True:
        anchor = connection.anchors().read(connection.root)
        if anchor is None:
            connection.root = 0
            raise error or load("net.failures").no_anchor()
        try:
            connection.context = make_context(anchor[1])
        except (OSError, ValueError) as raised:
            error = load("net.failures").bad_anchor(anchor, raised, connection.host, before)
            if error.reason == "memory":
                raise error
            connection.root += 1
            continue
        connection.root_name = anchor[0]
        connection.context_bytes = max(0, before[0] - connection.port.tls_memory()[0])
        return
