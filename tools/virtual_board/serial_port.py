"""A serial port to which programs connect: a pseudo-terminal under a name that stays.

What the board prints while nobody listens is lost, as it is on a wire. Linux; on macOS not tried.
"""

from __future__ import annotations

import contextlib
import os
import pty
import select
import termios
import tty
from pathlib import Path

# What a listener has not taken; a program that opens the port and never reads must not stop us.
_BACKLOG_BYTES = 1 << 20
_PIECE_BYTES = 4096


class SerialPort:
    """A port that appears and vanishes under the symbolic link `link`."""

    def __init__(self, link: Path):
        self.link = link
        self.fd: int | None = None  # None: it is not there
        self._device = ""
        self._listened = False
        self._backlog = b""

    def appear(self) -> None:
        """Be there, as a new device under the same name."""
        if self.fd is not None:
            return
        self.fd, device = pty.openpty()
        self._device = os.ttyname(device)
        # Programs set their own modes; until then, an echo would come to the board as typed text.
        tty.setraw(device)
        os.close(device)
        os.set_blocking(self.fd, False)
        self._listened, self._backlog = False, b""
        new = self.link.with_name(f".{self.link.name}.new")
        new.unlink(missing_ok=True)
        new.symlink_to(self._device)
        os.replace(new, self.link)

    def vanish(self) -> None:
        """Be gone: programs that have it open get an error."""
        self.link.unlink(missing_ok=True)
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None

    def is_listened(self) -> bool:
        """Tell whether a program has the port open."""
        if self.fd is None:
            return False
        poll = select.poll()
        poll.register(self.fd, 0)
        listened = not any(
            events & (select.POLLHUP | select.POLLERR) for _, events in poll.poll(0)
        )
        if self._listened and not listened:
            self._forget_unread()
        self._listened = listened
        return listened

    @property
    def wants(self) -> int:
        """Return the events of `select.poll` to wait for."""
        return select.POLLIN | (select.POLLOUT if self._backlog else 0)

    def read(self) -> bytes:
        """Return what was typed; nothing where there is nothing."""
        if self.fd is None:
            return b""
        try:
            return os.read(self.fd, _PIECE_BYTES)
        except OSError:  # EAGAIN, or EIO where the last program has closed it
            return b""

    def write(self, data: bytes = b"") -> None:
        """Send that to whom listens, and what waits before it, as far as it is taken."""
        if not self.is_listened():
            return
        self._backlog = (self._backlog + data)[-_BACKLOG_BYTES:]
        with contextlib.suppress(OSError):
            while self._backlog and self.fd is not None:
                self._backlog = self._backlog[os.write(self.fd, self._backlog) :]

    def _forget_unread(self) -> None:
        """Drop what the program that left did not read: it is not for the next."""
        self._backlog = b""
        with contextlib.suppress(OSError, termios.error):
            device = os.open(self._device, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            try:
                termios.tcflush(device, termios.TCIFLUSH)
                tty.setraw(device)
            finally:
                os.close(device)
