"""The 2 MB flash of an emulated Pico W: MicroPython, and behind it the file system."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from littlefs import LittleFSError

from tools import whole_file
from tools.board_files import files_for
from tools.chip import cache
from tools.failures import CommandError
from tools.firmware_image import uf2_blocks
from tools.mpy import compile_mpy
from tools.virtual_board import image
from tools.virtual_board.kinds import kind_of

FLASH_BYTES = 2 * 1024 * 1024
_STAND_INS = Path(__file__).parent / "stand_ins"
_OURS = b"# linkpost: written by `linkpost board chip`"
FOLDER = "chip"  # of the stand-ins, on the board


def stand_ins() -> dict[str, bytes]:
    """Return what the emulated board gets beside the firmware, by path on its flash."""
    files = {"boot.py": (_STAND_INS / "boot.py").read_bytes()}
    for path in sorted(_STAND_INS.glob("chip_*.py")):
        files[f"{FOLDER}/{path.stem}.mpy"] = compile_mpy(path.read_bytes(), path.name)
    return files


def from_uf2(data: bytes, name: str) -> bytearray:
    """Return the flash that a .uf2 makes of a blank one. Raises: CommandError."""
    board = cache.chip_board()
    flash = bytearray(b"\xff" * FLASH_BYTES)
    for block in uf2_blocks(data, name):
        if block.family == board.uf2_family:
            at = block.address - board.offset
            if not 0 <= at <= FLASH_BYTES - len(block.payload):
                raise CommandError(f"{name} reaches beyond the 2 MB of a {board.title}")
            flash[at : at + len(block.payload)] = block.payload
    return flash


def refresh(path: Path, files: dict[str, bytes]) -> None:
    """Make the flash hold MicroPython, the stand-ins and exactly these files of ours.

    What is not ours (token, outbox, a boot.py) stays. It is replaced as a whole.
    """
    name, uf2 = cache.micropython()
    flash = from_uf2(uf2, name)
    board = cache.chip_board()
    start = board.file_system_start
    content = None
    if path.exists():
        content = path.read_bytes()
        if len(content) != FLASH_BYTES:
            raise CommandError(
                f"{path} is no flash of an emulated Pico W ({FLASH_BYTES} bytes): give another "
                "name, and it is made"
            )
        content = content[start:]
    flash[start:] = file_system(content, files)
    path.parent.mkdir(parents=True, exist_ok=True)
    whole_file.replace(path, flash)


def file_system(content: bytes | None, files: dict[str, bytes]) -> bytes:
    """Return a file system with these files and the stand-ins; `content` to begin with."""
    kind = kind_of(cache.chip_board())
    wanted = {**files, **stand_ins()}
    if content is not None:
        user = image.read_file(kind, content, "boot.py")
        if user is not None and not user.startswith(_OURS):
            wanted[f"{FOLDER}/boot.py"] = user
    try:
        return image.build_image(kind, wanted, content)
    except LittleFSError as error:
        if error.code != LittleFSError.Error.LFS_ERR_NOSPC:
            raise CommandError("this flash holds no file system of a Pico W") from error
        raise CommandError(
            "the flash is full: the firmware does not fit beside its files"
        ) from error


def firmware_files(
    config: dict[str, Any], ca: Path | None, program: bytes = b""
) -> dict[str, bytes]:
    """Return the firmware as it is deployed to the build in the cache: not a byte differs."""
    version = cache.version_of(cache.micropython()[0])
    board = cache.chip_board()
    return files_for(
        config, chip=board.port, native_digests=version >= (1, 27), ca=ca, program=program
    )
