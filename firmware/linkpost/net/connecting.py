"""What comes before a handshake: a look at memory, the name, and TCP.

Loaded at each connect (`loader`), and gone before the handshake: a kept connection needs none of
it.
"""

import errno
import select
import socket

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


def connect(connection):
    """Yield until TCP stands; the name is resolved first, which blocks.

    Raises: DNSError, NetworkError, TLSError.
    """
    connection.be_quiet()
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
