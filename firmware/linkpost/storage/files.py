"""Reading whole small files. Paths are relative: a board's current directory is its root."""

import os

from ..errors import StorageError


def read_bytes(path: str, max_bytes: int):
    """Return the file's bytes, or None where there is no such file.

    Raises: StorageError where it cannot be read or is longer than `max_bytes`.
    Memory: the bytes themselves.
    """
    try:
        with open(path, "rb") as file:
            # By its length, not by the limit: MicroPython allocates what `read` is asked for.
            length = file.seek(0, 2)
            file.seek(0)
            data = file.read(length) if length <= max_bytes else None
    except OSError as error:
        if error.errno == 2:  # ENOENT
            return None
        raise StorageError("cannot read %s (error %s)" % (path, error.errno))
    if data is None:
        raise StorageError("%s is over %d bytes" % (path, max_bytes))
    return data


def list_names(folder: str) -> list:
    """Return the names in a folder, sorted; empty where there is none."""
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []
