"""Files in one compressed file, which a board mounts: host_tests/chip/on_chip/archive.py.

littlefs gives each file a block of 4 KB at least, and counts four for each folder: the firmware's
75 modules, 93 KB, took 376 KB of a Pico W's flash, all that a deployed app leaves there. An outbox
on a flash that is nearly full drops its oldest readings, as it should, and is slow. As one file
they take 76 KB.
"""

from __future__ import annotations

import zlib
from pathlib import Path

ON_BOARD = (Path(__file__).parent.parent / "chip" / "on_chip" / "archive.py").read_text()
# A window of 512 bytes: on the board it is heap.
_RAW_9 = -9
_NUMBER = "%6d"


def pack(files: dict[str, bytes]) -> bytes:
    """Return the archive of these files, by path without a slash before it.

    First the length of the index; the index, a line for each file with its place, where a line
    begins with its end of line; then each file, deflated on its own.
    """
    pieces = {path: _deflate(content) for path, content in sorted(files.items())}
    length = sum(len(f"\n/{path} {_NUMBER % 0}") for path in pieces)
    place = len(_NUMBER % 0) + length
    index = ""
    for path, piece in pieces.items():
        index += f"\n/{path} {_NUMBER % place}"
        place += len(piece)
    return (_NUMBER % length + index).encode() + b"".join(pieces.values())


def _deflate(content: bytes) -> bytes:
    compressor = zlib.compressobj(9, zlib.DEFLATED, _RAW_9)
    return compressor.compress(content) + compressor.flush()
