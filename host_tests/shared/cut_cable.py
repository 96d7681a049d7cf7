"""A USB cable that breaks after a given number of bytes, between a tool and a board's port."""

from __future__ import annotations

import contextlib
import os
import select
import tempfile
import threading
import tty
from pathlib import Path


class CutCable(contextlib.AbstractContextManager["CutCable"]):
    """Passes bytes on between `port`, for the tool, and the board's own.

    After `cut_after` bytes towards the board nothing passes any more, and the tool finds its port
    gone; the board notices nothing, as with a real cable. `passed` counts them.
    """

    def __init__(self, board_port: str | Path, cut_after: int | None = None):
        self.cut_after = cut_after
        self.passed = 0
        self._board = os.open(board_port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        tty.setraw(self._board)
        self._tool, theirs = os.openpty()
        tty.setraw(theirs)
        # By a name that goes with it: the device's own is soon another test's.
        self._folder = tempfile.TemporaryDirectory(prefix="linkpost-cable-")
        self.port = str(Path(self._folder.name, "port"))
        os.symlink(os.ttyname(theirs), self.port)
        self._theirs = theirs
        self._stop_reader, self._stop = os.pipe()
        self._thread = threading.Thread(target=self._pass_on, daemon=True)
        self._thread.start()

    def __exit__(self, *details: object) -> None:
        os.write(self._stop, b".")
        self._thread.join()
        for descriptor in (self._board, self._stop, self._stop_reader):
            os.close(descriptor)
        self._folder.cleanup()

    def _pass_on(self) -> None:
        os.set_blocking(self._board, True)
        try:
            while True:
                ready, _, _ = select.select([self._tool, self._board, self._stop_reader], [], [])
                if self._stop_reader in ready:
                    return
                if self._board in ready:
                    os.write(self._tool, os.read(self._board, 4096))
                if self._tool in ready and not self._to_board(os.read(self._tool, 4096)):
                    return
        except OSError:
            pass  # the board's own end of the port is gone
        finally:
            # Closed, so that the tool's next read or write fails.
            os.unlink(self.port)
            os.close(self._theirs)
            os.close(self._tool)

    def _to_board(self, data: bytes) -> bool:
        """Pass it on as far as the cable goes; return whether it is whole still."""
        if self.cut_after is not None:
            data = data[: max(0, self.cut_after - self.passed)]
        os.write(self._board, data)
        self.passed += len(data)
        return self.cut_after is None or self.passed < self.cut_after
