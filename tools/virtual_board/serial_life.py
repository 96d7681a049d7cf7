"""One life of a virtual board with a REPL: a process of MicroPython on an inner pseudo-terminal.

A typed Ctrl-C is a character like any other at the REPL, and the signal that stops it while code
runs. Which of the two it is, the process tells without being asked: MicroPython catches SIGINT
while Ctrl-C shall interrupt, and only then. Linux shows that. Elsewhere the modes of the terminal
have to do, which the unix port sets while it waits for a line; code that came by raw paste runs in
these modes too, and takes no Ctrl-C there (macOS: not tried).
"""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
import termios
import time
import tty
from pathlib import Path
from typing import Any

from . import runtimes
from .life import MARK

CTRL_C = b"\x03"
RAW_BANNER = b"raw REPL; CTRL-B to exit\r\n>"
FRIENDLY_PROMPT = b">>> "

# What a board says last; one that says none of these was reset softly, or we ended it.
_ENDS = ("reset", "deep sleep", "power cut", "no file system")

_LOCAL_MODES = 3  # index in what tcgetattr returns
# Has no effect where nothing is echoed; the port clears it while it waits for a line.
_RUNNING = termios.ECHOE
_PIECE_BYTES = 65536
# Typed ahead while code runs and reads nothing; more is lost, as on a chip.
_TYPED_AHEAD_BYTES = 1 << 16
# What a typed Ctrl-C is.
_STOPS, _CHARACTER, _UNKNOWN = "stops", "character", "unknown"
# What the kernel takes to hand on what was sent, on a busy machine.
_ON_ITS_WAY_S = 0.005
_TAIL_BYTES = len(RAW_BANNER)


class SerialLife:
    """Owns the process. Args: see `runtimes.start_repl`; `in_raw_repl` after a soft reset there.

    `messages_fd` and `terminal_fd` are for `select.poll`; None once they are closed.
    """

    def __init__(self, options: dict[str, Any], modules: Path, heap_bytes: int, in_raw_repl: bool):
        terminal, inside = pty.openpty()
        try:
            tty.setraw(inside)
            modes = termios.tcgetattr(inside)
            modes[_LOCAL_MODES] |= _RUNNING
            termios.tcsetattr(inside, termios.TCSANOW, modes)
            self.process: subprocess.Popen[bytes] = runtimes.start_repl(
                {**options, "in_raw_repl": in_raw_repl}, [modules], heap_bytes, inside
            )
        except BaseException:
            os.close(terminal)
            raise
        finally:
            os.close(inside)
        self.terminal_fd: int | None = terminal
        self.messages_fd: int | None = self.process.stderr.fileno()  # type: ignore[union-attr]
        for descriptor in (self.terminal_fd, self.messages_fd):
            os.set_blocking(descriptor, False)
        # The last thing it said about its end; None where it ended without a word: a soft reset.
        self.end: dict[str, Any] | None = None
        self.in_raw_repl = in_raw_repl
        self._phase = "starting"  # -> "main" (main.py runs) -> "ending" -> "repl"
        self._tail = b""
        self._last = b""
        self._message = b""
        self._typed = b""
        self._sent_at = 0.0

    @property
    def is_open(self) -> bool:
        """Tell whether more may come."""
        return self.terminal_fd is not None or self.messages_fd is not None

    @property
    def has_started(self) -> bool:
        """Tell whether it came as far as boot.py and main.py."""
        return self._phase != "starting"

    @property
    def has_typed(self) -> bool:
        """Tell whether typed text waits to be taken up."""
        return bool(self._typed)

    def type(self, data: bytes) -> None:
        """Take what came over the port: Ctrl-C stops code that runs, all else is for who reads."""
        self._typed = (self._typed + data)[:_TYPED_AHEAD_BYTES]
        self.pass_on()

    def pass_on(self) -> None:
        """Pass on what was typed, as far as the board takes it.

        From its start until main.py runs, and from then until the prompt, Ctrl-C would stop our
        own side of the board: all waits.
        """
        if self._phase == "ending" and self._ctrl_c_is() == _CHARACTER:
            self._phase = "repl"
        if self._phase not in ("main", "repl"):
            return
        while self._typed and self.terminal_fd is not None:
            before, _, after = self._typed.partition(CTRL_C)
            if before:
                count = self._send(before)
                self._typed = self._typed[count:]
                if count < len(before):
                    break
                continue
            ctrl_c_is = self._ctrl_c_is()
            if ctrl_c_is == _STOPS:
                self.press_ctrl_c()
            elif ctrl_c_is == _UNKNOWN or not self._send(CTRL_C):
                break
            self._typed = after
        if CTRL_C in self._typed and self._ctrl_c_is() == _STOPS:
            # Its input is full of what nobody reads: Ctrl-C gets in all the same.
            self._typed = self._typed.replace(CTRL_C, b"")
            self.press_ctrl_c()

    def press_ctrl_c(self) -> None:
        """Stop the code that runs."""
        runtimes.interrupt(runtimes.MICROPYTHON, self.process)

    def read_output(self) -> bytes:
        """Return what it printed, line ends as a chip sends them."""
        if self.terminal_fd is None:
            return b""
        try:
            data = os.read(self.terminal_fd, _PIECE_BYTES)
        except BlockingIOError:
            return b""
        except OSError:  # EIO: the process is gone
            data = b""
        if not data:
            os.close(self.terminal_fd)
            self.terminal_fd = None
            return b""
        self._follow_mode(data)
        return self._with_line_ends(data)

    def read_messages(self) -> list[dict[str, Any] | str]:
        """Return what it said: messages of `on_board/virtual_control.py`, other lines as text."""
        if self.messages_fd is None:
            return []
        try:
            data = os.read(self.messages_fd, _PIECE_BYTES)
        except BlockingIOError:
            return []
        if not data:
            self.messages_fd = None  # the process object closes it
        *lines, self._message = (self._message + data).split(b"\n")
        found: list[dict[str, Any] | str] = []
        for line in lines:
            if not line.startswith(MARK):
                found.append(line.decode(errors="replace").rstrip("\r"))
                continue
            with contextlib.suppress(ValueError):  # a message that a kill has cut short
                found.append(json.loads(line[1:]))
        for message in found:
            if isinstance(message, dict):
                self._take(message)
        return found

    def kill(self) -> None:
        """End the process as a cut of the power does."""
        self.process.kill()

    def close(self) -> int:
        """End the process if it still runs; let go of it, and return its status."""
        self.process.kill()
        if self.terminal_fd is not None:
            os.close(self.terminal_fd)
            self.terminal_fd = None
        if self.process.stderr is not None:
            self.process.stderr.close()
        self.messages_fd = None
        return self.process.wait()

    def _take(self, message: dict[str, Any]) -> None:
        what = message["what"]
        if what == "main starts":
            self._phase = "main"
        elif what == "main ended":
            self._phase = "ending"
        elif what in _ENDS:
            self.end = message

    def _ctrl_c_is(self) -> str:
        """Return what Ctrl-C is now, _STOPS or _CHARACTER; _UNKNOWN where it has to wait a moment.

        A chip takes a line up at once, this process when it is its turn; a Ctrl-C behind the line
        would come too early, and wait to be read while the code runs.
        """
        if self.terminal_fd is None:
            return _UNKNOWN
        try:
            if sys.platform != "linux":
                runs = termios.tcgetattr(self.terminal_fd)[_LOCAL_MODES] & _RUNNING
                return _STOPS if runs else _CHARACTER
            # Both from one look: between two, the process may have begun to run code.
            status = Path(f"/proc/{self.process.pid}/status").read_text()
        except (OSError, termios.error):  # it is gone
            return _UNKNOWN
        values = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        if int(values.get("SigCgt", "0"), 16) >> (signal.SIGINT - 1) & 1:
            return _STOPS
        sleeps = values.get("State", "").startswith("S")
        is_taken_up = time.monotonic() >= self._sent_at + _ON_ITS_WAY_S
        return _CHARACTER if sleeps and is_taken_up else _UNKNOWN

    def _send(self, data: bytes) -> int:
        self._sent_at = time.monotonic()
        try:
            return os.write(self.terminal_fd, data) if self.terminal_fd is not None else 0
        except BlockingIOError:
            return 0
        except OSError:  # it is gone
            return len(data)

    def _with_line_ends(self, data: bytes) -> bytes:
        """Let each line end in carriage return and line feed, as MicroPython does on chips."""
        is_second_half = self._last == b"\r" and data[:1] == b"\n"
        self._last = data[-1:]
        data = data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        return data[1:] if is_second_half else data

    def _follow_mode(self, data: bytes) -> None:
        """Remember which of the two REPLs it is in: a soft reset keeps that."""
        text = self._tail + data
        raw, friendly = text.rfind(RAW_BANNER), text.rfind(FRIENDLY_PROMPT)
        if raw != friendly:
            self.in_raw_repl = raw > friendly
        self._tail = text[-_TAIL_BYTES:]
