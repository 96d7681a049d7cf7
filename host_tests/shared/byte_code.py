"""The firmware's byte code for tests: as a board has it, but for names that tests ask for."""

from __future__ import annotations

import functools
from pathlib import Path

from tools.firmware import board_files, short_names

_HERE = Path(__file__).parent.parent
_ASKING = ("portable", "contract", "power", "system")


@functools.cache
def names_asked_for() -> frozenset[str]:
    """Return the names that tests on MicroPython ask for, or may."""
    files = [path for folder in _ASKING for path in (_HERE / folder).glob("*.py")]
    return frozenset().union(*(short_names.asked_for(path.read_bytes()) for path in files))


def firmware() -> dict[str, bytes]:
    """Return all of the firmware as byte code, by path in the package ("net/wifi.mpy")."""
    return board_files.firmware_byte_code(kept=names_asked_for())


def write_byte_code(folder: Path) -> None:
    """Write the package `linkpost` as byte code into a folder."""
    for name, content in firmware().items():
        path = folder / "linkpost" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
