"""The file system in what was read off a chip: all of its flash, or the file system alone.

littlefs says of itself how large it is: its first two blocks each begin with a superblock. Where
in a flash it lies is the MicroPython's matter, and is found by looking at each block.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

from littlefs import LittleFS, LittleFSError

from .image import Memory
from .kinds import BLOCK_SIZE

# Source: littlefs' SPEC, "Superblock": behind the revision and a tag the name, behind another
# tag version, block size and block count, little-endian.
_MAGIC = b"littlefs"
_MAGIC_AT = 8
_SIZES_AT = 24
_BLOCKS_MAX = 1 << 16


@dataclass(frozen=True)
class FileSystem:
    """A littlefs in a dump, and where it begins; `system` is None where it is broken."""

    start: int
    block_count: int
    system: Any | None

    @property
    def end(self) -> int:
        """Return where it ends."""
        return self.start + self.block_count * BLOCK_SIZE


def file_systems(dump: bytes) -> list[FileSystem]:
    """Return each littlefs of the dump, in order.

    A dump that ends before its file system does is taken as blank from there on.
    """
    found = []
    skip = -1
    for at in range(0, len(dump), BLOCK_SIZE):
        count = _block_count(dump, at)
        if not count or at == skip:
            continue
        skip = at + BLOCK_SIZE
        # The first of two, or the only one left: then it is the first or the second block.
        starts = [at] if _block_count(dump, skip) or at == 0 else [at, at - BLOCK_SIZE]
        opened = [(start, *_open(dump, start, count)) for start in starts]
        start, _, system = max(opened, key=lambda one: one[1])
        found.append(FileSystem(start, count, system))
    return found


def _block_count(dump: bytes, at: int) -> int:
    """Return how many blocks the superblock there speaks of; 0 where there is none."""
    if dump[at + _MAGIC_AT : at + _MAGIC_AT + len(_MAGIC)] != _MAGIC:
        return 0
    sizes = dump[at + _SIZES_AT : at + _SIZES_AT + 8]
    block_size, count = struct.unpack("<II", sizes) if len(sizes) == 8 else (0, 0)
    return count if block_size == BLOCK_SIZE and 2 <= count <= _BLOCKS_MAX else 0


def _open(dump: bytes, start: int, count: int) -> tuple[int, Any | None]:
    """Return how many files can be found there, -1 where it is broken, and the file system."""
    content = dump[start : start + count * BLOCK_SIZE]
    buffer = bytearray(content.ljust(count * BLOCK_SIZE, b"\xff"))
    # Nothing is written, so the sizes of the chip's reads and programs do not matter; a cache of
    # a whole block takes in each inline file.
    system = LittleFS(
        Memory(buffer),
        mount=False,
        block_size=BLOCK_SIZE,
        block_count=count,
        read_size=32,
        prog_size=32,
        cache_size=BLOCK_SIZE,
        lookahead_size=32,
    )
    try:
        system.mount()
        return sum(len(names) for _, _, names in system.walk("/")), system
    except LittleFSError:
        return -1, None
