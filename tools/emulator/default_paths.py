"""Where the emulator keeps its files, unless it is told otherwise."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def data_dir() -> Path:
    """Return where this user's programs keep data: XDG on Linux, each system's own elsewhere."""
    home = Path.home()
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "linkpost"
    if os.name == "nt":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "linkpost"
    chosen = os.environ.get("XDG_DATA_HOME", "")
    base = Path(chosen) if Path(chosen).is_absolute() else home / ".local" / "share"
    return base / "linkpost"


def default_db() -> Path:
    return data_dir() / "emulator" / "emulator.db"


def default_cert_dir() -> Path:
    return data_dir() / "emulator" / "certs"
