"""A file that one process at a time may work with, and that is on the disk when it says so."""

from __future__ import annotations

import os
import sys
from pathlib import Path

# Where Windows locks a byte: far behind the content, which others may go on reading.
_LOCK_AT = 1 << 30


class InUse(Exception):
    """Another process has the file."""


def open_private(path: str, flags: int) -> int:
    """Open a file that is made for its owner only; an `opener` for `open`."""
    return os.open(path, flags, 0o600)


def lock(descriptor: int) -> None:
    """Keep other processes off the file until it is closed. Raises: InUse."""
    try:
        if sys.platform == "win32":  # not tried
            import msvcrt

            os.lseek(descriptor, _LOCK_AT, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise InUse(str(error)) from error


def sync_folder(folder: Path) -> None:
    """Let a file that was made in the folder be there after a power cut."""
    if sys.platform == "win32":  # it has no such thing
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
