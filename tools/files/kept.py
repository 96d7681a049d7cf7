"""Where files are kept that can be made or downloaded again."""

from __future__ import annotations

from pathlib import Path

import platformdirs


def kept_dir() -> Path:
    """Return `build` of a source tree, else this user's cache. It may not exist yet."""
    root = Path(__file__).parent.parent.parent
    if (root / "pyproject.toml").exists():
        return root / "build"
    return Path(platformdirs.user_cache_dir("linkpost", appauthor=False))
