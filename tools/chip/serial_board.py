"""An emulated chip behind a serial port, for mpremote and for people."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..terminal.failures import CommandError
from ..virtual_board.serial_port import SerialPort
from . import flash as flash_file
from .process import ChipProcess

NATIVE = "native"
_GONE_S = 1.0  # how long a native port is away at a reset
_LOOK_S = 0.02


class ChipOnPort:
    """One board with power; `run` in one thread, `stop` and `press_reset` from any.

    At each reset its flash is looked at: where a program or somebody has written a boot.py of
    their own over ours, theirs is kept and ours put back, so the next life has its network.
    Args: note: is given a line for each thing that happens to the board. heard: is given what it
    prints, also what the port loses.
    """

    def __init__(
        self,
        flash: Path,
        link: Path,
        usb: str,
        note: Callable[[str], None] = lambda line: None,
        heard: Callable[[bytes], None] = lambda data: None,
        gone_s: float = _GONE_S,
    ):
        self.port = SerialPort(link)
        self._flash = flash
        self._usb = usb
        self._note = note
        self._heard = heard
        self._gone_s = gone_s
        self._stopped = False
        self._back_at: float | None = None
        self._board: ChipProcess | None = None
        self._chip_ms = 0.0
        self._operations = 0
        self.operations_at_reset = 0  # of the flash, where they are reported
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)

    @property
    def chip_ms(self) -> float:
        """Chip time since power on."""
        return self._chip_ms if self._board is None else self._board.chip_ms

    def start(self, seed: int | None = None, **options: Any) -> None:
        """Power the board on; its port is there."""
        self._board = ChipProcess(
            self._flash,
            seed=seed,
            real_time=True,
            asks_at_reset=True,
            on_event=self._wake,
            **options,
        )
        self.port.appear()

    def _wake(self) -> None:
        os.write(self._writer, b"!")

    def stop(self) -> None:
        """End `run`: the power is cut."""
        self._stopped = True

    def press_reset(self) -> None:
        """Press the reset button."""
        if self._board is not None:
            self._board.reset()

    def run(self) -> None:
        """Pass bytes both ways until `stop`; leaves no process and no port behind."""
        try:
            while not self._stopped:
                self._wait()
                self._pass_events()
                if self._board is not None and (typed := self.port.read()):
                    self._board.type(typed)
                if self._back_at is not None and time.monotonic() >= self._back_at:
                    self._back_at = None
                    self.port.appear()
                self.port.write()
        finally:
            if self._board is not None:
                self._board.kill()
            self.port.vanish()

    def _wait(self) -> None:
        poll = select.poll()
        poll.register(self._reader, select.POLLIN)
        if self.port.is_listened() and self.port.fd is not None:
            poll.register(self.port.fd, self.port.wants)
        poll.poll(_LOOK_S * 1000)
        try:
            os.read(self._reader, 4096)
        except BlockingIOError:
            return

    def _pass_events(self) -> None:
        board = self._board
        while board is not None and (event := board.next_event(0)) is not None:
            if "console" in event:
                self._heard(event["console"])
                self.port.write(event["console"])
            elif "operation" in event:
                self._operations = event["operation"]
            elif "reset" in event:
                self.operations_at_reset = self._operations
                self._reset(board)
            elif "end" in event:
                self._note(f"no power: {event['end']}")
                self._chip_ms = board.chip_ms
                board.kill()
                self._board = board = None
                self.port.vanish()

    def _reset(self, board: ChipProcess) -> None:
        self._note("hard reset")
        if self._usb == NATIVE:
            self.port.vanish()
            self._back_at = time.monotonic() + self._gone_s
        try:
            flash_file.mend(self._flash)
        except CommandError as error:
            self._note(str(error))
        board.go_on()
