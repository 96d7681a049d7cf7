"""The firmware's own modules on this machine: where they are, and how CPython imports them.

The firmware is written for MicroPython. `tools/cpython` holds what MicroPython has and CPython
lacks (`micropython.const`, `tls`), so that the very same files run on both.
"""

from __future__ import annotations

import importlib.util
import runpy
import sys
from pathlib import Path

CPYTHON_SHIMS = Path(__file__).parent.parent / "cpython"

# Of MicroPython: TLS sockets have `recv` from there on, by which a dead connection is seen.
OLDEST_MICROPYTHON = (1, 25)


def package_dir() -> Path:
    """Return the folder of the firmware's `linkpost` package."""
    beside = Path(__file__).parent.parent.parent / "firmware" / "linkpost"
    if beside.is_dir():
        return beside
    spec = importlib.util.find_spec("linkpost")  # installed from a wheel
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("the firmware is not installed; install linkpost again")
    return Path(spec.submodule_search_locations[0])


def main_py() -> Path:
    """Return the board's `main.py`."""
    beside = package_dir().parent / "main.py"
    if beside.is_file():
        return beside
    spec = importlib.util.find_spec("linkpost_board")  # installed from a wheel
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("the firmware is not installed; install linkpost again")
    return Path(next(iter(spec.submodule_search_locations))) / "main.py"


def enable_imports() -> None:
    """Make `import linkpost` and its MicroPython modules work in this CPython process."""
    for folder in (CPYTHON_SHIMS, package_dir().parent):
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))


def version() -> str:
    """Return the version of firmware and tools (one source: linkpost/version.py)."""
    return runpy.run_path(str(package_dir() / "version.py"))["VERSION"]
