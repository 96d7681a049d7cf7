"""What comes before a handshake: whom to trust, a look at memory, the name, and TCP.

Loaded at each connect (`loader`), and gone before the handshake: a kept connection needs none of
it. `load_root` is the one place that says whom to trust; there is no way to verify less.
"""

import errno
import gc
import select
import socket

import tls
from micropython import const

from ..errors import TLSError

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


def connect(connection, untrusted):
    """Yield until TCP stands; the name is resolved first, which blocks.

    Args: untrusted, why another root is to be tried, or None.
    Raises: OSError, MemoryError, ValueError of what cannot be a name; TLSError.
    """
    if connection.context is None or untrusted is not None:
        load_root(connection, untrusted)
    _be_quiet(connection)
    _look_at_memory(connection)
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
                raise OSError(errno.ECONNRESET, "closed")
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


def load_root(connection, error) -> None:
    """Give the connection a context with its root `connection.root`, or the next that can be used.

    It accepts only a peer vouched for by that one root. Memory: 3 to 5 KB, on rp2 of the heap.

    Raises: `error`, where it is not None and there is no other; TLSError where one could not be
    used, or there is none; MemoryError. The next time then begins with the first again.
    """
    connection.context = None
    refused = "none"
    while True:
        anchor = connection.anchors().read(connection.root)
        if anchor is None:
            connection.root = 0
            raise error or TLSError(
                "No root to use in /certs: %s. Run: linkpost deploy" % refused,
                "no anchor",
            )
        connection.root_name, der = anchor
        try:
            context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
            context.verify_mode = tls.CERT_REQUIRED  # type: ignore[attr-defined]
            context.load_verify_locations(der)
            connection.context = context
            return
        except ValueError:
            # mbedTLS says this of what is no certificate, and where memory ran out. Where that is
            # short, a file that is a whole certificate by its length is not why.
            _look_at_memory(connection)
            if connection.tight and len(der) == 4 + int.from_bytes(der[2:4], "big"):
                raise MemoryError
        except OSError:
            raise MemoryError
        error = None
        refused = connection.root_name
        connection.root += 1


def _look_at_memory(connection):
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
