"""A virtual board on a serial port for tests: `with serial_board(tmp_path) as board: ...`."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tools.firmware.board_files import files_for, load_config
from tools.virtual_board import image, kinds, runtimes

WAIT_S = 60.0
_POLL_S = 0.005

needs_serial_board = pytest.mark.skipif(
    sys.platform == "win32" or not runtimes.has_micropython(),
    reason="no MicroPython wheel or no pseudo-terminals here",
)


class BoardOnPort:
    """What `serial_board` gives. `port` is a path that stays, `flash` the image's path.

    `console` is all that the board has printed since the start, heard or not; `notes` what
    happened to it ("hard reset", "soft reset", "no power").
    """

    def __init__(self, port: Path, flash: Path, kind: kinds.BoardKind):
        self.port = str(port)
        self.flash = flash
        self.kind = kind
        self.notes: list[str] = []
        self._heard = bytearray()
        self._board: Any = None  # its parts are imported late: Windows has none of them
        self._thread: Any = None

    @property
    def console(self) -> str:
        return bytes(self._heard).decode(errors="replace")

    # -- what a hand at the bench does --------------------------------------------------------

    def press_reset(self) -> None:
        """Press the reset button."""
        self._board.press_reset()

    def cut_power(self) -> None:
        """Pull the cable, and wait until the board is off."""
        before = self.notes.count("no power")
        self._board.cut_power()
        self.wait_until(lambda: self.notes.count("no power") > before, "power off")

    def power_on(self, cut_after_bytes: int | None = None) -> None:
        """Plug the board in again, and wait for its port.

        Args: cut_after_bytes: pull the cable when so many bytes have come over the port.
        """
        self._board.power_on(cut_after_bytes)
        self.wait_for_port()

    def say(self, data: bytes) -> None:
        """Print that, as a boot loader or another task of the chip does."""
        self._board.say(data)

    @contextlib.contextmanager
    def chatter(self, every_s: float, line: bytes = b"W (4711) wifi: bcn_timeout > 6\r\n"):
        """Let another task of the chip print a line now and then, in this block."""
        stopped = threading.Event()

        def talk() -> None:
            while not stopped.wait(every_s):
                self.say(line)

        thread = threading.Thread(target=talk, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stopped.set()
            thread.join()

    # -- waiting ------------------------------------------------------------------------------

    def wait_for_port(self) -> None:
        """Wait until the port is there."""
        self.wait_until(lambda: Path(self.port).exists(), "the port")

    def wait_for(self, text: str, start: int = 0) -> int:
        """Wait until the console holds `text` from `start` on; return the place behind it."""
        self.wait_until(lambda: text in self.console[start:], f"{text!r}")
        return self.console.index(text, start) + len(text)

    def wait_for_note(self, text: str, count: int = 1) -> None:
        """Wait until that many notes hold the text."""
        self.wait_until(lambda: sum(text in n for n in self.notes) >= count, f"the note {text!r}")

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + WAIT_S
        while not condition():
            if time.monotonic() > end or not self._thread.is_alive():
                raise AssertionError(
                    f"no {what} in {WAIT_S} s; notes {self.notes}, console:\n{self.console}"
                )
            time.sleep(_POLL_S)

    # -- what is on the flash -----------------------------------------------------------------

    def files(self) -> dict[str, bytes]:
        """Return every file by path ("lib/linkpost/app.mpy"); best with the power cut."""
        file_system = image.open_image(self.flash, self.kind)
        found = {}
        for root, _, names in file_system.walk("/"):
            for name in names:
                path = f"{root.rstrip('/')}/{name}"
                with file_system.open(path, "rb") as file:
                    found[path.lstrip("/")] = file.read()
        return found

    def mpremote(self, *arguments: str, timeout_s: float = WAIT_S) -> subprocess.CompletedProcess:
        """Run the real mpremote on this port to its end, as a person does."""
        return subprocess.run(
            [sys.executable, "-m", "mpremote", "connect", self.port, *arguments],
            capture_output=True,
            text=True,
            timeout=timeout_s,
            stdin=subprocess.DEVNULL,
        )


@contextlib.contextmanager
def serial_board(
    folder: Path,
    kind: str = "ESP32_GENERIC",
    usb: str = "uart",
    files: dict[str, bytes] | None = None,
    config: Path | None = None,
    ca: Path | str | None = None,
    gone_s: float = 0.3,
    cut_at: int = 0,
    cut_after_bytes: int | None = None,
    powered: bool = True,
) -> Iterator[BoardOnPort]:
    """Run a virtual board on a port in `folder`; the flash there is kept if there is one.

    Args:
        usb: "uart", whose port stays, or "native", whose port goes at a reset.
        files: what is on a new flash, content by path; None: nothing but MicroPython.
        config: a config.json; with it the firmware is on the flash too, and `ca` if given.
        gone_s: how long a native port is away (about a second in reality).
        cut_at: the power is cut in the middle of that flash operation of this run.
        cut_after_bytes: the cable is pulled when so many bytes have come over the port.
        powered: False: nothing runs before `power_on`.
    """
    from tools.virtual_board.serial_board import SerialBoard, Wiring, prepare_flash
    from tools.virtual_board.supervisor import Setup

    setup = Setup(runtimes.MICROPYTHON, kinds.KINDS[kind], folder / "flash.img", cut_at=cut_at)
    content = dict(files or {})
    if config is not None:
        text, parsed = load_config(config)
        content.update(
            files_for(
                parsed,
                chip="host",
                native_digests=True,
                ca=Path(ca) if ca else None,
                with_aio=True,
            )
        )
        content["config.json"] = text
    if content:
        image.refresh_image(setup.flash, setup.kind, content)
    prepare_flash(setup)
    board = BoardOnPort(folder / "port", setup.flash, setup.kind)
    runner = board._board = SerialBoard(
        setup,
        Wiring(folder / "port", usb, gone_s, cut_after_bytes, powered),
        board.notes.append,
        board._heard.extend,
    )
    thread = board._thread = threading.Thread(target=runner.run, daemon=True)
    thread.start()
    try:
        if powered:
            board.wait_until(lambda: Path(board.port).exists() or bool(board.notes), "port")
        yield board
    finally:
        runner.stop()
        thread.join()
