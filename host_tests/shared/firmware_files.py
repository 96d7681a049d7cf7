"""MicroPython firmware files made for tests: the right headers around bytes that mean nothing."""

from __future__ import annotations

import random
import struct

from tools.firmware.boards import ESP32, Board
from tools.flash.firmware_image import encode_uf2

PARTITIONS_AT = 0x8000
BANNER = b"MicroPython v1.27.0 on 2025-12-09\0"


def partition(kind: int, start: int, size: int, label: str) -> bytes:
    """Return one entry of an ESP32's partition table."""
    name = label.encode().ljust(16, b"\0")
    return b"\xaa\x50" + bytes([kind, 0]) + struct.pack("<II", start, size) + name + bytes(4)


def firmware_of(
    board: Board, length: int = 200_000, partitions: list[bytes] | None = None
) -> bytes:
    """Return a firmware file for that board; the same one each time."""
    filling = BANNER + random.Random(board.name).randbytes(length - len(BANNER))
    if board.port != ESP32:
        start = board.offset
        pieces = [(start + at, filling[at : at + 256]) for at in range(0, len(filling), 256)]
        return encode_uf2(pieces, board.uf2_family or 0)
    data = bytearray(24) + filling[:-24]  # behind the header
    data[0:2] = b"\xe9\x03"
    struct.pack_into("<H", data, 12, board.image_chip_id or 0)
    if partitions is None:
        partitions = [partition(1, 0x9000, 0x6000, "nvs"), partition(0, 0x10000, 0x1F0000, "app")]
    table = b"".join(partitions) + b"\xff" * 32
    at = PARTITIONS_AT - board.offset
    data[at : at + len(table)] = table
    return bytes(data)
