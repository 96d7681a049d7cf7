"""Reading whole small files. Paths are relative: a board's current directory is its root.

Loaded for a moment.
"""

import os

from ..errors import StorageError

_ENOENT = 2  # the same number on every chip
_STAT_SIZE = 6  # index in what os.stat returns


def read_bytes(path: str, max_bytes: int):
    """Return the file's bytes, or None where there is no such file.

    Raises: StorageError where it cannot be read or is longer than `max_bytes`.
    Memory: as many bytes as the file has.
    """
    try:
        size = os.stat(path)[_STAT_SIZE]
        if size > max_bytes:
            raise StorageError("%s is over %d bytes" % (path, max_bytes))
        with open(path, "rb") as file:
            return file.read(size)
    except OSError as error:
        if error.errno == _ENOENT:
            return None
        raise StorageError("cannot read %s (error %s)" % (path, error.errno))


def open_file(path: str):
    """Return the file, open for reading bytes; the caller closes it. Raises: StorageError."""
    try:
        return open(path, "rb")  # noqa: SIM115  the caller's `with` closes it
    except OSError as error:
        raise StorageError("cannot read %s (error %s)" % (path, error.errno))


def list_names(folder: str) -> list:
    """Return the names in a folder, sorted; empty where there is none."""
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []
