"""The raw REPL of an emulated chip: run a script, return what it printed."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..terminal.failures import NO_BOARD, TIMEOUT, CommandError
from .process import ChipProcess

_RAW_REPL = b"raw REPL; CTRL-B to exit\r\n>"
_END = b"\x04"


class ChipRepl:
    """A raw REPL on a board that is not running a program, or is stopped by Ctrl-C."""

    def __init__(
        self,
        chip: ChipProcess,
        on_note: Callable[[str], None] = lambda text: None,
        on_event: Callable[[], None] = lambda: None,
    ):
        self._chip = chip
        self._on_note = on_note
        self._on_event = on_event
        self._buffer = b""

    @property
    def heard(self) -> bytes:
        """What came that no answer has taken yet: of a script that did not end."""
        return self._buffer

    def enter(self, timeout_s: float = 60) -> None:
        """Stop what runs and enter the raw REPL."""
        self._chip.type(b"\r\x03\x03\x01")
        self._until(_RAW_REPL, timeout_s)

    def soft_reset(self, timeout_s: float = 60) -> None:
        """Start anew at the raw REPL, behind boot.py: main.py does not run."""
        self._chip.type(_END)
        self._until(_RAW_REPL, timeout_s)

    def run(
        self,
        script: bytes,
        timeout_s: float = 600,
        on_output: Callable[[bytes], None] = lambda data: None,
    ) -> tuple[bytes, bytes]:
        """Run a script; return (its output, its traceback or b"")."""
        # An end of nothing is a soft reset.
        self._chip.type((script if script.strip() else b"pass") + _END)
        self._until(b"OK", timeout_s)
        output = self._until(b"\x04", timeout_s, on_output)
        error = self._until(b"\x04", timeout_s)
        self._until(b">", timeout_s)
        return output, error

    def _until(
        self, end: bytes, timeout_s: float, on_output: Callable[[bytes], None] = lambda data: None
    ) -> bytes:
        deadline = time.monotonic() + timeout_s
        shown = 0
        while True:
            at = self._buffer.find(end)
            stop = at if at >= 0 else max(shown, len(self._buffer) - len(end) + 1)
            if stop > shown:
                on_output(self._buffer[shown:stop])
                shown = stop
            if at >= 0:
                found, self._buffer = self._buffer[:at], self._buffer[at + len(end) :]
                return found
            event = self._chip.next_event(max(0.0, deadline - time.monotonic()))
            if event is None:
                raise CommandError(f"the chip did not answer within {timeout_s:.0f} s", TIMEOUT)
            self._on_event()
            if "console" in event:
                self._buffer += event["console"]
            elif "note" in event:
                self._on_note(event["note"])
            elif "reset" in event:
                raise CommandError("the chip has reset itself", NO_BOARD)
            elif "end" in event:
                raise CommandError(f"the chip is off: {event['end']}", NO_BOARD)
