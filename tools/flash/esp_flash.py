"""An ESP32's boot loader, by esptool: who the chip is, and writing to its flash.

esptool runs as a process of its own, so that several boards can be written side by side, and what
it prints does not get between our lines.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..firmware.boards import Board
from ..terminal.failures import NO_BOARD, CommandError
from ..usb.serial_link import why_not

Progress = Callable[[float], None]  # 0 to 100

_CHIP = re.compile(r"^Connected to (\S+) on ", re.MULTILINE)
_MAC = re.compile(r"^(?:BASE )?MAC:\s+((?:[0-9a-f]{2}:){5}[0-9a-f]{2})\s*$", re.MULTILINE)
_SIZE = re.compile(r"^Detected flash size:\s+(\d+)([KM])B", re.MULTILINE)
_PERCENT = re.compile(r"Writing at 0x\w+ .*?(\d+(?:\.\d+)?)%")
_WRONG_CHIP = re.compile(r"This chip is (\S+), not ")
_HOW_TO_ENTER = "hold BOOT while plugging in or while pressing RESET, and repeat"


@dataclass(frozen=True)
class Chip:
    """What a boot loader says of its chip."""

    name: str  # as esptool writes it: "ESP32-S3"
    mac: str  # lower case, with colons; it is this chip's and no other's
    flash_bytes: int


def read_chip(port: str) -> Chip:
    """Return who answers on that port; the board restarts. Raises: CommandError, exit code 7."""
    text = _run(port, ["--port", port, "flash-id"])
    name, macs, size = _CHIP.search(text), _MAC.findall(text), _SIZE.search(text)
    if not (name and macs and size):
        raise CommandError(
            f"the board on {port} did not say which chip and flash it has; repeat", NO_BOARD
        )
    scale = {"K": 1024, "M": 1024 * 1024}[size.group(2)]
    return Chip(name.group(1), macs[-1], int(size.group(1)) * scale)


def read_mac(port: str) -> str:
    """Return the MAC of the chip on that port. Raises: CommandError, exit code 7."""
    return read_chip(port).mac


def check_chip(chip: Chip, board: Board, all_boards: dict[str, Board]) -> None:
    """Raise CommandError where the chip is not that board's; nothing was written."""
    if chip.name == board.chip_name:
        return
    right = [one for one in all_boards.values() if one.chip_name == chip.name]
    raise CommandError(
        f"This is an {chip.name}, the firmware is for {board.chip_name}. Nothing was written."
        + (f" Use: linkpost flash {right[0].name}" if right else "")
    )


def flash_esp(
    port: str,
    board: Board,
    parts: list[tuple[int, Path]],
    progress: Progress = lambda percent: None,
    erase_all: bool = False,
) -> None:
    """Write files to a chip's flash, each at its offset; verified by the chip's own hash.

    Raises: CommandError, exit code 7, that says what to do; 2 for the wrong chip.
    """
    command = ["--chip", board.chip, "--port", port, "--baud", str(board.baud or 115200)]
    command += ["write-flash", *(["--erase-all"] if erase_all else [])]
    for offset, path in parts:
        command += [hex(offset), str(path)]
    text = _run(port, command, progress)
    if text.count("Hash of data verified.") < len(parts):
        raise CommandError(f"what was written to {port} could not be verified; repeat", NO_BOARD)


def _run(port: str, arguments: list[str], progress: Progress = lambda percent: None) -> str:
    process = subprocess.Popen(  # noqa: S603  our own command
        [sys.executable, "-m", "esptool", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    lines = []
    try:
        assert process.stdout is not None  # noqa: S101  for the type checker: it is a pipe
        for line in process.stdout:  # a lone CR ends a line here too
            lines.append(line)
            if found := _PERCENT.search(line):
                progress(float(found.group(1)))
        code = process.wait()
    finally:
        if process.poll() is None:  # Ctrl-C, or whatever `progress` raised
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
    text = "".join(lines)
    if code:
        raise _failure(port, text)
    return text


def _failure(port: str, text: str) -> CommandError:
    if found := _WRONG_CHIP.search(text):
        return CommandError(
            f"the board on {port} is an {found.group(1).rstrip(',')}. Nothing was written."
        )
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if "rror" in line] or lines[-1:]
    said = re.sub(r"^.*?error occurred:\s*", "", errors[-1]) if errors else "no word"
    low = text.lower()
    if "could not open" in low:
        refusal, _ = why_not(port)
        if refusal is not None:
            return refusal
    if "failed to connect" in low or "no serial data" in low:
        return CommandError(
            f"the boot loader on {port} does not answer: {_HOW_TO_ENTER}", NO_BOARD
        )
    return CommandError(
        f"esptool failed on {port}: {said[:200]}. Check the cable; {_HOW_TO_ENTER}", NO_BOARD
    )
