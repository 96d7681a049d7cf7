"""A time server on loopback, so that a board on the bench asks for the time as any board does."""

from __future__ import annotations

import socket
import struct
import threading
import time

_PACKET_BYTES = 48
_UNIX_EPOCH_IN_NTP_S = 2_208_988_800
_ANSWER = 0x24  # no leap second, version 4, a server
_STRATUM = 2


class NTP:
    """Answers SNTP (RFC 4330) with this machine's time. A context manager; `port` is its port."""

    def __enter__(self) -> NTP:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._answer, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        # An empty packet ends it; closing does not wake a thread that receives.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join()
        self._socket.close()

    def _answer(self) -> None:
        while True:
            packet, sender = self._socket.recvfrom(1024)
            if not packet:
                return
            if len(packet) >= _PACKET_BYTES:
                head = struct.pack(">BBbb12x", _ANSWER, _STRATUM, packet[2] % 17, -20)
                now = _timestamp()
                self._socket.sendto(head + now + packet[40:48] + now + now, sender)


def _timestamp() -> bytes:
    seconds, nanos = divmod(time.time_ns(), 1_000_000_000)
    fraction = (nanos << 32) // 1_000_000_000
    return struct.pack(">II", (seconds + _UNIX_EPOCH_IN_NTP_S) & 0xFFFF_FFFF, fraction)
