"""The drive that a Pico's boot loader shows: found, and given its firmware."""

from __future__ import annotations

import contextlib
import os
import string
import sys
import time
from collections.abc import Callable
from pathlib import Path

from ..firmware.boards import Board
from ..terminal.failures import NO_BOARD, CommandError

_INFO = "INFO_UF2.TXT"
_PIECE_BYTES = 64 * 1024
_POLL_S = 0.25

Progress = Callable[[int, int], None]  # bytes so far, bytes in all


def find_drive(board: Board) -> Path | None:
    """Return the drive of that board's boot loader, where one is mounted."""
    for folder in _mounted():
        if _is_of(folder, board):
            return folder
    return None


def wait_for_drive(board: Board, wait_s: float) -> Path:
    """Return the drive as soon as it is there. Raises: CommandError, exit code 7."""
    deadline = time.monotonic() + wait_s
    while True:
        drive = find_drive(board)
        if drive is not None:
            return drive
        if time.monotonic() > deadline:
            raise CommandError(
                f"no drive {board.uf2_volume} appeared. Hold BOOTSEL while plugging in, repeat. "
                "Where drives are not mounted by themselves: mount it, and give it with --drive",
                NO_BOARD,
            )
        time.sleep(_POLL_S)


def check_drive(drive: Path, board: Board) -> None:
    """Raise CommandError where a folder is no drive of that board's boot loader."""
    try:
        text = (drive / _INFO).read_text(errors="replace")
    except OSError as error:
        raise CommandError(
            f"--drive: {drive} is no drive of a boot loader: it has no {_INFO}"
        ) from error
    if f"Board-ID: {board.uf2_volume}" not in text:
        told = [line for line in text.splitlines() if line.startswith("Board-ID:")]
        raise CommandError(
            f"{drive} belongs to another board ({told[0] if told else 'it does not say which'}), "
            f"not to an {board.chip_name}. Nothing was written."
        )


def copy_uf2(
    drive: Path, name: str, data: bytes, progress: Progress = lambda done, total: None
) -> None:
    """Copy a UF2 file to the drive, and compare it where the drive is still there afterwards.

    A real one is not: the board restarts with its last block. Raises: CommandError, exit code 7.
    """
    target = drive / name
    try:
        with target.open("wb") as file:
            for at in range(0, len(data), _PIECE_BYTES):
                file.write(data[at : at + _PIECE_BYTES])
                file.flush()
                progress(min(at + _PIECE_BYTES, len(data)), len(data))
            _sync(file.fileno())
    except OSError as error:
        raise CommandError(
            f"the copy to {drive} was cut off ({error.strerror}). Hold BOOTSEL while plugging in, "
            "and repeat",
            NO_BOARD,
        ) from error
    try:
        written = target.read_bytes()
    except OSError:
        return  # the board has restarted
    if written != data:
        raise CommandError(f"{target} is not what was copied; repeat", NO_BOARD)


def _sync(descriptor: int) -> None:
    # The board takes its last block, restarts, and the drive is gone.
    with contextlib.suppress(OSError):
        os.fsync(descriptor)


def _is_of(folder: Path, board: Board) -> bool:
    try:
        return f"Board-ID: {board.uf2_volume}" in (folder / _INFO).read_text(errors="replace")
    except OSError:
        return False


def _mounted() -> list[Path]:
    """Return where drives are mounted on this host."""
    if sys.platform == "win32":
        return [Path(f"{letter}:/") for letter in string.ascii_uppercase[3:]]
    if sys.platform == "darwin":
        return _below("/Volumes", 1)
    return _below("/media", 2) + _below("/run/media", 2) + _below("/mnt", 1)


def _below(root: str, depth: int) -> list[Path]:
    pattern = "/".join(["*"] * depth)
    return sorted(Path(root).glob(pattern)) if Path(root).is_dir() else []
