"""Where files are kept that can be made or downloaded again."""

from __future__ import annotations

import contextlib
from pathlib import Path

import platformdirs

from . import whole_file


def kept_dir() -> Path:
    """Return `build` of a source tree, else this user's cache. It may not exist yet."""
    root = Path(__file__).parent.parent.parent
    if (root / "pyproject.toml").exists():
        return root / "build"
    return Path(platformdirs.user_cache_dir("linkpost", appauthor=False))


def keep(path: Path, data: bytes) -> None:
    """Keep a file as a whole; where nothing can be written it is made again next time."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        whole_file.replace(path, data)
