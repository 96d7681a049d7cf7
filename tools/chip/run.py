"""One run of an emulated chip: its log, when it ends, and what became of the readings."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..firmware.outbox_copy import look_into
from ..monitor.log_line import parse_log_line
from ..terminal.failures import USAGE, CommandError
from ..virtual_board.life import CRASHED
from ..virtual_board.supervisor import DONE, INTERRUPTED, POWER_CUT, TIMEOUT, Counts, Outcome
from . import flash as flash_file
from .process import ChipProcess

# After Ctrl-C, for what the board does in one piece; then its power is cut.
_STOP_S = 30.0
_PROMPT = ">>> "
_TRACEBACK = "Traceback (most recent call last):"
# How often the chip time is printed.
_TELL_S = 15.0


@dataclass(frozen=True)
class Wanted:
    """What a run is to do."""

    reports: int | None = None  # stop after so many were accepted
    timeout_s: float | None = None  # of the computer's time
    cut_at: int = 0  # cut the power in the middle of that flash operation; 0 never


class ChipRun:
    """Runs one board to its end. `log` is given each line that the board prints, as it comes."""

    def __init__(self, wanted: Wanted, log: Callable[[str], None]):
        self._wanted = wanted
        self._log = log
        self._why: str | None = None  # it was told to stop
        self._stop_requested: str | None = None
        self._power_off_at: float | None = None
        self._line = b""
        self._counts = Counts()
        self._error: str | None = None
        self._message = ""
        self._last_error: str | None = None
        self._traceback: list[str] = []  # as much of it as has come
        self._raised = ""  # the last line of the latest traceback, where no log came after it
        self._is_silent = False  # our Ctrl-C has ended the program: what comes now is the REPL's
        self.is_at_prompt = False  # how it ended: its power was cut otherwise
        self.kept_by_stand_ins = 0
        self.heap = 0  # what --heap came to; 0: all of the chip's
        self.chip_ms = 0.0
        self.wall_s = 0.0

    def stop(self, why: str = INTERRUPTED) -> None:
        """Stop the board as Ctrl-C does; a second time cuts its power. For signal handlers."""
        if self._stop_requested is not None:
            self._power_off_at = 0.0
        self._stop_requested = why

    def run(self, path: Path, **options: Any) -> Outcome:
        """Power the board on and run it to its end. Options: those of `ChipProcess`."""
        began = time.monotonic()
        deadline = None if self._wanted.timeout_s is None else began + self._wanted.timeout_s
        told_at = began
        with ChipProcess(path, cut_at=self._wanted.cut_at, **options) as board:
            while True:
                event = board.next_event(0.2)
                now = time.monotonic()
                if event is not None and "end" in event:
                    break
                if event is not None:
                    self._take(event, board)
                if deadline is not None and now > deadline:
                    self._stop_requested = self._stop_requested or TIMEOUT
                if self._stop_requested is not None and self._why is None:
                    self._stop(board, self._stop_requested)
                if self._power_off_at is not None and now > self._power_off_at:
                    board.off()
                if now - told_at > _TELL_S:
                    told_at = now
                    self._tell_time(board.chip_ms, now - began)
            self.chip_ms, self.wall_s = board.chip_ms, time.monotonic() - began
        self._tell_traceback()
        return self._outcome(path, event)

    def _stop(self, board: ChipProcess, why: str) -> None:
        self._why = why
        board.type(b"\x03")
        self._power_off_at = time.monotonic() + _STOP_S

    def _take(self, event: dict[str, Any], board: ChipProcess) -> None:
        if "console" in event:
            *lines, self._line = (self._line + event["console"]).split(b"\n")
            for line in lines:
                self._take_line(line.decode(errors="replace").rstrip("\r"), board)
            if self._line.decode(errors="replace") == _PROMPT:
                self.is_at_prompt = True  # main.py has ended
                board.off()
        elif "note" in event:
            self.kept_by_stand_ins, self.heap = map(int, event["note"].split()[:2])
        elif "reset" in event:
            self._line = b""
            self._tell_traceback()

    def _take_line(self, text: str, board: ChipProcess) -> None:
        if text == _TRACEBACK:
            self._traceback = [text]
            return
        if self._traceback:
            self._traceback.append(text)
            if not text.startswith("  "):
                self._take_raised(text)
            return
        if self._is_silent:
            return
        self._log(text)
        line = parse_log_line(text)
        if line is None:
            return
        self._raised = ""
        if line.phrase == "accepted":
            self._last_error = None
            self._counts.accepted += int(line.fields.get("count", 1))
            wanted = self._wanted.reports
            if wanted is not None and self._counts.accepted >= wanted and self._why is None:
                self._stop(board, DONE)
        elif line.phrase == "cannot run":
            self._error = line.fields.get("error", "")
            self._message = f"{self._error}: {line.fields.get('why', '')}"
        elif "error" in line.fields:
            self._last_error = line.fields["error"]

    def _take_raised(self, text: str) -> None:
        """Take the last line of a traceback; what our own Ctrl-C does is not told."""
        if self._why is not None and text.startswith("KeyboardInterrupt"):
            self._traceback = []
            self._is_silent = True
        else:
            self._raised = text
            self._tell_traceback()

    def _tell_traceback(self) -> None:
        for line in self._traceback:
            self._log(line)
        self._traceback = []

    def _tell_time(self, chip_ms: float, wall_s: float) -> None:
        print(
            f"chip: {chip_ms / 1000:.1f} s of chip time so far, {wall_s:.0f} s here",
            file=sys.stderr,
            flush=True,
        )

    def _outcome(self, path: Path, end: dict[str, Any]) -> Outcome:
        operations = end.get("operations", {"erases": 0, "programs": 0, "bytes": 0})
        count = operations["erases"] + operations["programs"]
        reason = self._why or DONE
        if end["end"] == "power cut":
            reason = POWER_CUT
            self._message = f"power cut at flash operation {count}"
        elif end["end"] == "crashed":
            reason = CRASHED
            self._message = f"the emulator ended unexpectedly (exit code {end['code']})"
        elif self._wanted.cut_at:
            raise CommandError(
                f"--cut-power-at {self._wanted.cut_at}: this run had only {count} flash "
                "operations; give a smaller number",
                USAGE,
            )
        elif reason == TIMEOUT:
            failure = f"; the board's latest failure: {self._last_error}"
            self._message = "the timeout has passed" + (failure if self._last_error else "")
        elif reason == INTERRUPTED:
            self._message = ""
        elif self._why is None and self._error is None:
            reason = self._why_it_ended()
        self._count_waiting(path)
        return Outcome(
            reason,
            self._counts,
            self._error,
            self._message,
            self._last_error,
            operations["erases"],
            operations["programs"],
            operations["bytes"],
        )

    def _why_it_ended(self) -> str:
        """Say what a program that ended by itself had not done; return the reason."""
        if self._raised:
            self._error = self._raised.partition(":")[0]
            self._message = f"the board's program has ended: {self._raised}"
        elif self._counts.accepted < (self._wanted.reports or 0):
            self._message = (
                f"the board's program has ended after {self._counts.accepted} of "
                f"{self._wanted.reports} reports"
            )
            return CRASHED
        return DONE

    def _count_waiting(self, path: Path) -> None:
        try:
            found = look_into(flash_file.files_on(path), 0, False, lambda name, size: None)
        except CommandError:
            return  # cut in the middle: nothing to count yet
        self._counts.pending = found.pending
        self._counts.quarantined = found.quarantined
        self._counts.dropped = found.dropped
