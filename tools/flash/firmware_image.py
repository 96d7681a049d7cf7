"""What a MicroPython image says of itself: read before anything is written to a board.

esptool does not check a file that it cannot parse: it wrote an HTML page and called it verified.
Sources: esptool's documentation of the image format and ESP-IDF's partition tables; the UF2
specification; the numbers of the families are Raspberry Pi's.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import NoReturn

from ..firmware import OLDEST_MICROPYTHON
from ..firmware.boards import ESP32, Board, boards
from ..terminal.failures import CommandError

_ESP_MAGIC = 0xE9
_ESP_HEADER_BYTES = 24
_SEGMENTS_MAX = 16
_PARTITIONS_AT = 0x8000  # in flash
_PARTITION_BYTES = 32
_PARTITION_MAGIC = b"\xaa\x50"
_APP = 0
_PARTITIONS_MAX = 95

UF2_BLOCK_BYTES = 512
_UF2_MAGIC = (0x0A324655, 0x9E5D5157)
_UF2_START = struct.pack("<I", _UF2_MAGIC[0])
_UF2_END = 0x0AB16F30
_UF2_HAS_FAMILY = 0x00002000
_UF2_PAYLOAD_MAX = 476
# Blocks that tell the boot loader of an erratum; they are written to no flash (RP2350-E10).
_UF2_ABSOLUTE = 0xE48BFF57

# In the first block of a littlefs.
_LITTLEFS = b"littlefs"
_LITTLEFS_AT = 8
# What its REPL greets with: in each firmware's read-only data, on both chips.
_BANNER = re.compile(rb"MicroPython (v[\w.-]+)")


@dataclass(frozen=True)
class Uf2Block:
    """One block: where its bytes go in memory, and of which family it is."""

    address: int
    family: int
    payload: bytes


def check_firmware(data: bytes, board: Board, name: str) -> None:
    """Check that a firmware file is for that board. Raises: CommandError; nothing was written."""
    if board.port == ESP32:
        _check_esp(data, board, name)
    else:
        _check_uf2(data, board, name)


@dataclass(frozen=True)
class Inside:
    """What a firmware file that `check_firmware` found good has in it."""

    micropython: str  # "MicroPython v1.27.0", or "MicroPython" where it does not tell
    has_files: bool  # a file system too, as `linkpost image --micropython` makes them

    @property
    def version(self) -> tuple[int, ...]:
        """Return MicroPython's version, such as (1, 26, 1); () where it does not tell."""
        found = re.search(r"v(\d+)\.(\d+)(?:\.(\d+))?", self.micropython)
        return tuple(int(part or 0) for part in found.groups()) if found else ()

    def __str__(self) -> str:
        return self.micropython + (" with a file system" if self.has_files else "")


def look_inside(data: bytes, board: Board) -> Inside:
    """Return what a firmware file for that board has in it."""
    start = file_system_start(data, board)
    if board.port == ESP32:
        at = start - board.offset + _LITTLEFS_AT
        has_files = data[at : at + len(_LITTLEFS)] == _LITTLEFS
        content = data
    else:
        blocks = [b for b in uf2_blocks(data, "it") if b.family == board.uf2_family]
        has_files = any(block.address >= board.offset + start for block in blocks)
        content = b"".join(block.payload for block in blocks)
    found = _BANNER.search(content)
    return Inside(f"MicroPython {found[1].decode()}" if found else "MicroPython", has_files)


def _check_is_micropython(content: bytes, board: Board, name: str) -> None:
    if b"micropython" not in content.lower():
        raise CommandError(
            f"{name} is made for an {board.chip_name}, but has no MicroPython in it. Nothing was "
            f"written. MicroPython for it: {board.url}"
        )
    found = _BANNER.search(content)
    version = re.match(rb"v(\d+)\.(\d+)", found[1]) if found else None
    if version and (int(version[1]), int(version[2])) < OLDEST_MICROPYTHON:
        raise CommandError(
            f"{name} is MicroPython {version[0].decode()}; linkpost needs "
            f"{'.'.join(map(str, OLDEST_MICROPYTHON))} or newer. Nothing was written."
        )


def _only_files(name: str, board: Board) -> CommandError:
    return CommandError(
        f"{name} has only a file system in it, no MicroPython: linkpost image made it so without "
        f"--micropython. Nothing was written. MicroPython for this board: {board.url}"
    )


def _check_esp(data: bytes, board: Board, name: str) -> None:
    if data[_LITTLEFS_AT : _LITTLEFS_AT + len(_LITTLEFS)] == _LITTLEFS:
        raise _only_files(name, board)
    if len(data) < _ESP_HEADER_BYTES or data[0] != _ESP_MAGIC:
        what = _what_is(data)
        raise CommandError(
            f"{name} is no firmware for an {board.chip_name}{what}. Nothing was written. "
            f"It comes from {board.url}"
        )
    segments = data[1]
    chip_id = struct.unpack_from("<H", data, 12)[0]
    if not 1 <= segments <= _SEGMENTS_MAX:
        raise CommandError(f"{name} is damaged: {segments} segments. Nothing was written.")
    if chip_id != board.image_chip_id:
        others = [b for b in boards().values() if b.image_chip_id == chip_id]
        made_for = others[0].chip_name if others else f"another chip (id {chip_id})"
        raise CommandError(
            f"{name} is for {made_for}, this board has an {board.chip_name}. Nothing was written."
            + (f" Use: linkpost flash {others[0].name}" if others else "")
        )
    if not _partitions(data, board):
        raise CommandError(
            f"{name} is only a part of MicroPython: it has no table of partitions. Nothing was "
            f"written. Take the whole .bin, as {board.url}"
        )
    _check_is_micropython(data, board, name)


def _what_is(data: bytes) -> str:
    start = data[:64].lstrip().lower()
    if start.startswith((b"<!doctype", b"<html")):
        return " but a web page"
    if data[:4] == _UF2_START:
        return " but a UF2 file"
    return "" if data else ": it is empty"


def file_system_start(data: bytes, board: Board) -> int:
    """Return where in flash this firmware's file system begins: its `vfs` partition, or else the
    end of the app's."""
    if board.port != ESP32:
        return board.file_system_start
    table = _partitions(data, board)
    for kind, start, _, label in table:
        if label == "vfs" and kind != _APP:
            return start
    ends = [start + size for kind, start, size, _ in table if kind == _APP]
    return max(ends, default=board.file_system_start)


def _partitions(data: bytes, board: Board) -> list[tuple[int, int, int, str]]:
    """Return (type, start, size, label) of each entry of the image's partition table."""
    found = []
    at = _PARTITIONS_AT - board.offset
    for i in range(_PARTITIONS_MAX):
        entry = data[at + i * _PARTITION_BYTES : at + (i + 1) * _PARTITION_BYTES]
        if len(entry) < _PARTITION_BYTES or entry[:2] != _PARTITION_MAGIC:
            break
        start, size = struct.unpack_from("<II", entry, 4)
        label = entry[12:28].rstrip(b"\0").decode(errors="replace")
        found.append((entry[2], start, size, label))
    return found


def _check_uf2(data: bytes, board: Board, name: str) -> None:
    blocks = uf2_blocks(data, name)
    families = {block.family for block in blocks} - {_UF2_ABSOLUTE}
    if families != {board.uf2_family}:
        others = [b for b in boards().values() if b.uf2_family in families]
        made_for = others[0].chip_name if others else "another chip"
        raise CommandError(
            f"{name} is for {made_for}, this board has an {board.chip_name}. Nothing was written."
            + (f" Use: linkpost flash {others[0].name}" if others else "")
        )
    own = [block for block in blocks if block.family == board.uf2_family]
    if all(block.address >= board.offset + board.file_system_start for block in own):
        raise _only_files(name, board)
    _check_is_micropython(b"".join(block.payload for block in own), board, name)


def uf2_blocks(data: bytes, name: str) -> list[Uf2Block]:
    """Return the blocks of a UF2 file. Raises: CommandError where it is none, or damaged."""

    def bad(why: str) -> NoReturn:
        raise CommandError(f"{name} is no UF2 firmware{why}. Nothing was written.")

    is_cut = data[:4] == _UF2_START and len(data) % UF2_BLOCK_BYTES != 0
    if not is_cut and (not data or len(data) % UF2_BLOCK_BYTES):
        bad(_what_is(data) or ": it is cut short")
    blocks: list[Uf2Block] = []
    number, total = -1, 0
    for at in range(0, len(data) - UF2_BLOCK_BYTES + 1, UF2_BLOCK_BYTES):
        head = struct.unpack_from("<8I", data, at)
        if head[:2] != _UF2_MAGIC or struct.unpack_from("<I", data, at + 508)[0] != _UF2_END:
            bad(f": block {at // UF2_BLOCK_BYTES} is damaged" if at else _what_is(data))
        _, _, flags, address, size, number, total, family = head
        if not flags & _UF2_HAS_FAMILY or size > _UF2_PAYLOAD_MAX:
            bad(f": block {at // UF2_BLOCK_BYTES} has no family")
        blocks.append(Uf2Block(address, family, data[at + 32 : at + 32 + size]))
    # The last block of a set is the file's last, also where another set is before it (RP2350).
    if is_cut or number + 1 != total:
        raise CommandError(
            f"{name} is cut short after {len(blocks)} whole blocks of 512 bytes. Nothing was "
            "written. Download it again"
        )
    return blocks


def encode_uf2(pieces: list[tuple[int, bytes]], family: int) -> bytes:
    """Return a UF2 file that writes each (address in memory, bytes of at most 256)."""
    made = bytearray()
    for number, (address, payload) in enumerate(pieces):
        made += struct.pack(
            "<8I",
            *_UF2_MAGIC,
            _UF2_HAS_FAMILY,
            address,
            len(payload),
            number,
            len(pieces),
            family,
        )
        made += payload.ljust(_UF2_PAYLOAD_MAX, b"\0")
        made += struct.pack("<I", _UF2_END)
    return bytes(made)
