"""CPython's stand-in for MicroPython's `micropython` module: what the firmware uses of it.

Each module of the firmware imports it, so what CPython's `os` lacks is put there by it too.
"""

import os


def const(value):
    return value


def _ilistdir(path):
    """Yield (name, kind, inode, bytes) of each entry, as littlefs does; no kind is asked for."""
    with os.scandir(path) as entries:
        for entry in entries:
            yield entry.name, 0, 0, entry.stat().st_size


os.ilistdir = _ilistdir  # type: ignore[attr-defined]
