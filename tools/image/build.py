"""Flash images that need no REPL: a file system with firmware, certificates and config."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from littlefs import LittleFSError

from ..client.devices_csv import Triple
from ..firmware.board_files import files_for
from ..firmware.boards import ESP32, Board
from ..firmware.config_check import CHECKED, CONFIG
from ..firmware.config_hints import check_rules
from ..firmware.user_files import MAIN, UserFiles
from ..flash.firmware_image import (
    UF2_BLOCK_BYTES,
    check_firmware,
    encode_uf2,
    file_system_start,
    look_inside,
    uf2_blocks,
)
from ..terminal.failures import CommandError
from ..virtual_board.image import add_file, build_image, live_blocks
from ..virtual_board.kinds import kind_of

_UF2_PIECE = 256  # what every boot loader of a Pico takes
_GAP_BLOCKS = 8  # written along rather than begun anew behind them
_TRIPLE_KEYS = ("product_key", "device_name", "device_secret")


@dataclass(frozen=True)
class Layout:
    """Where a board's file system goes, and the MicroPython that comes along, if any."""

    board: Board
    start: int  # in flash
    block_count: int
    micropython: bytes | None
    has_native_digests: bool

    @property
    def suffix(self) -> str:
        """Return how the files are called."""
        return ".bin" if self.board.port == ESP32 else ".uf2"

    @property
    def offset(self) -> int:
        """Return where esptool writes the file."""
        return self.start if self.micropython is None else self.board.offset


def layout_of(
    board: Board, flash_bytes: int | None, micropython: tuple[str, bytes] | None
) -> Layout:
    """Return the layout for a board, its pinned MicroPython or one at hand, (name, content).

    Raises: CommandError for a firmware of another chip, or a flash that has no room.
    """
    start = board.file_system_start
    native = board.has_native_digests
    if micropython is not None:
        name, data = micropython
        check_firmware(data, board, name)
        start = file_system_start(data, board)
        # Where the build does not tell its version, our digests are included.
        native = board.port == ESP32 or look_inside(data, board).version >= (1, 27)
    count = board.block_count(flash_bytes, start)
    return Layout(board, start, count, micropython[1] if micropython else None, native)


def config_for(template: dict[str, Any], triple: Triple) -> dict[str, Any]:
    """Return the config of one device: the template with that triple in place of its own.

    Raises: the firmware's ConfigError; CommandError for a client_id, which is one device's.
    """
    if template.get("client_id") is not None:
        raise CommandError("--config: client_id belongs to one device; leave it out with --csv")
    values = (triple.product_key, triple.device_name, triple.device_secret)
    config = {**template, **dict(zip(_TRIPLE_KEYS, values, strict=True))}
    check_rules(config)
    return config


def base_image(
    layout: Layout, config: dict[str, Any], ca: Path | None, user: UserFiles | None = None
) -> bytes:
    """Return the file system with all that is the same for every device: no config.json."""
    user = user or UserFiles()
    files = files_for(
        config,
        chip=layout.board.port,
        native_digests=layout.has_native_digests,
        ca=ca,
        with_aio=True,
    )
    # deployed.json keeps the hash of ours: a deploy later sees that main.py is the user's.
    files |= {MAIN: user.main or files[MAIN], **user.files}
    return _build(layout, files, None)


def device_image(layout: Layout, base: bytes, config: bytes, checked: bytes = b"") -> bytes:
    """Return the file for one device: what `base_image` gave, its config.json, and what
    `check_config` gave for it."""
    file_system = _file_system(layout, base, config, checked)
    if layout.board.port == ESP32:
        return _merged_bin(layout, file_system)
    return _uf2(layout, file_system)


def flash_parts(
    layout: Layout, base: bytes, config: bytes, checked: bytes = b""
) -> list[tuple[int, bytes]]:
    """Return what to write to one device's flash, (offset, bytes): its image without the blocks
    that nobody reads. For the ESP32 family."""
    file_system = _file_system(layout, base, config, checked)
    size = layout.board.block_size
    runs: list[list[int]] = []
    for block in live_blocks(kind_of(layout.board, layout.block_count), file_system):
        if runs and block - runs[-1][1] <= _GAP_BLOCKS:
            runs[-1][1] = block
        else:
            runs.append([block, block])
    parts = [] if layout.micropython is None else [(layout.board.offset, layout.micropython)]
    return parts + [
        (layout.start + first * size, file_system[first * size : (last + 1) * size])
        for first, last in runs
    ]


def _file_system(layout: Layout, base: bytes, config: bytes, checked: bytes) -> bytes:
    kind = kind_of(layout.board, layout.block_count)
    try:
        made = add_file(kind, base, CONFIG, config)
        return add_file(kind, made, CHECKED, checked) if checked else made
    except LittleFSError as error:
        raise CommandError(f"no room for config.json on a {layout.board.name}") from error


def _build(layout: Layout, files: dict[str, bytes], content: bytes | None) -> bytes:
    try:
        return build_image(kind_of(layout.board, layout.block_count), files, content)
    except LittleFSError as error:
        raise CommandError(
            f"the files do not fit: {sum(map(len, files.values())):,} bytes on a file system of "
            f"{layout.block_count} blocks"
        ) from error


def _merged_bin(layout: Layout, file_system: bytes) -> bytes:
    if layout.micropython is None:
        return file_system
    gap = layout.start - layout.board.offset - len(layout.micropython)
    if gap < 0:
        raise CommandError("this MicroPython reaches into its own file system")
    return layout.micropython + b"\xff" * gap + file_system


def _uf2(layout: Layout, file_system: bytes) -> bytes:
    board = layout.board
    begin = board.offset + layout.start
    pieces = []
    # The boot loader erases what it writes, and littlefs the rest.
    for block in live_blocks(kind_of(board, layout.block_count), file_system):
        first = block * board.block_size
        pieces += [
            (begin + at, file_system[at : at + _UF2_PIECE])
            for at in range(first, first + board.block_size, _UF2_PIECE)
        ]
    head = b""
    if layout.micropython is not None:
        # One set of blocks, numbered through: the boot loader restarts after the last of a set.
        blocks = uf2_blocks(layout.micropython, "MicroPython")
        own = [
            (block.address, block.payload) for block in blocks if block.family == board.uf2_family
        ]
        head = b"".join(
            layout.micropython[i * UF2_BLOCK_BYTES : (i + 1) * UF2_BLOCK_BYTES]
            for i, block in enumerate(blocks)
            if block.family != board.uf2_family
        )
        pieces = own + pieces
    return head + encode_uf2(pieces, board.uf2_family or 0)


def file_names(triples: list[Triple], suffix: str) -> list[str]:
    """Return a file name for each device: every host takes it, and no other device has it.

    Names that differ by case alone are one file on macOS and Windows: these get a part of a hash.
    """
    names = [_file_name(triple, suffix) for triple in triples]
    times = Counter(name.casefold() for name in names)
    return [
        unique_file_name(triple, suffix) if times[name.casefold()] > 1 else name
        for triple, name in zip(triples, names, strict=True)
    ]


def _file_name(triple: Triple, suffix: str) -> str:
    """Return a file name for a device that every host takes; for one of many, see `file_names`."""
    plain = f"{triple.product_key}.{triple.device_name}"
    if re.fullmatch(r"[A-Za-z0-9_.-]+", plain):
        return plain + suffix
    return unique_file_name(triple, suffix)


def unique_file_name(triple: Triple, suffix: str) -> str:
    """Return a file name that tells a device from all others, whatever the host makes of case."""
    plain = f"{triple.product_key}.{triple.device_name}"
    digest = hashlib.sha256(plain.encode()).hexdigest()[:8]
    return f"{re.sub(r'[^A-Za-z0-9_.-]', '_', plain)}-{digest}{suffix}"


def write_sparse(path: Path, data: bytes, block_size: int, solid: int) -> str:
    """Write an image with holes where nothing is; return its SHA-256 as it reads.

    Blank blocks become zeros, which the host need not store: no chip reads a block that littlefs
    has not written. The first `solid` bytes stay as they are: they are MicroPython's, which does
    look at what is blank. Only its owner may read the file: it holds secrets.
    """
    digest = hashlib.sha256()
    blank, hole = b"\xff" * block_size, bytes(block_size)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        for at in range(0, len(data), block_size):
            block = data[at : at + block_size]
            if block == blank and at >= solid:
                digest.update(hole)
                file.seek(len(block), os.SEEK_CUR)
            else:
                digest.update(block)
                file.write(block)
        file.truncate(len(data))
    return digest.hexdigest()
