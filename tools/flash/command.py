"""`linkpost flash`: MicroPython onto a new board."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from ..firmware.boards import ESP32, Board, boards, find_board
from ..terminal import failures, next_step
from ..usb.serial_ports import find_port, plugged_in
from ..usb.uf2_drive import check_drive, copy_uf2, find_drive, wait_for_drive
from .esp_flash import Chip, check_chip, flash_esp, read_chip
from .firmware_cache import firmware_for, firmware_from
from .firmware_image import check_firmware, look_inside

_DRIVE_S = 30.0
_BOOTLOADER_S = 20


@click.command()
@click.argument("board_name", metavar="BOARD")
@click.option("--port", help="Its serial port.  [default: that of the only board]")
@click.option(
    "--firmware",
    type=click.Path(path_type=Path),
    help="A MicroPython .bin or .uf2 of your own; without it the pinned one is downloaded, once.",
)
@click.option(
    "--drive", type=click.Path(path_type=Path), help="Pico: where its boot loader's drive is."
)
@click.option(
    "--erase", is_flag=True, help="Erase all of the flash first: files, token, readings."
)
def flash(
    board_name: str, port: str | None, firmware: Path | None, drive: Path | None, erase: bool
) -> int:
    """Put MicroPython on a board: ESP32 family by esptool, Pico by its UF2 drive.

    What is written is checked first: the file is for this chip, and this is the chip. Files that
    are on the board stay, unless --erase. `linkpost boards` lists the names.

    \b
    Example: linkpost flash ESP32_GENERIC
    """
    board = find_board(board_name)
    name, data = _downloaded(board) if firmware is None else firmware_from(firmware)
    check_firmware(data, board, name)
    if board.port == ESP32:
        where = port or find_port()
        _flash_esp(board, where, data, erase)
    else:
        if erase:
            raise failures.CommandError("--erase is for the ESP32 family; a Pico keeps its files")
        where = str(_flash_pico(board, port, drive, name, data))
    inside = look_inside(data, board)
    print(f"{inside} ({name}) is on the {board.chip_name} at {where}, verified.")
    # Files are an image's: with a config in them, and the app.
    print(f"Next: {next_step.command('monitor' if inside.has_files else 'provision', port)}")
    return failures.DONE


def _flash_esp(board: Board, port: str, data: bytes, erase: bool) -> None:
    chip = read_chip(port)
    check_chip(chip, board, boards())
    _note(f"{chip.name}, MAC {chip.mac}, {chip.flash_bytes // 1024:,} KB of flash, on {port}")
    check_room(chip, board, len(data))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "micropython.bin")
        path.write_bytes(data)
        with bar("writing") as show:
            flash_esp(port, board, [(board.offset, path)], show, erase)


def check_room(chip: Chip, board: Board, length: int) -> None:
    """Raise CommandError where that firmware is longer than the chip's flash."""
    if board.offset + length > chip.flash_bytes:
        raise failures.CommandError(
            f"this firmware needs {board.offset + length:,} bytes of flash, this board has "
            f"{chip.flash_bytes:,}. Nothing was written."
        )


def _flash_pico(
    board: Board, port: str | None, drive: Path | None, name: str, data: bytes
) -> Path:
    if drive is None:
        drive = find_drive(board)
    else:
        check_drive(drive, board)
    if drive is None:
        enter_boot_loader(board, port)
        drive = wait_for_drive(board, _DRIVE_S)
    with bar("copying") as show:
        copy_uf2(drive, name, data, lambda done, total: show(100 * done / total))
    return drive


def enter_boot_loader(board: Board, port: str | None) -> None:
    """Have a Pico that runs MicroPython restart into its boot loader; else ask for the button."""
    if port is None:
        ports = [one.port for one in plugged_in() if board.name in one.boards]
        port = ports[0] if len(ports) == 1 else None
    if port is None:
        _note(f"waiting for the drive {board.uf2_volume}: hold BOOTSEL while plugging in")
        return
    _note(f"asking the board on {port} to restart into its boot loader")
    command = [sys.executable, "-m", "mpremote", "connect", port, "bootloader"]
    try:
        # The board goes away while it answers, so how mpremote ends says nothing.
        subprocess.run(  # noqa: S603  our own command
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_BOOTLOADER_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        _note("it does not answer: hold BOOTSEL while plugging in")


def _downloaded(board: Board) -> tuple[str, bytes]:
    with bar("downloading") as show:
        return firmware_for(board, lambda done, total: show(100 * done / total if total else 0))


@contextlib.contextmanager
def bar(what: str) -> Iterator[Callable[[float], None]]:
    """Show a progress bar on standard error, if that is a terminal; yield what takes percents."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda percent: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(what, total=100)
        yield lambda percent: progress.update(task, completed=percent)


def _note(line: str) -> None:
    print(f"linkpost: {line}", file=sys.stderr, flush=True)
