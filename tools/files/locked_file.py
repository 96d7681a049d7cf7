"""A file that one process at a time may work with, and that is on the disk when it says so."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import IO

# Where Windows locks a byte: far behind the content, which others may go on reading.
_LOCK_AT = 1 << 30


class InUse(Exception):
    """Another process has the file."""


def open_locked(path: Path, mode: str) -> IO[bytes]:
    """Open a file for its owner only, which nobody else works with until it is closed.

    It is in its folder after a power cut too. Args: mode: "r+b", "x+b", "a+b". Raises: InUse;
    OSError.
    """
    # Without a buffer: after a failure it would hold what was not written.
    file = open(path, mode, buffering=0, opener=_open_private)  # noqa: SIM115  the caller's
    try:
        lock(file.fileno())
        sync_folder(path.absolute().parent)
    except BaseException:
        file.close()
        raise
    return file


def append(file: IO[bytes], data: bytes) -> None:
    """Write to the end of the file, onto the disk, all or nothing. Raises: OSError."""
    size = file.seek(0, os.SEEK_END)
    try:
        write(file, data)
    except OSError:
        # Half a line in the middle would be damage for ever.
        with contextlib.suppress(OSError):
            file.truncate(size)
        raise


def write(file: IO[bytes], data: bytes) -> None:
    """Write where the file stands, onto the disk. Raises: OSError."""
    while data:
        data = data[file.write(data) :]
    os.fsync(file.fileno())


def cut_to(file: IO[bytes], size: int) -> None:
    """Drop what stands behind `size` bytes, on the disk too. Raises: OSError."""
    file.truncate(size)
    os.fsync(file.fileno())


def _open_private(path: str, flags: int) -> int:
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
