"""One life of a virtual board: a process of the runtime, heard, watched and ended."""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import threading
import time
from typing import IO, Any

from . import runtimes
from .watchdog import Watchdog

# First byte of a message on the board's standard error; the same as in on_board/virtual_control.py
MARK = b"\x01"
# How long a board may take to stop after Ctrl-C; then its power is cut.
GRACE_S = 5.0

CRASHED = "crashed"
WATCHDOG = "watchdog"
# What a board says last; a life that says none of these has crashed, or we ended it.
_ENDS = ("end", "reset", "deep sleep", "power cut")

Event = tuple[str, Any]


class Life:
    """Owns the process. What it prints and says arrives in `events`:

    ("log", text)       a line, without its end
    ("said", message)   a message of `on_board/virtual_control.py`
    ("closed", None)    one of its two pipes

    `end` is the message it ended with, or ours for it: {"what": "crashed" or "watchdog"}.
    """

    def __init__(
        self, runtime: str, process: subprocess.Popen[bytes], events: queue.SimpleQueue[Event]
    ):
        self.end: dict[str, Any] = {"what": CRASHED}
        self._runtime = runtime
        self._process = process
        self._events = events
        self._watchdog = Watchdog()
        self._gives_up_at: float | None = None
        self._readers = [
            threading.Thread(target=read, args=(pipe,), daemon=True)
            for read, pipe in (
                (self._read_log, process.stdout),
                (self._read_messages, process.stderr),
            )
        ]
        self._open = len(self._readers)
        for reader in self._readers:
            reader.start()

    @property
    def is_open(self) -> bool:
        """Tell whether more may come."""
        return self._open > 0

    def next_moment(self) -> float | None:
        """Return when `look_at_clock` has something to do, or None."""
        moments = [at for at in (self._watchdog.bites_at, self._gives_up_at) if at is not None]
        return min(moments, default=None)

    def look_at_clock(self) -> bool:
        """Cut the power where it is time for it; return whether the watchdog bit."""
        now = time.monotonic()
        bites_at = self._watchdog.bites_at
        bites = bites_at is not None and now >= bites_at
        if bites:
            self.end = {"what": WATCHDOG}
            self._watchdog.stop()
        gives_up = self._gives_up_at is not None and now >= self._gives_up_at
        if gives_up:
            self._gives_up_at = None
        if bites or gives_up:
            self._process.kill()
        return bites

    def take(self, event: Event) -> None:
        """Follow what an event means for this life."""
        kind, value = event
        if kind == "closed":
            self._open -= 1
        if kind != "said":
            return
        self._watchdog.take(value)
        if value["what"] in _ENDS:
            self.end = value
            self._watchdog.stop()

    def interrupt(self) -> None:
        """Press Ctrl-C; cut the power where that does not help in time, or at the second time."""
        if self._gives_up_at is not None:
            self._process.kill()
        else:
            self._gives_up_at = time.monotonic() + GRACE_S
            runtimes.interrupt(self._runtime, self._process)

    def cut_power(self) -> None:
        """Cut the power at this moment, whatever the board is doing."""
        self._process.kill()

    def close(self) -> None:
        """End the process if it still runs, and let go of it."""
        self._process.kill()
        status = self._process.wait()
        if self.end["what"] == CRASHED:
            self.end["message"] = f"the board's process ended unexpectedly (status {status})"
        for reader in self._readers:
            reader.join()
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()

    def _read_log(self, pipe: IO[bytes]) -> None:
        for line in pipe:
            self._events.put(("log", _text(line)))
        self._events.put(("closed", None))

    def _read_messages(self, pipe: IO[bytes]) -> None:
        for line in pipe:
            if not line.startswith(MARK):
                self._events.put(("log", _text(line)))
                continue
            with contextlib.suppress(ValueError):  # a message that a kill has cut short
                self._events.put(("said", json.loads(line[1:])))
        self._events.put(("closed", None))


def _text(line: bytes) -> str:
    return line.decode(errors="replace").rstrip("\r\n")
