"""One errand of the real transport, told as JSON: the same file in CPython and in MicroPython.

micropython transport_probe.py '{"port": 8443, "anchors": ["ca.der"]}'
"""

import gc
import json
import os
import sys
import time

from linkpost.clock import Deadline
from linkpost.errors import LinkpostError, NetworkError, TLSError
from linkpost.net.blocking import connect, exchange
from linkpost.net.transport import Transport
from linkpost.ports.host import HostPort
from linkpost.protocol.http import Reply


class CountingPort(HostPort):
    """A host port that counts feeds, the sign that a driver looks up, and the pause between."""

    def __init__(self):
        super().__init__()
        self.feeds = 0
        self.longest_ms = 0
        self._last = self.ticks_ms()

    def feed(self):
        now = self.ticks_ms()
        self.longest_ms = max(self.longest_ms, self.ticks_diff(now, self._last))
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


def run(spec):
    """Do what `spec` says; return what came of it, ready for JSON."""
    port = CountingPort()
    anchors = [_read(name) for name in spec["anchors"]]
    transport = Transport(spec.get("host", "localhost"), spec["port"], lambda: iter(anchors), port)
    result = {"requests": 0, "reused": [], "alive": []}
    reply = None
    start = port.ticks_ms()
    try:
        for _ in range(spec.get("times", 1)):
            reply = Reply()
            if transport.connected:
                time.sleep(spec.get("pause_s", 0))
                result["alive"].append(transport.alive())
            _request(transport, spec, reply, Deadline(port, spec.get("deadline_ms", 10000)))
            result["requests"] += 1
            result["reused"].append(transport.reused)
    except (LinkpostError, MemoryError, KeyboardInterrupt, OSError, ValueError) as error:
        result["error"] = type(error).__name__
        result["message"] = str(error)
        result["reason"] = getattr(error, "reason", None)
        # MicroPython gives every exception an errno, its first argument.
        known = isinstance(error, (NetworkError, TLSError))
        result["errno"] = error.errno if known else None
        result["started"] = reply is not None and reply.started
        result["open"] = transport.connected or transport._socket is not None
    result["ms"] = port.ticks_diff(port.ticks_ms(), start)
    result["feeds"] = port.feeds
    result["longest_ms"] = port.longest_ms
    transport.close()
    return result


def churn(spec):
    """Open, ask and close `churn` times whatever happens; return heap and open files over time."""
    port = CountingPort()
    transport = Transport("localhost", spec["port"], [_read(spec["anchors"][0])], port)
    reply = Reply()
    result = {"requests": 0, "failures": 0, "heap": [], "files": []}
    for i in range(spec["churn"]):
        reply.clear()
        try:
            _request(transport, spec, reply, Deadline(port, 10000))
            result["requests"] += 1
            transport.close()
        except LinkpostError:
            result["failures"] += 1
        if i % 6 == 5:
            gc.collect()
            result["heap"].append(gc.mem_alloc() if hasattr(gc, "mem_alloc") else 0)
            result["files"].append(len(os.listdir("/proc/self/fd")))
    return result


def _request(transport, spec, reply, deadline):
    if not transport.connected:
        connect(transport, deadline)
    length = spec.get("body", 0)
    head = b"POST /x HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % length
    body = None
    streamed = 0
    if spec.get("streamed"):
        body = Payload(length, spec.get("fault"))
        streamed = length
    else:
        head += b"x" * length
    # The head counts only up to its length; what lies behind it must not leave.
    buffer = bytearray(head + b"behind")
    gc.collect()
    exchange(transport, buffer, len(head), body, streamed, reply, deadline)


def _read(name):
    with open(name, "rb") as file:
        return file.read()


if __name__ == "__main__":
    errand = json.load(sys.stdin)
    print(json.dumps((churn if "churn" in errand else run)(errand)))
