"""One TLS connection: generators that yield what they wait for, a mask to poll for or 0.

A timeout on the socket does not bound a TLS call: mbedTLS loops inside one C call for as long as
a peer drips bytes. So the socket never blocks, a generator goes on as far as it can, and whoever
drives it (`client.drive`, `linkpost.aio`) looks after deadline and watchdog in between. A driver
may go on early: it is then told the same once more.

Rules:
  1. The peer is verified, always: chain, host name and dates. There is no switch. One root is
     loaded at a time, the one that verified last; where it does not vouch for the peer the others
     are tried in turn. Not one byte of a request goes to a peer that no root vouches for.
  2. Whatever is raised closes the connection: what TCP and TLS raise, and all in `connect`, here,
     the rest in `Client.publishing`. A TLS object is never used again after an error: mbedTLS
     keeps the error, not what was lost with it.
  3. mbedTLS reads through a read gate, and goes on inside one call for as long as there is
     something. The gate gives it a share: 21 MB of warnings, which it ignores, held one call for
     7 s. And it is open for the first byte of a record only, the rest is read with the gate shut:
     so a short read means the end of that record, never that a close_notify behind it was
     swallowed.
  4. MicroPython shows the end of a handshake only by accepting the first byte to send. So the
     handshake runs in the first `send`, which until then waits for the peer: polled for writing,
     the socket was ready 13,899 times in one handshake; for reading, twice.
  5. No collection between connect and reply: it sets the allocator's search back to the start,
     and each of mbedTLS' allocations then searches all that is kept (half of a handshake). One
     before it; the threshold is back once the reply is here or the connection is closed.
"""

import gc
import io

from micropython import const

from ..errors import TLSError
from ..loader import load

_READ = const(1)  # select.POLLIN and POLLOUT, the same on every chip and desktop
_WRITE = const(4)

# `Connection.phase`; `failures` has a word for each, in this order.
_CLOSED = const(0)
_CONNECTING = const(1)  # TCP
_HANDSHAKE = const(2)
_SENDING = const(3)
_SENT = const(4)

_ECONNRESET = const(104)
_EIO = const(5)

# mbedTLS reads a record in two. The longest flight of an honest peer is 5 records, so a call that
# is cut short costs one more poll and nothing else.
_READS = const(16)


class ReadGate(io.IOBase):
    """The socket as mbedTLS sees it; `left` is how many reads it may still do, 0: shut.

    Nothing may be raised through mbedTLS' frames, which would not tidy up: an OSError is given
    back as its number, anything else (Ctrl-C, no memory) is kept in `raised`.
    """

    def __init__(self, sock):
        self._socket = sock
        self.left = 0
        self.raised = None

    def readinto(self, buffer):
        if self.left == 0:
            return None  # as if nothing were there yet
        self.left -= 1
        return self._through(self._socket.readinto, buffer)

    def write(self, buffer):
        return self._through(self._socket.write, buffer)

    def _through(self, call, buffer):
        try:
            return call(buffer)
        except BaseException as error:
            # MicroPython's OSError has whatever came first as its errno.
            if isinstance(error, OSError) and isinstance(error.errno, int):
                return -error.errno
            self.raised = error
            return -_EIO

    def ioctl(self, want, value):
        return 0  # the connection closes the socket itself, and polls it


class Connection:
    """The one connection to a host, opened when needed and kept between requests.

    Args: host, name or address as the certificate has it; port_number; port, the `ports.Port`;
    anchors, called for what has `read(k)`, the name and the DER bytes of the k-th root to try, or
    None, and `keep(name)`, called when that root has verified and was not the first to be tried.

    phase     how far it has come: 0 closed, 1 connecting, 2 handshake, 3 sending, 4 sent
    socket, poller   what is open of TCP; these, those below and `phase` are set by `connecting`
    kept      it has carried a request, and can carry another
    answered  a byte of the reply to what was sent last has come
    context   the TLS context with one root, or None; root, which of them in the order of trying,
              and root_name belong to it
    tight     (free bytes, largest block or None) before the handshake, where that is less than
              comfortable; else None
    threshold   the collector's own while there is no collection, else None
    Memory: 250 bytes and the context's 3 to 5 KB; mbedTLS' 23 KB, and 10 more in the handshake.
    """

    def __init__(self, host: str, port_number: int, port, anchors):
        self.host = host
        self.port_number = port_number
        self.port = port
        self.anchors = anchors
        self.phase = _CLOSED
        self.kept = self.answered = False
        self.tight = self.context = self.root_name = None
        self.root = 0
        self.socket = self.poller = self.threshold = self._tls = self._read_gate = None

    def connect(self, untrusted=None):
        """Yield until TCP stands and TLS is set up; the name is resolved first, which blocks.

        Args: untrusted, why another root is to be tried, for where there is no other.
        Raises: DNSError, NetworkError, TLSError.
        """
        try:
            yield from load("net.connecting").connect(self, untrusted)
            self._read_gate = ReadGate(self.socket)
            self._tls = self.context.wrap_socket(  # type: ignore[attr-defined]
                self._read_gate, server_hostname=self.host, do_handshake_on_connect=False
            )
            self.phase = _HANDSHAKE
        except (OSError, ValueError, MemoryError) as error:
            raise self._explained(error)
        except BaseException:
            self.close()
            raise

    def request(self, data):
        """Yield until those bytes are sent; connect where it is closed.

        What is up to 4096 bytes leaves in one record. Raises: as `connect` and `send`, one error
        where no root vouches for the peer.
        """
        self.answered = False
        untrusted = None
        while True:
            if self.phase == _CLOSED:
                yield from self.connect(untrusted)
            try:
                yield from self.send(((data, len(data)),))
                return
            except TLSError as error:
                if error.reason != "untrusted":
                    raise
                untrusted = error
                self.root += 1
            yield 0  # a look at deadline and watchdog

    def send(self, pieces):
        """Yield until each of the pieces, (source, length)s, was handed to TCP, a record each.

        A source has to stay as it is until the next piece is asked for. One generator sends them
        all: one a piece would leave 150 bytes behind each time. Raises: NetworkError, TLSError.
        """
        at = 0
        if self.phase == _SENT:
            self.phase = _SENDING
        for source, length in pieces:
            if at:
                yield 0  # so that a long body does not keep the watchdog waiting
            at = 0
            while at < length:
                self._read_gate.left = _READS
                try:
                    # The same bytes again after None: mbedTLS may have them in a record.
                    count = self._tls.write(source, at, length - at)
                except (OSError, ValueError, MemoryError) as error:
                    raise self._explained(error)
                if count is None:
                    yield _READ if self.phase == _HANDSHAKE else _WRITE
                    continue
                if self.phase == _HANDSHAKE and self.root:
                    self.anchors().keep(self.root_name)
                    self.root = 0
                self.phase = _SENDING
                at += count
                if at < length:
                    yield _WRITE

    def receive(self, view):
        """Yield until something has come into `view`, a memoryview; return how many bytes.

        0: the peer has closed, in its reply. Raises: NetworkError, also where it closed before.
        """
        gate = self._read_gate
        self.phase = _SENT
        try:
            while True:
                gate.left = _READS
                count = self._tls.readinto(view, 1)
                if count is not None:
                    break
                yield _READ
            if count == 0:
                if not self.answered:
                    raise OSError(_ECONNRESET, "closed")
                self.close()
                return 0
            self.answered = True
            gate.left = 0  # rule 3
            if len(view) > 1:
                count += self._tls.readinto(view[1:]) or 0
            return count
        except (OSError, ValueError) as error:
            raise self._explained(error)

    def done(self, kept: bool) -> None:
        """Keep the connection, or close it: a reply was read whole."""
        if kept and self.phase != _CLOSED:
            self.kept = True
            self._rest()
        else:
            self.close()

    def alive(self) -> bool:
        """Tell whether the connection can carry a request; it is closed where not."""
        if not self.kept:
            return self.phase > _CONNECTING  # to read would begin the handshake
        gate = self._read_gate
        gate.left = _READS
        alive = False
        try:
            # 0: closed. A byte nobody asked for: out of step with the peer.
            alive = self._tls.readinto(bytearray(1), 1) is None
        except (OSError, ValueError):
            pass  # it is replaced anyway, and a lasting fault shows then
        finally:
            if not alive:
                self.close()
        if gate.raised is not None:
            raise gate.raised
        return alive

    def close(self) -> None:
        """Close, in any state, any number of times. `answered` can still be asked."""
        pair = self._tls, self.socket
        self.phase = _CLOSED
        self.kept = False
        self._tls = self._read_gate = self.socket = self.poller = None
        for open_one in pair:
            if open_one is not None:
                try:
                    open_one.close()
                except OSError:
                    pass
        self._rest()

    def _rest(self):
        if self.threshold is not None:
            gc.threshold(self.threshold)
            self.threshold = None

    def poll(self, want: int, ms: int):
        """Wait up to `ms` for what was yielded; return what is there, or nothing.

        Raises: TLSError.
        """
        # The raw socket, not the TLS object, which keeps nothing back. The unix port looks at a
        # TLS object once a ms instead of sleeping (4463 context switches in 5 s against 6).
        try:
            self.poller.modify(self.socket, want)  # type: ignore[attr-defined]
            return self.poller.poll(ms)  # type: ignore[attr-defined]
        except OSError:
            # A plain ESP32 has no memory for select then, and says EIO.
            raise self._explained(MemoryError())

    def late(self, ms: int):
        """Close; return the error of a deadline of `ms` that has passed just now."""
        return self._explained(None, ms)

    def _explained(self, error, ms=0):
        phase = self.phase
        raised = None if self._read_gate is None else self._read_gate.raised
        self.close()
        if raised is not None:
            if not isinstance(raised, (OSError, MemoryError)):
                return raised
            error = raised
        # The text costs heap, which a failed handshake may have used up: that is an answer too.
        try:
            return load("net.failures").explained(self, phase, error, ms)
        except MemoryError:
            return TLSError("Out of memory", "memory")
