"""The trust anchors on flash, in the order in which they are tried.

First comes the one that verified last. Which one that was is a file of its own, written only when
it changes; where it is missing, corrupt or names a file that is gone, the order is that of names.

Loaded when needed (`loader`): for the first connection of a boot.
"""

from ..errors import StorageError
from ..loader import load

_files = load("storage.files")  # it goes when this goes
# Where deploy puts them, and where `mip install` can.
ANCHOR_FOLDERS = ("certs", "lib/linkpost/certs")
_LAST = "anchor"  # the file that names the one that verified last
_ANCHOR_MAX_BYTES = 4096
_NAME_MAX_BYTES = 256


def read(k: int):
    """Return (path, DER bytes) of the k-th anchor to try, from 0, or None where there are less.

    Raises: StorageError where that file cannot be read.
    """
    paths = [
        folder + "/" + name
        for folder in ANCHOR_FOLDERS
        for name in _files.list_names(folder)
        if name.endswith(".der")
    ]
    last = _last()
    if last in paths:
        paths.remove(last)
        paths.insert(0, last)
    if k >= len(paths):
        return None
    return paths[k], _files.read_bytes(paths[k], _ANCHOR_MAX_BYTES) or b""


def keep(path: str) -> None:
    """Remember that this anchor has verified the platform: it is tried first from now on.

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
        return str(_files.read_bytes(_LAST, _NAME_MAX_BYTES) or b"", "utf-8")
    except (StorageError, ValueError):  # UnicodeError is one
        return ""
