"""Write a file whole or not at all: a reader, and the next run after a crash, never see half."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path


def replace(path: Path, content: bytes | bytearray, mode: int = 0o600) -> None:
    """Put `content` in the place of what stands at `path`; its folder has to be there.

    Many of these files hold secrets, so only their owner may read them, from the first byte on,
    unless `mode` says else. Raises: OSError; then `path` is as it was and nothing else is left.
    """
    handle, part = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")  # made with 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(part, mode)
        os.replace(part, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(part)
        raise


def create(path: Path, content: bytes | bytearray, mode: int = 0o600) -> None:
    """As `replace`, but what stands at `path` already stays: of two at once, one wins.

    Raises: FileExistsError then, or another OSError.
    """
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f"{path.name}.") as folder:
        part = Path(folder, path.name)
        replace(part, content, mode)
        os.link(part, path)
