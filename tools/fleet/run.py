"""All boards of a run in one event loop, and what became of their readings."""

from __future__ import annotations

import asyncio
import math
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from .board import Board, Counters
from .console import Console

_DRAIN_S = 15.0  # for waiting readings, when the time is over
_SHOW_S = 0.5


@dataclass(frozen=True)
class Numbers:
    """Where a run stands. Latencies in ms: from the first byte of a message to its answer."""

    boards: int
    seconds: float
    made: int
    accepted: int
    refused: dict[str, int]  # attempts, by code or kind of error
    waiting: int
    dropped: int
    per_second: float
    authentications: int
    connections: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    last_error: str = ""


@dataclass(frozen=True)
class Compared:
    """What the emulator says has arrived, beside what the boards say was accepted."""

    received: int
    duplicates: int
    lost: int  # accepted, and not there
    lost_of: list[str] = field(default_factory=list)  # the devices


class Fleet:
    """The boards of one run."""

    def __init__(self, boards: list[Board], counters: Counters):
        self._boards = boards
        self._counters = counters
        self._begin_s = time.monotonic()
        self._end_s: float | None = None

    def run(
        self, interval_s: float, duration_s: float | None, show: Callable[[Numbers], None]
    ) -> bool:
        """Run for that long, then send waiting readings; return whether Ctrl-C ended it before.

        Args: show is called about twice a second.
        """
        # Not Windows' own loop: it knows no readers, which the firmware's sockets need.
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            return runner.run(self._run(interval_s, duration_s, show))

    async def _run(
        self, interval_s: float, duration_s: float | None, show: Callable[[Numbers], None]
    ) -> bool:
        loop = asyncio.get_running_loop()
        stopped, interrupted = asyncio.Event(), asyncio.Event()

        def interrupt(*_: object) -> None:
            # The next one finds the system's own answer.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            loop.call_soon_threadsafe(interrupted.set)

        before = signal.signal(signal.SIGINT, interrupt)
        showing = asyncio.create_task(self._show(show))
        # Spread over the interval, or over a second: boards do not all boot at once.
        spread_s = (interval_s or 1.0) / max(1, len(self._boards))
        tasks = [
            asyncio.create_task(board.run(number * spread_s, stopped))
            for number, board in enumerate(self._boards)
        ]
        try:
            self._begin_s = time.monotonic()
            ended = asyncio.gather(*tasks)
            waiting = asyncio.create_task(interrupted.wait())
            await asyncio.wait(
                (ended, waiting), timeout=duration_s, return_when=asyncio.FIRST_COMPLETED
            )
            stopped.set()
            waiting.cancel()
            await asyncio.wait((ended,), timeout=_DRAIN_S)
            if not ended.done():
                ended.cancel()
            await asyncio.gather(ended, return_exceptions=True)
            self._end_s = time.monotonic()
            if not interrupted.is_set():
                await self._drain()
            _raise_first(tasks)
        finally:
            showing.cancel()
            for board in self._boards:
                board.publisher.cut()
            signal.signal(signal.SIGINT, before)
        return interrupted.is_set()

    async def _drain(self) -> None:
        tasks = [asyncio.create_task(board.drain()) for board in self._boards if board.waiting]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=_DRAIN_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            _raise_first(tasks)

    async def _show(self, show: Callable[[Numbers], None]) -> None:
        while True:
            await asyncio.sleep(_SHOW_S)
            show(self.numbers())

    def numbers(self) -> Numbers:
        """Return where the run stands."""
        counters, boards = self._counters, self._boards
        seconds = (self._end_s or time.monotonic()) - self._begin_s
        ordered = sorted(counters.seconds)
        return Numbers(
            boards=len(boards),
            seconds=round(seconds, 1),
            made=counters.made,
            accepted=counters.accepted,
            refused=dict(sorted(counters.failed.items())),
            waiting=sum(len(board.waiting) for board in boards),
            dropped=counters.dropped,
            per_second=round(counters.accepted / seconds, 1) if seconds else 0.0,
            authentications=sum(board.publisher.authentications for board in boards),
            connections=sum(board.publisher.connections for board in boards),
            p50_ms=_percentile(ordered, 50),
            p95_ms=_percentile(ordered, 95),
            p99_ms=_percentile(ordered, 99),
            max_ms=_percentile(ordered, 100),
            last_error=counters.last_error,
        )

    def compare(self, console: Console) -> Compared:
        """Ask the emulator what has arrived of each board."""
        received = duplicates = lost = 0
        lost_of = []
        for board in self._boards:
            arrived = console.arrived(board.key, board.stream)
            received += arrived["received"]
            duplicates += arrived["duplicates"]
            # A board sends in order, so what it knows to be accepted are 1 to n, but for what was
            # refused. More may have arrived: a reply that was lost.
            missing = max(0, len(board.accepted) - arrived["received"])
            if missing:
                lost += missing
                lost_of.append(board.key)
        return Compared(received, duplicates, lost, lost_of)


def _raise_first(tasks: list[asyncio.Task[None]]) -> None:
    """Raise what a task ended with that it should not have: a mistake of ours."""
    for task in tasks:
        if task.done() and not task.cancelled() and (error := task.exception()):
            raise error


def _percentile(ordered: list[float], percent: int) -> float:
    """Return the value, in ms, that so many percent do not pass (nearest rank); 0 of none."""
    if not ordered:
        return 0.0
    rank = max(1, math.ceil(len(ordered) * percent / 100))
    return round(ordered[rank - 1] * 1000, 1)
