"""What stands around a virtual board: power, watchdog, and someone who reads its log.

One process of the runtime is one life of the board. The supervisor starts it, passes its log on,
and does what the board's `machine` asks for: after `deepsleep` and `reset` it starts the next life
on the same flash, and when the watchdog is not fed in time it kills the process, whatever that is
doing, and starts the next.
"""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from tools.virtual_board import runtimes
from tools.virtual_board.kinds import BLOCK_SIZE, BoardKind

# First byte of a message on the board's standard error; the same as in on_board/virtual_control.py
MARK = b"\x01"
# How long a board may take to stop after Ctrl-C; then its power is cut.
GRACE_S = 5.0

# What a board says last; a life that says none of these has crashed, or we ended it.
_ENDS = ("end", "reset", "deep sleep", "power cut")

# Why a run ended.
DONE = "done"  # main.py returned: the reports were accepted, or the board's error says why not
INTERRUPTED = "interrupted"
TIMEOUT = "timeout"
POWER_CUT = "power cut"
CRASHED = "crashed"  # the process ended without a word


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
    lives: int = 1
    erases: int = 0
    programs: int = 0
    programmed_bytes: int = 0
    causes: list[str] = field(default_factory=list)


class Supervisor:
    """Runs one virtual board. `log` gets each line that the board prints, without its end."""

    def __init__(self, setup: Setup, log: Callable[[str], None]):
        self._setup = setup
        self._log = log
        self._events: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._process: subprocess.Popen[bytes] | None = None
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

    def run(self) -> Outcome:
        """Run the board until its end; leaves no process behind."""
        if self._setup.timeout_s is not None:
            self._deadline = time.monotonic() + self._setup.timeout_s
        cause = "power on"
        with tempfile.TemporaryDirectory(prefix="linkpost-board-") as folder:
            modules = Path(folder)
            if self._setup.runtime == runtimes.MICROPYTHON:
                runtimes.compile_on_board(modules)
            else:
                modules = runtimes.ON_BOARD
            while True:
                end = self._live(cause, modules)
                what = end["what"]
                if what in ("reset", "watchdog", "deep sleep"):
                    cause = "hard" if what == "reset" else what
                    if not self._is_complete() and self._pause(end.get("ms", 0) / 1000):
                        continue
                    what = self._why_stop or DONE
                return self._outcome(what, end)

    def _live(self, cause: str, modules: Path) -> dict[str, Any]:
        """Run one life; return the message it ended with."""
        self._causes.append(cause)
        self._accepted_before = self._counts.accepted
        process = runtimes.start_module(
            self._setup.runtime,
            "virtual_boot",
            self._options(cause),
            [modules],
            self._setup.heap_bytes,
        )
        self._process = process
        readers = [
            threading.Thread(target=self._read_log, args=(process.stdout,), daemon=True),
            threading.Thread(target=self._read_messages, args=(process.stderr,), daemon=True),
        ]
        for reader in readers:
            reader.start()
        try:
            return self._watch(process, len(readers))
        finally:
            process.kill()
            process.wait()
            for reader in readers:
                reader.join()
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()
            self._process = None

    def _options(self, cause: str) -> dict[str, Any]:
        setup = self._setup
        kind = setup.kind
        on_image = setup.runtime == runtimes.MICROPYTHON
        left = None if setup.reports is None else setup.reports - self._counts.accepted
        return {
            "flash": str(setup.flash.absolute()),
            "block_size": BLOCK_SIZE,
            "block_count": kind.block_count if on_image else 0,
            "read_size": kind.read_size,
            "prog_size": kind.read_size,
            "cut_at": setup.cut_at,
            "wear": self._wear,
            "watchdog_max_ms": kind.watchdog_max_ms,
            "retained_bytes": kind.retained_bytes,
            "can_deep_sleep": kind.can_deep_sleep,
            "cause": cause,
            "retained": self._retained,
            "reports": left,
        }

    def _watch(self, process: subprocess.Popen[bytes], readers: int) -> dict[str, Any]:
        """Follow one life; return its last message, or one we make for it."""
        end: dict[str, Any] = {"what": CRASHED}
        watchdog_s = 0.0
        bites_at: float | None = None
        gives_up_at: float | None = None
        while readers:
            now = time.monotonic()
            if bites_at is not None and now >= bites_at:
                self._log("linkpost: the watchdog was not fed in time: reset")
                end = {"what": "watchdog"}
                bites_at = None
                process.kill()
            if gives_up_at is not None and now >= gives_up_at:
                gives_up_at = None
                process.kill()
            if self._deadline is not None and now >= self._deadline:
                self._deadline = None
                self._events.put(("stop", TIMEOUT))
            moments = [t for t in (bites_at, gives_up_at, self._deadline) if t is not None]
            try:
                event, value = self._events.get(
                    timeout=max(0.0, min(moments) - now) if moments else None
                )
            except queue.Empty:
                continue
            if event == "log":
                self._log(value)
            elif event == "closed":
                readers -= 1
            elif event == "stop":
                if self._why_stop is not None:
                    process.kill()
                else:
                    self._why_stop = value
                    gives_up_at = time.monotonic() + GRACE_S
                    runtimes.interrupt(process)
            else:
                what = value["what"]
                self._take_counts(value)
                if what == "watchdog":
                    watchdog_s = value["ms"] / 1000
                if what in ("watchdog", "fed"):
                    bites_at = time.monotonic() + watchdog_s
                elif what == "retain":
                    self._retained = value["data"]
                elif what in _ENDS:
                    end = value
                    bites_at = None
        process.wait()
        if end["what"] == CRASHED and self._why_stop is None:
            end["status"] = process.returncode
        return end

    def _take_counts(self, message: dict[str, Any]) -> None:
        if "accepted" in message:
            self._counts = Counts(
                self._accepted_before + message["accepted"],
                message["quarantined"],
                message["pending"],
                message["dropped"],
            )
            self._last_error = message["last_error"]
            self._wear = message.get("wear", self._wear)

    def _is_complete(self) -> bool:
        wanted = self._setup.reports
        return wanted is not None and self._counts.accepted >= wanted

    def _pause(self, seconds: float) -> bool:
        """Let the board sleep; return whether it shall wake."""
        wakes_at = time.monotonic() + seconds
        while self._why_stop is None:
            now = time.monotonic()
            if self._deadline is not None and now >= self._deadline:
                self._why_stop = TIMEOUT
            elif now >= wakes_at:
                return True
            else:
                moment = min(wakes_at, self._deadline or wakes_at)
                try:
                    event, value = self._events.get(timeout=max(0.0, moment - now))
                except queue.Empty:
                    continue
                if event == "stop":
                    self._why_stop = value
        return False

    def _outcome(self, what: str, end: dict[str, Any]) -> Outcome:
        if what == "end" and not end["interrupted"]:
            reason = DONE
        elif what in (POWER_CUT, DONE):
            reason = what
        else:
            reason = self._why_stop or (INTERRUPTED if what == "end" else CRASHED)
        message = end.get("message") or ""
        if reason == CRASHED:
            message = f"the board's process ended unexpectedly (status {end.get('status')})"
        if reason == POWER_CUT:
            message = f"power cut at flash operation {end['operation']}"
        erases, programs, programmed_bytes = self._wear
        return Outcome(
            reason,
            self._counts,
            end.get("error"),
            message,
            self._last_error,
            len(self._causes),
            erases,
            programs,
            programmed_bytes,
            self._causes,
        )

    def _read_log(self, pipe: IO[bytes]) -> None:
        for line in pipe:
            self._events.put(("log", line.decode(errors="replace").rstrip("\r\n")))
        self._events.put(("closed", None))

    def _read_messages(self, pipe: IO[bytes]) -> None:
        for line in pipe:
            if not line.startswith(MARK):
                self._events.put(("log", line.decode(errors="replace").rstrip("\r\n")))
                continue
            with contextlib.suppress(ValueError):  # a message that a kill has cut short
                self._events.put(("said", json.loads(line[1:])))
        self._events.put(("closed", None))
