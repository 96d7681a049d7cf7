"""An emulated chip for tests: files put on its flash, powered, and what it did."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from linkpost_command import write_config

from host_tests.chip import progress
from tools.chip import cache, flash
from tools.chip.process import ChipProcess
from tools.chip.repl import ChipRepl
from tools.chip.run import ChipRun, Wanted
from tools.firmware.board_files import load_config
from tools.firmware.config_check import CHECKED, check_config
from tools.virtual_board import image, supervisor
from tools.virtual_board.kinds import kind_of
from tools.virtual_board.supervisor import Outcome

WIFI = {"ssid": "desk", "password": "12345678"}


@dataclass
class EmulatedBoard:
    """One flash, and what its boards printed and did since it was made."""

    folder: Path
    lines: list[str] = field(default_factory=list)
    outcome: Outcome | None = None
    chip_ms: float = 0.0
    config: dict[str, Any] = field(default_factory=dict)

    @property
    def flash(self) -> Path:
        return self.folder / "flash"

    @property
    def log(self) -> str:
        return "\n".join(self.lines)

    def put(
        self,
        endpoint: str,
        ca: str | Path | None,
        *,
        main: bytes | None = None,
        more: dict[str, bytes] | None = None,
        **config: Any,
    ) -> None:
        """Put the firmware, a config and anchors on the flash, as a deploy does."""
        settings = {"wifi": WIFI, "ntp": ["localhost"], "sensors": [{"type": "onchip"}]}
        path = write_config(self.folder, endpoint, **{**settings, **config})
        text, parsed = load_config(path)
        self.config = parsed
        files = flash.firmware_files(parsed, Path(ca) if ca else None)
        files["config.json"] = text
        files[CHECKED] = check_config(parsed, cache.chip_board(), text)
        if main is not None:
            files["main.py"] = main
        flash.refresh(self.flash, {**files, **(more or {})})

    def run(
        self,
        reports: int | None = None,
        timeout_s: float = 300,
        cut_at: int = 0,
        until: Callable[[str], bool] = lambda line: False,
        on_line: Callable[[str], None] = lambda line: None,
        **options: Any,
    ) -> Outcome:
        """Power the board on, and off at the end; return how it ended. Its log is in `lines`.

        Args: until: stop, as a timeout does, at a line of the log for which that is true.
        on_line: is given each line.
        """
        board = ChipRun(Wanted(reports, timeout_s, cut_at), lambda line: take(line))

        def take(line: str) -> None:
            self.lines.append(line)
            on_line(line)
            if until(line):
                board.stop(supervisor.TIMEOUT)

        self.outcome = board.run(self.flash, **options)
        self.is_at_prompt = board.is_at_prompt
        self._count(board.chip_ms)
        return self.outcome

    @contextlib.contextmanager
    def repl(self, **options: Any) -> Iterator[ChipRepl]:
        """Power the board on and stop its program; yield its raw REPL."""
        with ChipProcess(self.flash, **options) as board:
            repl = ChipRepl(board)
            try:
                repl.enter()
                yield repl
            finally:
                self._count(board.chip_ms)

    def files(self, *folders: str) -> dict[str, bytes]:
        """Return the files on the flash, by path."""
        found = flash.files_on(self.flash)
        paths = found.files(*(folders or ("/",)))
        return {path.lstrip("/"): found.read(path) or b"" for path in paths}

    def _count(self, ms: float) -> None:
        self.chip_ms += ms
        progress.add_chip_ms(ms)


@dataclass
class PortedChip:
    """An emulated chip on a serial port."""

    port: str
    board: Any
    notes: list[str]
    heard: bytearray

    @property
    def operations_at_reset(self) -> int:
        """Flash operations from power on to the latest reset, where `tell_operations`."""
        return self.board.operations_at_reset

    @property
    def console(self) -> str:
        return bytes(self.heard).decode(errors="replace")


@contextlib.contextmanager
def chip_on_port(
    emulated: EmulatedBoard, usb: str = "native", **options: Any
) -> Iterator[PortedChip]:
    """Power the board on, with its REPL on a port."""
    from tools.chip.serial_board import ChipOnPort

    flash.prepare(emulated.flash)
    notes: list[str] = []
    heard = bytearray()
    port = emulated.folder / "port"
    board = ChipOnPort(emulated.flash, port, usb, notes.append, heard.extend, gone_s=0.3)
    board.start(**options)
    thread = threading.Thread(target=board.run, daemon=True)
    thread.start()
    try:
        yield PortedChip(str(port), board, notes, heard)
    finally:
        emulated._count(board.chip_ms)
        board.stop()
        thread.join()


def readings(emulator: Any, device: str) -> list[dict[str, Any]]:
    """Return the readings that the platform has, oldest first; those of a batch one by one."""
    found: list[dict[str, Any]] = []
    for message in emulator.messages(device):
        body = json.loads(message["payload"])
        found += body if isinstance(body, list) else [body]
    return found


def is_required() -> bool:
    """Tell whether the chip's files have to be here."""
    return os.environ.get("LINKPOST_REQUIRE_CHIP") == "1"


def add_file(path: Path, name: str, data: bytes) -> None:
    """Put one more file on a flash; a new one has only MicroPython on it."""
    if not path.exists():
        flash.prepare(path)
    start = cache.chip_board().file_system_start
    content = bytearray(path.read_bytes())
    kind = kind_of(cache.chip_board())
    content[start:] = image.add_file(kind, bytes(content[start:]), name, data)
    path.write_bytes(content)
