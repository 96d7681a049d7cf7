"""One use of the real transport, described in JSON: the same file in CPython and in MicroPython.

micropython transport_probe.py '{"port": 8443, "anchors": ["ca.der"]}'
"""

import gc
import json
import os
import sys
import time

from linkpost.client import drive
from linkpost.errors import LinkpostError, NetworkError, TLSError
from linkpost.net import Connection, streaming
from linkpost.ports.host import HostPort
from linkpost.protocol import read


class CountingPort(HostPort):
    """A host port that counts feeds, the sign that a driver looks up, and the pause between."""

    def __init__(self):
        super().__init__()
        self.feeds = 0
        self.longest_ms = 0
        self._last = self.uptime_ms()

    def feed(self):
        now = self.uptime_ms()
        self.longest_ms = max(self.longest_ms, now - self._last)
        self._last = now
        self.feeds += 1


class Payload:
    """`length` bytes for `readinto`; `fault` names what it does half-way."""

    def __init__(self, length, fault):
        self._left = length
        self._half = length // 2
        self._fault = fault

    def readinto(self, view):
        if self._left <= self._half:
            if self._fault == "raises":
                raise OSError(5, "EIO")
            if self._fault == "memory":
                raise MemoryError
            if self._fault == "interrupt":
                raise KeyboardInterrupt
            if self._fault == "short":
                return 0
        if self._fault == "long":
            return len(view)
        count = min(len(view), self._left)
        view[:count] = b"x" * count
        self._left -= count
        return count


class Anchors:
    """Trust anchors in memory, tried in their order; the one that verified goes to the front."""

    def __init__(self, names):
        self._found = []
        for name in names:
            with open(name, "rb") as file:
                self._found.append((name.split("/")[-1], file.read()))

    def read(self, k):
        return self._found[k] if k < len(self._found) else None

    def keep(self, name):
        self._found.sort(key=lambda anchor: anchor[0] != name)


def run(spec):
    """Do what `spec` says; return what came of it, ready for JSON."""
    port = CountingPort()
    anchors = Anchors(spec["anchors"])
    connection = Connection(spec.get("host", "localhost"), spec["port"], port, lambda: anchors)
    result = {"requests": 0, "reused": [], "alive": []}
    start = port.uptime_ms()
    try:
        for _ in range(spec.get("times", 1)):
            if connection.phase:
                time.sleep(spec.get("pause_s", 0))
                result["alive"].append(connection.alive())
            reused = connection.kept
            drive(_request(connection, spec), connection, port, spec.get("deadline_ms", 10000))
            result["requests"] += 1
            result["reused"].append(reused)
    except (LinkpostError, MemoryError, KeyboardInterrupt, OSError, ValueError) as error:
        result["error"] = type(error).__name__
        result["message"] = str(error)
        result["reason"] = getattr(error, "reason", None)
        # MicroPython gives every exception an errno, its first argument.
        known = isinstance(error, (NetworkError, TLSError))
        result["errno"] = error.errno if known else None
        result["started"] = connection.answered
        result["open"] = connection.phase > 0 or connection.socket is not None
    result["ms"] = port.uptime_ms() - start
    result["feeds"] = port.feeds
    result["longest_ms"] = port.longest_ms
    connection.close()
    return result


def churn(spec):
    """Open, ask and close `churn` times whatever happens; return heap and open files over time."""
    port = CountingPort()
    anchors = Anchors(spec["anchors"])
    connection = Connection("localhost", spec["port"], port, lambda: anchors)
    result = {"requests": 0, "failures": 0, "heap": [], "files": []}
    for i in range(spec["churn"]):
        try:
            drive(_request(connection, spec), connection, port, 10000)
            result["requests"] += 1
            connection.close()
        except LinkpostError:
            result["failures"] += 1
        if i % 6 == 5:
            gc.collect()
            result["heap"].append(gc.mem_alloc() if hasattr(gc, "mem_alloc") else 0)
            result["files"].append(len(os.listdir("/proc/self/fd")))
    return result


def _request(connection, spec):
    length = spec.get("body", 0)
    head = b"POST /x HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % length
    body = None
    if spec.get("streamed"):
        body = Payload(length, spec.get("fault"))
    else:
        head += b"x" * length
    gc.collect()
    try:
        yield from connection.request(head)
        if body is not None:
            yield from streaming.send(connection, body, length)
        reply = yield from read(connection.receive, bytearray(2048))
        connection.done(reply[1])
    except BaseException:
        connection.close()
        raise


if __name__ == "__main__":
    spec = json.load(sys.stdin)
    print(json.dumps((churn if "churn" in spec else run)(spec)))
