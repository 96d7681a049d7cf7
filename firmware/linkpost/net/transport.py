"""One TLS connection to the platform, in steps that never wait.

A timeout on the socket does not bound a TLS call: mbedTLS loops inside one C call for as long as
a peer drips bytes. So the socket never blocks, a step does what can be done now and says what it
waits for, and whoever drives the steps looks after deadline and watchdog in between (`blocking`).

Rules:
  1. The peer is verified, always: chain, host name and dates. There is no switch.
  2. A step that raises, whatever it raises, has closed the connection. A TLS object is never used
     again after an error: mbedTLS keeps the error, not what was lost with it.
  3. The reply is read one byte at a time. `readinto` of more goes on behind a short read, and
     swallows the peer's close_notify with the answer "short"; the next read then waits for ever.
     A byte costs 0.7 us on the unix port, and nothing is allocated.
  4. MicroPython shows the end of a handshake only by accepting the first byte to send. So the
     handshake runs in the first `write_step`, and until it is over a step waits for the peer:
     polled for writing, the socket was ready 13,899 times in one handshake; for reading, twice.
     (Should it be our own send buffer that is full then, the driver's next slice goes on.)
"""

import errno
import select
import socket

from micropython import const

from ..errors import NetworkError
from ..loader import load
from .dns import resolve
from .gate import Gate

READY = const(0)
WANT_READ = const(1)
WANT_WRITE = const(2)

# Each message of the handshake is a write: without this the second waits for the peer's ACK of
# the first. The same numbers on lwIP and every desktop; the unix port has no names for them.
_IPPROTO_TCP = const(6)
_TCP_NODELAY = const(1)

# `Transport.phase`; `failures` has a word for each, in this order.
_CLOSED = const(0)
_CONNECTING = const(1)  # TCP
_HANDSHAKE = const(2)
_SENDING = const(3)
_SENT = const(4)

# Of a connect under way. Numbers differ by chip, names do not; EWOULDBLOCK is Windows' word.
_WOULD_BLOCK = getattr(errno, "EWOULDBLOCK", errno.EAGAIN)
_NOT_YET = (errno.EINPROGRESS, errno.EAGAIN, errno.ENOTCONN, _WOULD_BLOCK)


class Transport:
    """The one connection to a host, opened when needed and kept between requests.

    Args: host, name or address as the certificate has it; port_number; anchors, an iterable of
    DER certificates (bytes), or a callable that gives one, which is asked once, at the first
    connect, so that the files need not stay in heap; port, the `ports.Port`.

    connected   TCP stands, and TLS has not failed
    reused      the request begun last goes over a connection that carried one before
    phase       how far it has come, for the words of an error
    Memory: about 250 bytes and the context's; while connected mbedTLS' own, on rp2 23 KB of heap.
    The first body that is streamed takes another 2.9 KB for good (`streaming`).
    """

    def __init__(self, host: str, port_number: int, anchors, port):
        self.host = host
        self.connected = False
        self.reused = False
        self._port_number = port_number
        self._anchors = anchors
        self._port = port
        self._context = None
        self.phase = _CLOSED
        self._addresses = None
        self._socket = None
        self._tls = None
        self._gate = None
        self._poll = None
        self._poller = None
        self._mask = 0
        self._used = False
        self._byte = bytearray(1)
        self._source = None
        self._at = self._end = 0
        self._stream = None

    # -- connect ----------------------------------------------------------------------------------

    def connect_step(self) -> int:
        """Go on towards a TCP connection; READY when it stands and TLS is set up.

        The first step resolves the name, which blocks (`dns`).
        Raises: DNSError, NetworkError, TLSError.
        """
        try:
            if self.phase == _CLOSED:
                self.reused = False
                if self._context is None:
                    self._context = load("net.trust").make_context(self._anchors)
                self._addresses = resolve(self.host, self._port_number, self._port)
                return self._open_next(None)
            if self.phase == _CONNECTING:
                return self._finish_connect()
            return READY
        except BaseException:
            self.close()
            raise

    def _open_next(self, error):
        # A name may have an IPv6 address where only IPv4 is served, and the other way round.
        while self._addresses:
            address = self._addresses.pop(0)
            self._close_sockets()
            try:
                self._socket = socket.socket(address[0], socket.SOCK_STREAM)
                self._socket.setblocking(False)
                self._socket.setsockopt(_IPPROTO_TCP, _TCP_NODELAY, 1)
                self._socket.connect(address[-1])
            except OSError as raised:
                if raised.errno not in _NOT_YET:
                    error = raised
                    continue
            self._poller = select.poll()
            # ipoll allocates nothing; CPython has only poll.
            self._poll = getattr(self._poller, "ipoll", self._poller.poll)
            self._mask = select.POLLOUT
            self._poller.register(self._socket, self._mask)
            self.phase = _CONNECTING
            return WANT_WRITE
        self.close()
        raise load("net.failures").network_error(error, self.host)

    def _finish_connect(self):
        if not self.poll(WANT_WRITE, 0):
            return WANT_WRITE
        # Boards have no getsockopt, and not every chip flags a failed connect: reading tells.
        # rp2 says "writable" while still connecting; then the ClientHello waits in its buffer.
        try:
            if self._socket.recv(1) == b"":
                return self._open_next(OSError(errno.ECONNRESET, "closed"))
        except OSError as error:
            if error.errno not in _NOT_YET:
                return self._open_next(error)
        self._addresses = None
        self._gate = Gate(self._socket)
        # Of CPython's sockets the gate can make no stream; OpenSSL refuses such floods itself.
        below = self._gate if hasattr(self._socket, "readinto") else self._socket
        try:
            self._tls = self._context.wrap_socket(
                below, server_hostname=self.host, do_handshake_on_connect=False
            )
        except (OSError, ValueError) as error:
            raise self._explained(error)
        self.phase = _HANDSHAKE
        self.connected = True
        return READY

    # -- send -------------------------------------------------------------------------------------

    def begin(self, head, length: int, body=None, body_bytes: int = 0) -> None:
        """Say what to send next.

        Args: head, a bytearray of which the first `length` bytes count, up to 4096 of them leave
        in one record, so a small body belongs in it; body, None or an object with `readinto`,
        which has to give exactly `body_bytes` bytes (not 0).
        The head must stay as it is until `write_step` is READY.
        """
        self.reused = self._used
        if self._used:
            self.phase = _SENDING
        self._source = head
        self._at = 0
        self._end = length
        if body is not None:
            if self._stream is None:
                from .streaming import Stream

                self._stream = Stream()
            self._stream.begin(body, body_bytes)

    def write_step(self) -> int:
        """Go on sending, the handshake first; READY when everything was handed to TCP.

        At most one record per step, so that a long body does not keep the watchdog waiting.
        Raises: NetworkError, TLSError; StorageError where the body cannot be read or its length
        is not what was said; whatever else the body's `readinto` raises.
        """
        try:
            stream = self._stream
            if self._at == self._end:
                self._end = stream.fill()
                self._source = stream.chunk
                self._at = 0
            self._gate.open()
            try:
                # The same bytes again after None: mbedTLS may have them in a record already.
                count = self._tls.write(self._source, self._at, self._end - self._at)
            except (OSError, ValueError) as error:
                raise self._explained(error)
            if count is None:
                return WANT_READ if self.phase == _HANDSHAKE else WANT_WRITE
            self.phase = _SENDING
            self._at += count
            if self._at < self._end or (stream is not None and stream.left):
                return WANT_WRITE
            self._end_request()
            self.phase = _SENT
            return READY
        except BaseException:
            self.close()
            raise

    # -- receive ----------------------------------------------------------------------------------

    def read_step(self, reply) -> int:
        """Feed what has come into `reply`; READY when it is complete.

        Args: reply with `feed(data) -> done`, `eof()`, `started`, as `protocol.http.Reply`.
        Raises: NetworkError, also where the peer closes before the first byte of the reply;
        ProtocolError from the reply, where it is cut short or not HTTP.
        """
        byte = self._byte
        try:
            self._gate.open()
            while True:
                try:
                    count = self._tls.readinto(byte, 1)
                except (OSError, ValueError) as error:
                    raise self._explained(error)
                if count is None:
                    return WANT_READ
                if count == 0:
                    self.close()
                    if not reply.started:
                        raise NetworkError(
                            "%s closed the connection before it answered" % self.host,
                            errno.ECONNRESET,
                        )
                    reply.eof()
                    return READY
                if reply.feed(byte):
                    self._used = True
                    return READY
        except BaseException:
            self.close()
            raise

    # -- between requests -------------------------------------------------------------------------

    def alive(self) -> bool:
        """Tell whether a kept connection can carry another request; it is closed where not."""
        if not self._used:
            return self.connected  # a fresh one: to read from it would begin the handshake
        gate = self._gate
        gate.open()
        try:
            # None: open and silent. 0: closed. A byte nobody asked for: out of step with the peer.
            if self._tls.readinto(self._byte, 1) is None:
                return True
        except (OSError, ValueError):
            pass  # it is replaced anyway, and a lasting fault shows then
        except BaseException:
            self.close()
            raise
        self.close()
        if gate.raised is not None:
            raise gate.raised
        return False

    def close(self) -> None:
        """Close, in any state, any number of times. What failed can still be asked: `reused`."""
        self.phase = _CLOSED
        self.connected = False
        self._used = False
        self._addresses = None
        self._end_request()
        self._close_sockets()

    def _end_request(self):
        self._source = None
        self._at = self._end = 0
        if self._stream is not None:
            self._stream.end()

    def _close_sockets(self):
        pair = self._tls, self._socket
        self._tls = self._gate = self._socket = self._poll = self._poller = None
        for open_one in pair:
            if open_one is not None:
                try:
                    open_one.close()
                except OSError:
                    pass

    # -- for the drivers --------------------------------------------------------------------------

    def poll(self, want: int, ms: int) -> bool:
        """Wait up to `ms` for what a step wanted; tell whether it is there."""
        # The raw socket, not the TLS object, which keeps nothing back: a step reads until mbedTLS
        # wants more. The unix port looks at a TLS object once a ms instead of sleeping (4463
        # context switches in 5 s against 6).
        mask = select.POLLIN if want == WANT_READ else select.POLLOUT
        if mask != self._mask:
            self._poller.modify(self._socket, mask)
            self._mask = mask
        for _ in self._poll(ms):  # noqa: SIM110  any() would need a generator
            return True
        return False

    def feed(self) -> None:
        """Feed the watchdog."""
        self._port.feed()

    def _explained(self, error):
        # Closed first: the words cost heap, and a failed handshake may have used it up.
        phase = self.phase
        raised = self._gate.raised
        self.close()
        if raised is not None:
            return raised
        return load("net.failures").tls_error(
            error, self.host, phase > _HANDSHAKE, self._port.unix_ms()
        )
