"""A proxy on loopback that counts TLS records and can keep each direction waiting."""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
import time
from dataclasses import dataclass, field

_HEADER_BYTES = 5  # of a TLS record: type, version, length (RFC 5246 section 6.2.1)
_APPLICATION_DATA = 23


@dataclass
class Counts:
    """What left one connection's client."""

    application_records: int = 0  # records of application data sent by the client
    bytes_up: int = 0
    bytes_down: int = 0


@dataclass
class CountingProxy:
    """Passes connections on to `target`; a context manager.

    Args: target, a port on this machine; delay_s, how long each direction takes. TCP's own
    handshake is over before a proxy hears of it, so its round trip is added to the first bytes.
    Attributes: port; connections, the Counts of each, in order.
    """

    target: int
    delay_s: float = 0.0
    connections: list[Counts] = field(default_factory=list)

    def __enter__(self) -> CountingProxy:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.target))
            for one in (client, server):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            counts = Counts()
            self.connections.append(counts)
            for way in ((client, server, counts, True), (server, client, counts, False)):
                threading.Thread(target=self._pass_on, args=way, daemon=True).start()

    def _pass_on(
        self, source: socket.socket, target: socket.socket, counts: Counts, is_up: bool
    ) -> None:
        parser = _Records()
        # What is on its way does not hold up what comes after it, as on a real link.
        on_the_way: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
        threading.Thread(target=self._deliver, args=(on_the_way, source, target)).start()
        extra_s = 2 * self.delay_s if is_up else 0.0
        try:
            while data := source.recv(65536):
                on_the_way.put((time.monotonic() + self.delay_s + extra_s, data))
                extra_s = 0.0
                if is_up:
                    counts.bytes_up += len(data)
                    counts.application_records += parser.feed(data)
                else:
                    counts.bytes_down += len(data)
        except OSError:
            pass  # one side is gone; the other hears of it when all before is delivered
        finally:
            on_the_way.put((time.monotonic() + self.delay_s, b""))

    def _deliver(
        self,
        on_the_way: queue.SimpleQueue[tuple[float, bytes]],
        source: socket.socket,
        target: socket.socket,
    ) -> None:
        late_s = 0.0
        try:
            while True:
                due_s, data = on_the_way.get()
                due_s = late_s = max(due_s, late_s)  # nothing overtakes
                time.sleep(max(0.0, due_s - time.monotonic()))
                if not data:
                    return
                target.sendall(data)
        except OSError:
            pass
        finally:
            for one in (source, target):
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)


class _Records:
    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> int:
        """Return how many records of application data these bytes complete."""
        self._buffer += data
        found = 0
        while len(self._buffer) >= _HEADER_BYTES:
            length = _HEADER_BYTES + int.from_bytes(self._buffer[3:5], "big")
            if len(self._buffer) < length:
                break
            found += self._buffer[0] == _APPLICATION_DATA
            del self._buffer[:length]
        return found
