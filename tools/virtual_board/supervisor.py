"""What stands around a virtual board: power, watchdog, and someone who reads its log.

One process of the runtime is one life of the board. The supervisor starts it, passes its log on,
and does what the board's `machine` asks for: after `deepsleep` and `reset` it starts the next life
on the same flash, and when the watchdog is not fed in time it kills the process, whatever that is
doing, and starts the next.
"""

from __future__ import annotations

import queue
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import runtimes
from .kinds import BLOCK_SIZE, BoardKind
from .life import CRASHED, WATCHDOG, Event, Life

# Why a run ended; CRASHED where the process ended without a word.
DONE = "done"  # main.py returned: the reports were accepted, or the board's error says why not
INTERRUPTED = "interrupted"
TIMEOUT = "timeout"
POWER_CUT = "power cut"


@dataclass(frozen=True)
class Setup:
    """One virtual board and what is wanted of it."""

    runtime: str
    kind: BoardKind
    flash: Path  # an image file; for CPython a folder
    heap_bytes: int = runtimes.DEFAULT_HEAP_BYTES
    reports: int | None = None  # stop after so many were accepted; None: run on
    timeout_s: float | None = None
    cut_at: int = 0  # cut the power in the middle of that flash operation; 0 never


@dataclass
class Counts:
    """What became of the readings in this run."""

    accepted: int = 0
    quarantined: int = 0
    pending: int = 0
    dropped: int = 0

    def __str__(self) -> str:
        return (
            f"{self.accepted} accepted, {self.quarantined} quarantined, "
            f"{self.pending} pending, {self.dropped} dropped"
        )


@dataclass
class Outcome:
    """How a run ended; `error` is a class name of the firmware's errors, or None."""

    reason: str
    counts: Counts
    error: str | None = None
    message: str = ""
    last_error: str | None = None  # class of the board's latest failure, None after a success
    erases: int = 0
    programs: int = 0
    programmed_bytes: int = 0
    causes: list[str] = field(default_factory=list)  # why each life started


def boot_options(
    setup: Setup, cause: str, *, retained: str, wear: list[int], reports: int | None = None
) -> dict[str, Any]:
    """Return what on_board/virtual_boot.py wants to know; `retained` in hex, as it said it."""
    kind = setup.kind
    on_image = setup.runtime == runtimes.MICROPYTHON
    return {
        "flash": str(setup.flash.absolute()),
        "block_size": BLOCK_SIZE,
        "block_count": kind.block_count if on_image else 0,
        "read_size": kind.read_size,
        "prog_size": kind.read_size,
        "cut_at": setup.cut_at,
        "wear": wear,
        "watchdog_max_ms": kind.watchdog_max_ms,
        "retained_bytes": kind.retained_bytes,
        "can_deep_sleep": kind.can_deep_sleep,
        "cause": cause,
        "retained": retained,
        "reports": reports,
    }


class Supervisor:
    """Runs one virtual board. `log` gets each line that the board prints, without its end."""

    def __init__(self, setup: Setup, log: Callable[[str], None]):
        self._setup = setup
        self._log = log
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._retained = ""
        self._wear = [0, 0, 0]
        self._accepted_before = 0
        self._counts = Counts()
        self._last_error: str | None = None
        self._causes: list[str] = []
        self._why_stop: str | None = None
        self._deadline: float | None = None

    def stop(self) -> None:
        """Stop the board as Ctrl-C does; a second time cuts its power. Safe in signal handlers."""
        self._events.put(("stop", INTERRUPTED))

    def cut_power(self) -> None:
        """Cut the power at this moment, also of a board that sleeps; `run` ends with POWER_CUT."""
        self._events.put(("stop", POWER_CUT))

    def run(self) -> Outcome:
        """Run the board until its end; leaves no process behind."""
        if self._setup.timeout_s is not None:
            self._deadline = time.monotonic() + self._setup.timeout_s
        with tempfile.TemporaryDirectory(prefix="linkpost-board-") as folder:
            modules = Path(folder)
            if self._setup.runtime == runtimes.MICROPYTHON:
                runtimes.compile_on_board(modules)
            else:
                modules = runtimes.ON_BOARD
            cause: str | None = "power on"
            while cause is not None:
                end = self._live(cause, modules)
                cause = self._next_cause(end)
        return self._outcome(end)

    def _live(self, cause: str, modules: Path) -> dict[str, Any]:
        """Run one life; return the message it ended with."""
        self._causes.append(cause)
        self._accepted_before = self._counts.accepted
        setup = self._setup
        options = boot_options(
            setup,
            cause,
            retained=self._retained,
            wear=self._wear,
            reports=None if setup.reports is None else setup.reports - self._counts.accepted,
        )
        life = Life(
            setup.runtime,
            runtimes.start_module(
                setup.runtime, "virtual_boot", options, [modules], setup.heap_bytes
            ),
            self._events,
        )
        try:
            while life.is_open:
                event = self._next_event(life.next_moment())
                if event is not None:
                    self._take(event, life)
                if life.look_at_clock():
                    self._log("linkpost: the watchdog was not fed in time: reset")
        finally:
            life.close()
        return life.end

    def _next_event(self, until: float | None) -> Event | None:
        """Return the next event; None when that moment has come. The deadline is an event."""
        moments = [at for at in (until, self._deadline) if at is not None]
        wait_s = max(0.0, min(moments) - time.monotonic()) if moments else None
        try:
            return self._events.get(timeout=wait_s)
        except queue.Empty:
            if self._deadline is not None and time.monotonic() >= self._deadline:
                self._deadline = None
                return ("stop", TIMEOUT)
            return None

    def _take(self, event: Event, life: Life) -> None:
        kind, value = event
        life.take(event)
        if kind == "log":
            self._log(value)
        elif kind == "stop":
            self._why_stop = self._why_stop or value
            if value == POWER_CUT:
                life.cut_power()
            else:
                life.interrupt()
        elif kind == "said":
            if value["what"] == "retain":
                self._retained = value["data"]
            if "accepted" in value:
                self._take_counts(value)

    def _take_counts(self, message: dict[str, Any]) -> None:
        self._counts = Counts(
            self._accepted_before + message["accepted"],
            message["quarantined"],
            message["pending"],
            message["dropped"],
        )
        self._last_error = message["last_error"]
        self._wear = message.get("wear", self._wear)

    def _next_cause(self, end: dict[str, Any]) -> str | None:
        """Return why the next life starts, after what the board sleeps; None: there is none."""
        what = end["what"]
        if what not in ("reset", "deep sleep", WATCHDOG) or self._is_complete():
            return None
        if not self._sleep(end.get("ms", 0) / 1000):
            return None
        return "hard" if what == "reset" else what

    def _is_complete(self) -> bool:
        wanted = self._setup.reports
        return wanted is not None and self._counts.accepted >= wanted

    def _sleep(self, seconds: float) -> bool:
        """Let the board sleep; return whether it shall wake."""
        wakes_at = time.monotonic() + seconds
        while self._why_stop is None and time.monotonic() < wakes_at:
            event = self._next_event(wakes_at)
            if event is not None and event[0] == "stop":
                self._why_stop = event[1]
        return self._why_stop is None

    def _outcome(self, end: dict[str, Any]) -> Outcome:
        if end["what"] == "power cut":
            reason = POWER_CUT
        elif end["what"] == "end" and not end["interrupted"]:
            reason = DONE
        elif end["what"] == "end":
            reason = self._why_stop or INTERRUPTED
        elif end["what"] == CRASHED:
            reason = self._why_stop or CRASHED
        else:  # asleep or resetting, and not started again
            reason = self._why_stop or DONE
        message = end.get("message") or ""
        if end["what"] == "power cut":
            message = f"power cut at flash operation {end['operation']}"
        elif reason == TIMEOUT:
            failure = f"; the board's latest failure: {self._last_error}"
            message = "the timeout has passed" + (failure if self._last_error else "")
        elif reason in (INTERRUPTED, POWER_CUT):
            message = ""
        erases, programs, programmed_bytes = self._wear
        return Outcome(
            reason,
            self._counts,
            end.get("error"),
            message,
            self._last_error,
            erases,
            programs,
            programmed_bytes,
            self._causes,
        )
