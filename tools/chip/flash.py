"""The 2 MB flash of an emulated Pico W: MicroPython, and behind it the file system."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from littlefs import LittleFSError

from ..firmware import deploy_record, name_scan, short_names
from ..firmware.board_files import files_for
from ..firmware.mpy import compile_mpy
from ..firmware.outbox_copy import Files
from ..flash.firmware_image import check_firmware, uf2_blocks
from ..terminal.failures import CommandError
from ..virtual_board import image
from ..virtual_board.flash_files import image_files
from ..virtual_board.kinds import kind_of
from . import cache

FLASH_BYTES = 2 * 1024 * 1024
_STAND_INS = Path(__file__).parent / "stand_ins"
_OURS = b"# linkpost: written by `linkpost board chip`"
# By these MicroPython's own are called.
_KEYWORDS = ("server_hostname", "server_side", "do_handshake_on_connect", "ssid", "bssid")
FOLDER = "chip"  # of the stand-ins, on the board


def stand_ins() -> dict[str, bytes]:
    """Return what the emulated board gets beside the firmware, by path on its flash."""
    files = {"boot.py": (_STAND_INS / "boot.py").read_bytes()}
    sources = {
        f"{name_scan.STAND_INS}{path.name}": path.read_bytes()
        for path in sorted(_STAND_INS.glob("chip_*.py"))
    }
    # What they stand in for has no names in heap: theirs would count as the firmware's.
    for path, short in short_names.shorten(sources, _KEYWORDS).items():
        name = path.removeprefix(name_scan.STAND_INS)
        files[f"{FOLDER}/{name[:-3]}.mpy"] = compile_mpy(short.source, name)
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
    start = cache.chip_board().file_system_start
    content = _file_system_in(read(path)) if path.exists() else None
    flash[start:] = file_system(content, files)
    image.write(path, flash)


def from_image(name: str, uf2: bytes) -> bytearray:
    """Return the flash of the .uf2 that `linkpost image` wrote. Raises: CommandError."""
    board = cache.chip_board()
    check_firmware(uf2, board, name)
    flash = from_uf2(uf2, name)
    start = board.file_system_start
    content = bytes(flash[start:])
    if content == b"\xff" * len(content) or _read(content, deploy_record.PATH) is None:
        raise CommandError(f"{name} is without linkpost: linkpost image {board.name} makes one")
    flash[start:] = file_system(content, None)
    return flash


def mend(path: Path) -> None:
    """Put the stand-ins back where a program or somebody has written over them."""
    content = _file_system_in(read(path))
    mended = file_system(content, None)
    if mended != content:
        with open(path, "r+b") as file:
            file.seek(cache.chip_board().file_system_start)
            file.write(mended)


def prepare(path: Path) -> None:
    """Make the flash of a board with nothing on it but MicroPython, where there is none."""
    if path.exists():
        mend(path)
    else:
        name, uf2 = cache.micropython()
        flash = from_uf2(uf2, name)
        flash[cache.chip_board().file_system_start :] = file_system(None, {})
        image.write(path, flash)


def file_system(content: bytes | None, files: dict[str, bytes] | None) -> bytes:
    """Return a file system with the stand-ins, and with exactly these files of ours.

    Args: content: one to begin with, or None. files: None leaves what is on it.
    """
    kind = kind_of(cache.chip_board())
    wanted = stand_ins()
    if content is not None:
        user = _read(content, "boot.py")
        if user is None:  # removed by whoever wrote theirs, which was kept; or there was none
            content = image.remove_file(kind, content, f"{FOLDER}/boot.py")
        elif not user.startswith(_OURS):
            wanted[f"{FOLDER}/boot.py"] = user
    try:
        if files is None and content is not None:
            made = content
            for name, data in wanted.items():
                if _read(made, name) != data:
                    made = image.add_file(kind, made, name, data)
            return made
        return image.build_image(kind, {**(files or {}), **wanted}, content)
    except LittleFSError as error:
        if error.code != LittleFSError.Error.LFS_ERR_NOSPC:
            raise _no_file_system() from error
        raise CommandError(
            "the flash is full: the firmware does not fit beside its files; give a new --flash"
        ) from error


def files_on(path: Path) -> Files:
    """Return the files of a flash, to look at. Raises: CommandError."""
    return files_in(read(path))


def files_in(flash: bytes | bytearray) -> Files:
    """Return the files of what `read` returned, to look at. Raises: CommandError."""
    try:
        return image_files(image.open_content(kind_of(cache.chip_board()), _file_system_in(flash)))
    except LittleFSError as error:
        raise _no_file_system() from error


def has_app(path: Path) -> bool:
    """Tell whether there is a program that starts by itself."""
    return _read(_file_system_in(read(path)), "main.py") is not None


def firmware_files(config: dict[str, Any], ca: Path | None) -> dict[str, bytes]:
    """Return the firmware as it is deployed to the build in the cache: not a byte differs."""
    version = cache.version_of(cache.micropython()[1])
    board = cache.chip_board()
    return files_for(
        config, chip=board.port, native_digests=version >= (1, 27), ca=ca, with_aio=True
    )


def read(path: Path) -> bytes:
    """Return the whole flash. Raises: CommandError where the file is none."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CommandError(f"cannot read {path}: {error.strerror}") from error
    if len(content) != FLASH_BYTES:
        raise CommandError(
            f"{path} is no flash of an emulated Pico W ({FLASH_BYTES:,} bytes): give another "
            "name, and it is made"
        )
    return content


def _file_system_in(flash: bytes | bytearray) -> bytes:
    return bytes(flash[cache.chip_board().file_system_start :])


def _read(content: bytes, name: str) -> bytes | None:
    try:
        return image.read_file(kind_of(cache.chip_board()), content, name)
    except LittleFSError as error:
        raise _no_file_system() from error


def _no_file_system() -> CommandError:
    return CommandError("there is no file system of a Pico W on this flash: give a new --flash")
