"""Small files, read whole: config, what a message streams, and the trust anchors, the roots.

Of the roots the one that verified last is tried first. Which one that was is a file of its own,
written only when it changes; where it is missing, corrupt or names a file that is gone, the order
is that of names.

Paths are relative: a board's current directory is its root. Loaded for a moment.
"""

import os

from ..errors import StorageError

_ENOENT = 2  # the same number on every chip
_STAT_SIZE = 6  # index in what os.stat returns
# Where deploy puts the roots, and where `mip install` can.
ANCHOR_FOLDERS = ("certs", "lib/linkpost/certs")
_LAST = "anchor"  # the file that names the root that verified last
_ANCHOR_MAX_BYTES = 4096
_NAME_MAX_BYTES = 256


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


def read(k: int):
    """Return (path, DER bytes) of the k-th root to try, from 0, or None where there are less.

    Raises: StorageError where that file cannot be read.
    """
    paths = [
        folder + "/" + name
        for folder in ANCHOR_FOLDERS
        for name in list_names(folder)
        if name.endswith(".der")
    ]
    last = _last()
    if last in paths:
        paths.remove(last)
        paths.insert(0, last)
    if k >= len(paths):
        return None
    return paths[k], read_bytes(paths[k], _ANCHOR_MAX_BYTES) or b""


def keep(path: str) -> None:
    """Remember that this root has verified the platform: it is tried first from now on.

    A flash that refuses is no reason to fail: the next boot tries in turn again.
    """
    try:
        if _last() != path:
            with open(_LAST, "wb") as file:
                file.write(path.encode())
    except OSError:
        pass


def _last():
    try:
        return str(read_bytes(_LAST, _NAME_MAX_BYTES) or b"", "utf-8")
    except (StorageError, ValueError):  # UnicodeError is one
        return ""
