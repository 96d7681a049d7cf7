"""What comes before a handshake: a look at memory, the name, and TCP.

Loaded at each connect (`loader`), and gone before the handshake: a kept connection needs none of
it.
"""

import errno
import gc
import select
import socket

from micropython import const

_WRITE = const(4)  # these two as `Connection` has them
_CONNECTING = const(1)

# Each message of the handshake is a write: without this the second waits for the ACK of the first.
# The same numbers on lwIP and every desktop; the unix port has no names for them.
_IPPROTO_TCP = const(6)
_TCP_NODELAY = const(1)
# Of a connect under way. Numbers differ by chip, names do not.
_WINDOWS_WOULD_BLOCK = const(10035)
_NOT_YET = (errno.EINPROGRESS, errno.EAGAIN, errno.ENOTCONN, _WINDOWS_WOULD_BLOCK)
_NAME_MS = const(15_000)  # two name servers that do not answer
# Memory for TLS, bytes, beside a loaded root: what `wrap_socket` and handshake cannot do without
# (as `failures` says), and what is comfortable. Measured on a plain ESP32.
_LEAST_BLOCK = const(17_000)
_LEAST_FREE = const(30_000)
_GOOD_BLOCK = const(24_000)
_GOOD_FREE = const(53_000)


def connect(connection):
    """Yield until TCP stands; the name is resolved first, which blocks.

    Raises: OSError, MemoryError, ValueError of what cannot be a name; TLSError.
    """
    _be_quiet(connection)
    look_at_memory(connection)
    error = OSError("no address")
    # A name may have an IPv6 address where only IPv4 is served, and the other way round.
    for address in resolve(connection):
        if connection.phase:  # the one before
            connection.close()
            _be_quiet(connection)
        connection.phase = _CONNECTING
        try:
            sock = connection.socket = socket.socket(address[0], socket.SOCK_STREAM)
            sock.setblocking(False)
            sock.setsockopt(_IPPROTO_TCP, _TCP_NODELAY, 1)
            sock.connect(address[-1])
        except OSError as raised:
            if raised.errno not in _NOT_YET:
                error = raised
                continue
        connection.poller = select.poll()
        connection.poller.register(sock, _WRITE)
        while not connection.poll(_WRITE, 0):
            yield _WRITE
        # Boards have no getsockopt, and not every chip flags a failed connect: reading tells. rp2
        # says "writable" while still connecting; then the ClientHello waits.
        try:
            if sock.recv(1) == b"":
                error = OSError(errno.ECONNRESET, "closed")
                continue
        except OSError as raised:
            if raised.errno not in _NOT_YET:
                error = raised
                continue
        return
    raise error


def resolve(connection):
    """Return what `getaddrinfo` says of the connection's host."""
    # It blocks: no chip offers another way, and no deadline ends it. Two name servers that are
    # silent take 14 s on rp2, longer than its watchdog; the port keeps that fed.
    port = connection.port
    port.feed_for(_NAME_MS)
    try:
        return socket.getaddrinfo(connection.host, connection.port_number, 0, socket.SOCK_STREAM)
    finally:
        port.feed_for(0)
        port.feed()


def look_at_memory(connection) -> None:
    """Tell the connection how tight memory is. Raises: MemoryError where TLS has too little."""
    memory = free, block = connection.port.tls_memory()
    if block is None:
        block = free
    connection.tight = memory if free < _GOOD_FREE or block < _GOOD_BLOCK else None
    if free < _LEAST_FREE or block < _LEAST_BLOCK:
        raise MemoryError


def _be_quiet(connection):
    """Collect, and then no more until the connection's `close` or `done`: its rule 5."""
    if hasattr(gc, "threshold"):  # CPython has none
        gc.collect()
        connection.threshold = gc.threshold()
        gc.threshold(-1)
