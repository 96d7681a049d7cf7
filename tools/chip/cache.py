"""The two files that the emulated chip needs and the project must not hold: in the user's cache.

MicroPython's own build for the Pico W, and the RP2040's boot ROM, revision B1.
"""

from __future__ import annotations

import hashlib
import re
import struct
from pathlib import Path

from ..files import whole_file
from ..firmware.boards import Board, find_board
from ..flash.firmware_cache import cache_dir, download, url_of
from ..flash.firmware_image import check_firmware, look_inside
from ..terminal.failures import CommandError

BOARD = "RPI_PICO_W"
ROM_BYTES = 16384
# Of Raspberry Pi's boot ROM for the RP2040, revision B1.
ROM_SHA256 = "90b31e108faedfa6bbcfcc33ba05dac61e645108cfbbdc385f8dafc71fde44ae"
_ROM_NAME = "rp2040-bootrom-b1.bin"
# The same bytes as words, in the demo of the emulator.
_ROM_URL = (
    "https://raw.githubusercontent.com/wokwi/rp2040js/"
    "7701ee065f50a04380f81361befd754810cb9e28/demo/bootrom.ts"
)
_HOW = "linkpost board chip fetch --micropython FILE --bootrom FILE"


def chip_board() -> Board:
    """Return the board whose build is emulated."""
    return find_board(BOARD)


def chip_cache() -> Path:
    """Return the folder in the user's cache."""
    return cache_dir().parent / "chip"


def keep_micropython(path: Path | None) -> Path:
    """Put a build for the Pico W into the cache: that file, or the version of board.toml.

    Raises: CommandError for any other file, and where it cannot be downloaded (exit code 4).
    """
    board = chip_board()
    if path is None:
        name = board.url.rpartition("/")[2]
        data = download(url_of(board.url), option="--micropython")
    else:
        name, data = path.name, _read(path, "--micropython")
    check_firmware(data, board, name)
    version = ".".join(map(str, version_of(data)))
    if not version:
        raise CommandError(
            f"--micropython: {name} does not tell which MicroPython it is. One that does is at "
            f"{board.url}"
        )
    is_right = name.startswith(f"{BOARD}-") and name.endswith(f"-v{version}.uf2")
    return _keep(name if is_right else f"{BOARD}-v{version}.uf2", data)


def keep_bootrom(path: Path | None) -> Path:
    """Put the boot ROM into the cache: its binary or the .ts of rp2040js' demo, or downloaded.

    Raises: CommandError for any other file, and where it cannot be downloaded (exit code 4).
    """
    if path is None:
        name, data = _ROM_URL.rpartition("/")[2], download(url_of(_ROM_URL), option="--bootrom")
    else:
        name, data = path.name, _read(path, "--bootrom")
    if name.endswith(".ts"):
        text = data.decode(errors="replace").partition("Uint32Array")[2]
        words = [int(word, 16) for word in re.findall(r"0x([0-9a-fA-F]{1,8})\b", text)]
        data = struct.pack(f"<{len(words)}I", *words)
    if len(data) != ROM_BYTES:
        raise CommandError(
            f"--bootrom: {name} holds {len(data):,} bytes, the RP2040's boot ROM is {ROM_BYTES:,}"
        )
    if hashlib.sha256(data).hexdigest() != ROM_SHA256:
        raise CommandError(
            f"--bootrom: {name} is not the RP2040's boot ROM of revision B1: its SHA-256 differs"
        )
    return _keep(_ROM_NAME, data)


def micropython() -> tuple[str, bytes]:
    """Return (name, content) of the newest build in the cache. Raises: CommandError."""
    kept = {path.name: _checked(path) for path in sorted(chip_cache().glob(f"{BOARD}-*.uf2"))}
    if not kept:
        raise CommandError(f"no MicroPython for the emulated chip is here yet: {_HOW}")
    return max(kept.items(), key=lambda one: version_of(one[1]))


def bootrom() -> Path:
    """Return the boot ROM's binary. Raises: CommandError."""
    path = chip_cache() / _ROM_NAME
    if not path.exists():
        raise CommandError(f"no RP2040 boot ROM for the emulated chip is here yet: {_HOW}")
    _checked(path)
    return path


def is_complete() -> bool:
    """Tell whether both files are in the cache."""
    return (chip_cache() / _ROM_NAME).exists() and any(chip_cache().glob("RPI_PICO_W-*.uf2"))


def version_of(data: bytes) -> tuple[int, ...]:
    """Return the version that a build has in it, such as (1, 26, 1); () where it does not tell."""
    return look_inside(data, chip_board()).version


def _read(path: Path, option: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CommandError(f"{option}: cannot read {path}: {error.strerror}") from error


def _keep(name: str, data: bytes) -> Path:
    path = chip_cache() / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        whole_file.replace(path, data)
        digest = hashlib.sha256(data).hexdigest()
        whole_file.replace(_note(path), f"{digest}\n".encode())
    except OSError as error:
        raise CommandError(f"cannot write {path}: {error.strerror}") from error
    return path


def _note(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _checked(path: Path) -> bytes:
    data = _read(path, "chip")
    note = _note(path)
    kept = note.read_text().strip() if note.exists() else ""
    if hashlib.sha256(data).hexdigest() != kept:
        raise CommandError(f"{path} has changed since it was fetched. Delete it, then: {_HOW}")
    return data
