"""A command in a terminal of its own, answered at its prompts (POSIX)."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path(__file__).parent.parent.parent
_WAIT_S = 60.0
_PATIENCE_S = 5.0
_CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """What a person sees and types. `text` is all of it so far, without colour codes."""

    def __init__(self, process: subprocess.Popen, descriptor: int):
        self.process = process
        self._descriptor = descriptor
        self._data = b""
        self._seen = 0

    @property
    def text(self) -> str:
        return _CODES.sub("", self._data.decode(errors="replace")).replace("\r", "")

    def wait_for(self, words: str) -> None:
        """Read until these words are on the screen, after those that were waited for before."""
        deadline = time.monotonic() + _WAIT_S
        while (at := self.text.find(words, self._seen)) < 0:
            assert time.monotonic() < deadline, f"no {words!r} in: {self.text}"
            if not self._read(0.2):
                assert self.process.poll() is None, f"ended without {words!r}: {self.text}"
        self._seen = at + len(words)

    def type(self, text: str) -> None:
        os.write(self._descriptor, text.encode())

    def answer(self, prompt: str, text: str) -> None:
        """Wait for a prompt and answer it."""
        self.wait_for(prompt)
        self.type(text + "\n")

    def interrupt(self) -> int:
        """Press Ctrl-C, as a person does who sees nothing happen; return the exit code.

        One that comes after a prompt is printed and before it is waited at there is noticed by
        Python only with the next one.
        """
        deadline = time.monotonic() + _WAIT_S
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"does not end: {self.text}"
            os.killpg(self.process.pid, signal.SIGINT)
            again = time.monotonic() + _PATIENCE_S
            while self.process.poll() is None and time.monotonic() < again:
                self._read(0.2)
        return self.end()

    def end(self) -> int:
        """Read to the end; return the exit code."""
        deadline = time.monotonic() + _WAIT_S
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"does not end: {self.text}"
            self._read(0.2)
        while self._read(0.1):
            pass
        return self.process.returncode

    def _read(self, wait_s: float) -> bool:
        if not select.select([self._descriptor], [], [], wait_s)[0]:
            return False
        try:
            data = os.read(self._descriptor, 65536)
        except OSError:  # EIO: the other side is closed
            return False
        self._data += data
        return bool(data)


@contextlib.contextmanager
def linkpost_in_terminal(*arguments: object, columns: int = 80) -> Iterator[Terminal]:
    """Run `linkpost` with these arguments in a terminal that wide."""
    import fcntl
    import pty
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "tools", *map(str, arguments)],
        cwd=_ROOT,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": str(columns)},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        yield Terminal(process, ours)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
