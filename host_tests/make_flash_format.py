"""Writes host_tests/portable/flash_VERSION.py: every kind of file that this release puts on flash.

    python -m host_tests.make_flash_format

Run once for each release that changes the format, and never again for an old one: the file is what
boards of that release have on their flash, and test_flash_formats.py opens it with today's code.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from linkpost.storage.outbox import Outbox
from linkpost.storage.tokens import TokenStore
from linkpost.version import VERSION

_START_MS = 1_795_392_000_000
IDENTITY = ("a1B2c3D4e5F", "sensor01", "0123456789abcdef", "localhost")
TOKEN = "6944e5bfb92e4d4ea3918d1eda391234"


def values_of(seq: int) -> dict:
    """Return values of each type that a reading may have."""
    return {
        "t": 20.5 + seq,
        "n": -seq,
        "big": 1 << 40,
        "open": seq % 2 == 0,
        "note": "温度 %d" % seq,
        "error": {"dht": "no answer"},
    }


def fill(outbox: Outbox) -> None:
    """Segments, slots of all three kinds of time, a cursor with a boot's time, two quarantined."""
    for seq in range(1, 4):
        outbox.append(values_of(seq), None, seq * 1000)  # before the clock was right
    outbox.set_time(_START_MS)
    for seq in range(4, 60):
        outbox.append(values_of(seq), _START_MS + seq * 60_000, seq * 60_000)
    outbox.append(values_of(60), None)  # of which nothing is known
    outbox.acknowledge(1)
    outbox.quarantine(2)


def main() -> int:
    """Write the file; refuse to write one that is there."""
    target = Path(__file__).parent / "portable" / f"flash_{VERSION.replace('.', '_')}.py"
    if target.exists():
        print(f"{target.name} is there already: it is what boards have", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as name:
        os.chdir(name)
        fill(Outbox("outbox", 65536, lambda count: b"\x9f\x2c\x41\xaa"[:count]))
        TokenStore("token", IDENTITY).save(TOKEN)
        files = {
            path.relative_to(name).as_posix(): path.read_bytes().hex()
            for path in sorted(Path(name).rglob("*"))
            if path.is_file()
        }
    lines = [f'"""What release {VERSION} left on flash; made by make_flash_format.py."""', ""]
    lines += ["FILES = {"]
    for path, text in files.items():
        pieces = [text[at : at + 80] for at in range(0, len(text), 80)]
        lines += [f'    "{path}": (', *(f'        "{piece}"' for piece in pieces), "    ),"]
    target.write_text("\n".join([*lines, "}", ""]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
