"""An NTP server on the real loopback, answered from within the client's own waits.

The port's `sleep_ms` lets the server look at its socket, so that no thread and no sleeping is
needed, and the same test runs on both interpreters.
"""

import os
import socket

NTP_EPOCH_S = 2_208_988_800


class Port:
    """A port with a clock that only its waits move."""

    name = "fake"

    def __init__(self, server=None):
        self.server = server
        self.now_ms = 1000
        self.fed = 0
        self.held = []  # what feed_for was called with

    def uptime_ms(self):
        return self.now_ms

    def sleep_ms(self, ms):
        self.now_ms += ms
        if self.server is not None:
            self.server.look()

    def feed(self):
        self.fed += 1

    def feed_for(self, ms):
        self.held.append(ms)

    def random_bytes(self, length):
        return bytes(range(0xA0, 0xA0 + length))


def reply(question, unix_ms, head=0x24, stratum=2, reference=b"GPS\x00", originate=None):
    """Return a server's answer to that question. head is leap (2 bits), version (3), mode (3)."""
    packet = bytearray(48)
    packet[0] = head
    packet[1] = stratum
    packet[12:16] = reference
    packet[24:32] = question[40:48] if originate is None else originate
    seconds = (unix_ms // 1000 + NTP_EPOCH_S) & 0xFFFFFFFF
    fraction = ((unix_ms % 1000 << 32) + 999) // 1000
    packet[40:48] = bytes([seconds >> s & 0xFF for s in (24, 16, 8, 0)]) + bytes(
        [fraction >> s & 0xFF for s in (24, 16, 8, 0)]
    )
    return bytes(packet)


class Server:
    """Answers each question with what `answer(question)` returns: a list of packets."""

    def __init__(self, answer):
        self._answer = answer
        self.questions = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        # From a place of its own: a client of a test beside this one, whose server has gone, would
        # otherwise ask this one. Below the ports that a system gives out by itself.
        first = 20_000 + int.from_bytes(os.urandom(2), "big") % 10_000
        for port in range(first, first + 100):
            try:
                self._socket.bind(_address(port))
            except OSError:
                continue
            self.name = "127.0.0.1:%d" % port
            break
        self._socket.setblocking(False)

    def look(self):
        try:
            question, address = self._socket.recvfrom(512)
        except OSError:
            return
        self.questions.append(question)
        for packet in self._answer(question):
            self._socket.sendto(packet, address)

    def close(self):
        self._socket.close()


def _address(port):
    return socket.getaddrinfo("127.0.0.1", port, socket.AF_INET, socket.SOCK_STREAM)[0][-1]
