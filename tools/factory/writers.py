"""How the factory knows and writes one board: ESP32 by its boot loader, Pico by its drive."""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

from ..client.devices_csv import Triple
from ..firmware.boards import ESP32, Board, boards
from ..firmware.config_check import check_config, dump_config
from ..firmware.user_files import UserFiles
from ..flash.command import enter_boot_loader
from ..flash.esp_flash import Chip, check_chip, flash_esp, read_chip
from ..image.build import (
    Layout,
    base_image,
    device_image,
    flash_parts,
    layout_of,
    unique_file_name,
)
from ..terminal.failures import NO_BOARD, CommandError
from ..usb.board import UsbBoard
from ..usb.uf2_drive import copy_uf2, find_drive, wait_for_drive

_DRIVE_S = 30.0
_ANSWER_S = 20.0
_GONE_S = 10.0
_POLL_S = 0.2
# The radio knows its address once it has been switched on.
_ASK_MAC = """
import network,binascii
w=network.WLAN(network.STA_IF)
a=w.active()
w.active(True)
_linkpost_tell(binascii.hexlify(w.config('mac'),':').decode())
w.active(a)
"""

Progress = Callable[[float], None]  # 0 to 100


class Writer(Protocol):
    """What the bench needs of a kind of board."""

    def identify(self, port: str) -> Chip:
        """Return who is on that port; nothing is written. Raises: CommandError."""

    def write(self, port: str, chip: Chip, triple: Triple, progress: Progress) -> None:
        """Write a device's flash, verified, and start the board. Raises: CommandError."""


class Images:
    """The flash contents of all devices: what is the same for all of them is made once.

    Args: firmware: MicroPython's own file, (name, content); configs: by `Triple.key`; folder: for
    files that hold secrets, for as long as a board is being written.
    """

    def __init__(
        self,
        board: Board,
        firmware: tuple[str, bytes],
        configs: dict[str, dict[str, Any]],
        ca: Path | None,
        folder: Path,
        user: UserFiles | None = None,
    ):
        self.board = board
        self.firmware = firmware
        self._configs = configs
        self._ca = ca
        self._folder = folder
        self._user = user or UserFiles()
        self._lock = threading.Lock()
        self._bases: dict[int, tuple[Layout, bytes]] = {}

    def uf2(self, triple: Triple) -> bytes:
        """Return MicroPython and a device's files as one UF2."""
        return device_image(*self._base(self.board.size), *self._config(triple))

    @contextlib.contextmanager
    def parts(self, triple: Triple, flash_bytes: int) -> Iterator[list[tuple[int, Path]]]:
        """Yield what to write to a chip, (offset, file); the files are gone afterwards."""
        made = flash_parts(*self._base(flash_bytes), *self._config(triple))
        paths = []
        try:
            for number, (offset, data) in enumerate(made):
                path = self._folder / unique_file_name(triple, f".{number}.bin")
                paths.append((offset, path))
                with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
                    file.write(data)
            yield paths
        finally:
            for _, path in paths:
                path.unlink(missing_ok=True)

    def _config(self, triple: Triple) -> tuple[bytes, bytes]:
        """Return a device's config.json, and what stands beside it."""
        config = self._configs[triple.key]
        return dump_config(config), check_config(config, self.board)

    def _base(self, flash_bytes: int) -> tuple[Layout, bytes]:
        with self._lock:
            if flash_bytes not in self._bases:
                layout = layout_of(self.board, flash_bytes, self.firmware)
                config = next(iter(self._configs.values()))
                base = base_image(layout, config, self._ca, self._user)
                self._bases[flash_bytes] = layout, base
            return self._bases[flash_bytes]

    def check(self) -> None:
        """Raise CommandError where firmware and files are not for this board, or do not fit, and
        the firmware's ConfigError where a sensor's file has no Sensor."""
        self._user.check_sensors(next(iter(self._configs.values())))
        self._base(self.board.size)


class EspWriter:
    """The ESP32 family, by esptool: any number of ports side by side."""

    def __init__(self, images: Images):
        self._images = images

    def identify(self, port: str) -> Chip:
        """See Writer."""
        chip = read_chip(port)
        check_chip(chip, self._images.board, boards())
        return chip

    def write(self, port: str, chip: Chip, triple: Triple, progress: Progress) -> None:
        """See Writer. esptool compares the chip's own hash of each part."""
        with self._images.parts(triple, chip.flash_bytes) as parts:
            flash_esp(port, self._images.board, parts, progress)


class PicoWriter:
    """The Picos: a board that runs MicroPython tells who it is, and restarts into its drive.

    Drives do not tell whose they are: only one board is in its boot loader at a time. One that is
    there unasked is a new board: `start_new` gives it MicroPython, and it comes back as a port.
    Not tried on hardware.
    """

    def __init__(self, images: Images):
        self._images = images
        self._drive = threading.Lock()

    def identify(self, port: str) -> Chip:
        """See Writer: by the MAC of its radio."""
        with UsbBoard(port, wait_s=_ANSWER_S) as board:
            mac = "".join(board.ask(_ASK_MAC))
        if not re.fullmatch(r"([0-9a-f]{2}:){5}[0-9a-f]{2}", mac) or mac == "00:00:00:00:00:00":
            raise CommandError(f"the board on {port} reports no MAC; try again", NO_BOARD)
        return Chip(self._images.board.chip_name, mac, self._images.board.size)

    def write(self, port: str, chip: Chip, triple: Triple, progress: Progress) -> None:
        """See Writer."""
        board = self._images.board
        content = self._images.uf2(triple)
        with self._drive:
            if find_drive(board) is not None:
                raise CommandError(
                    f"a drive {board.uf2_volume} of another board is there: wait until it has "
                    "MicroPython, and plug this one in again",
                    NO_BOARD,
                )
            enter_boot_loader(board, port)
            self._copy(wait_for_drive(board, _DRIVE_S), content, progress)

    def start_new(self, progress: Progress) -> bool:
        """Give a new board, whose drive is there, its MicroPython; tell whether there was one."""
        if not self._drive.acquire(blocking=False):
            return False
        try:
            drive = find_drive(self._images.board)
            if drive is None:
                return False
            self._copy(drive, self._images.firmware[1], progress)
            return True
        finally:
            self._drive.release()

    def _copy(self, drive: Path, content: bytes, progress: Progress) -> None:
        # A name that tells nothing of the device: some hosts list what was copied last.
        copy_uf2(drive, "linkpost.uf2", content, lambda done, all_: progress(100 * done / all_))
        # The board restarts with its last block; the host takes a moment to see that.
        deadline = time.monotonic() + _GONE_S
        while find_drive(self._images.board) == drive and time.monotonic() < deadline:
            time.sleep(_POLL_S)


def writer_for(images: Images) -> EspWriter | PicoWriter:
    """Return what writes that board."""
    return EspWriter(images) if images.board.port == ESP32 else PicoWriter(images)
