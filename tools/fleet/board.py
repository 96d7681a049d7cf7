"""One simulated device: a reading at each interval, kept in RAM until it is accepted."""

from __future__ import annotations

import asyncio
import math
import os
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

from .driver import LinkpostError, Publisher

from linkpost.backoff import pause_ms  # isort: skip
from linkpost.protocol.alink import encode_alink  # isort: skip
from linkpost.protocol.payloads import encode_json  # isort: skip

_DRAIN_TRIES = 3
_WAITING_MAX = 1000  # beyond it the oldest goes, as on a board whose flash budget is used up


@dataclass
class Counters:
    """What all boards together have seen. Seconds are from the first byte to the answer."""

    made: int = 0  # readings
    accepted: int = 0
    dropped: int = 0
    failed: Counter[str] = field(default_factory=Counter)  # attempts, by code or kind of error
    seconds: list[float] = field(default_factory=list)  # of each accepted message
    last_error: str = ""


@dataclass(frozen=True)
class _Reading:
    seq: int
    unix_ms: int


class Board:
    """Reports until it has to stop, then sends its waiting readings.

    Args: number, from 0; key, "ProductKey/DeviceName"; config, its checked Config; publisher;
    interval_s; counters, shared.
    """

    def __init__(
        self,
        number: int,
        key: str,
        config: Any,
        publisher: Publisher,
        interval_s: float,
        counters: Counters,
    ):
        self.key = key
        self.publisher = publisher
        self.stream = "" if config.format == "alink" else os.urandom(4).hex()
        self.accepted: set[int] = set()
        self.waiting: deque[_Reading] = deque()
        self._number = number
        self._config = config
        self._interval_s = interval_s
        self._counters = counters
        self._seq = 0
        self._failures = 0  # in a row

    async def run(self, first_s: float, stopped: asyncio.Event) -> None:
        """Report from `first_s` seconds from now on, until `stopped`."""
        loop = asyncio.get_running_loop()
        next_s = loop.time() + first_s
        while not stopped.is_set():
            await _pause(stopped, next_s - loop.time())
            if stopped.is_set():
                break
            # A board that is late goes on from now; it does not catch up with a burst.
            next_s = max(next_s + self._interval_s, loop.time())
            self._read()
            error = await self._send()
            if error is not None:
                await _pause(stopped, self._pause_ms(error) / 1000)
            elif not self._interval_s:
                await asyncio.sleep(0)

    async def drain(self) -> None:
        """Send the waiting readings, unless the peer refuses them again and again."""
        try:
            for tries_left in reversed(range(_DRAIN_TRIES)):
                error = await self._send()
                if error is None or not tries_left:
                    break
                await asyncio.sleep(min(1.0, self._pause_ms(error) / 1000))
        finally:
            self.publisher.cut()

    def _pause_ms(self, error: LinkpostError) -> int:
        """Count one more failure; return the ms to wait before the next try."""
        self._failures += 1
        return pause_ms(error, self._failures - 1, os.urandom)

    def _read(self) -> None:
        self._seq += 1
        self.waiting.append(_Reading(self._seq, time.time_ns() // 1_000_000))
        self._counters.made += 1
        if len(self.waiting) > _WAITING_MAX:
            self.waiting.popleft()
            self._counters.dropped += 1

    async def _send(self) -> LinkpostError | None:
        """Send the waiting readings, the oldest first; return what stopped it."""
        counters = self._counters
        while self.waiting:
            reading = self.waiting[0]
            begin_s = time.perf_counter()
            try:
                await self.publisher.publish(self._config.topic, self._render(reading))
            except LinkpostError as error:
                counters.failed[str(getattr(error, "code", type(error).__name__))] += 1
                counters.last_error = str(error)
                if error.retry == "never":  # it would be refused again
                    self.waiting.popleft()
                    counters.dropped += 1
                return error
            counters.seconds.append(time.perf_counter() - begin_s)
            counters.accepted += 1
            self.accepted.add(reading.seq)
            self.waiting.popleft()
            self._failures = 0
        return None

    def _render(self, reading: _Reading) -> bytes:
        swing = math.sin(reading.unix_ms / 60_000 + self._number)
        values = {"temperature": round(21 + 4 * swing, 2), "humidity": round(50 - 8 * swing, 1)}
        encode = encode_alink if self._config.format == "alink" else encode_json
        return encode(self.stream, reading.seq, reading.unix_ms, values).encode()


async def _pause(stopped: asyncio.Event, seconds: float) -> None:
    """Wait, but not longer than until `stopped`."""
    if seconds <= 0:
        return
    try:
        async with asyncio.timeout(seconds):
            await stopped.wait()
    except TimeoutError:
        pass
