"""Deploys that are cut on the way, byte by byte, on real MicroPython behind a serial port.

A cable that breaks (which is also what a killed deploy is to the board), and power that goes when
so many bytes have come. A few places each time; all of them, for hours, with the environment
variable LINKPOST_DEPLOY_CUTS=all, or every Nth with LINKPOST_DEPLOY_CUTS=N. The power cut in every
flash operation is in host/test_deploy_cuts.py.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

import linkpost_command
import pytest
from cut_cable import CutCable
from serial_board import needs_serial_board, serial_board

from tools.deploy import command as deploy
from tools.firmware.board_files import files_for
from tools.terminal.failures import NO_BOARD, CommandError
from tools.usb.board import UsbBoard

SWEEP = os.environ.get("LINKPOST_DEPLOY_CUTS", "")
pytestmark = [needs_serial_board, *([pytest.mark.timeout(0)] if SWEEP else [])]

THEIRS = {"user/my_sensor.py": b"class MySensor: pass\n", "boot.py": b"# the person's\n"}
# A module that nobody imports, new in each deploy: of three pieces on the wire.
CHANGING = "lib/linkpost/changing.mpy"


class Deploys:
    """Deploys onto one board, each with something new in it."""

    def __init__(self, monkeypatch, config: Path):
        self._number = 0
        self._files: dict[str, bytes] = {}
        self._config = config
        monkeypatch.setattr(deploy, "files_for", lambda *arguments, **options: dict(self._files))
        self.renew()

    def renew(self) -> None:
        self._number += 1
        config = json.loads(self._config.read_text())
        self._files = files_for(config, chip="host", native_digests=True)
        self._files[CHANGING] = b"M\x06" + bytes((self._number % 251, 7)) * 900

    def run(self, port: str, wait_s: int = 60) -> None:
        options = ["--port", port, "--wait", str(wait_s), "--boot-wait", "60", "--json"]
        try:
            assert deploy.deploy.main(options, prog_name="deploy", standalone_mode=False) == 0
        except CommandError as error:
            if "the first report failed: NetworkError" not in str(error):  # nothing listens there
                raise

    def check(self, board) -> None:
        """Check that the board has all of it, and its owner's files as they were."""
        with UsbBoard(board.port, 60) as usb:
            hashes = usb.hashes("main.py", "lib", "certs", "user", "boot.py", "config.json")
        wanted = {**self._files, **THEIRS, "config.json": self._config.read_bytes()}
        assert hashes == {path: deploy.deploy_plan.sha256(data) for path, data in wanted.items()}


@pytest.fixture
def config(tmp_path):
    return linkpost_command.write_config(tmp_path, "localhost:9", interval_s=1)


def places(total: int, few: tuple[float, ...]) -> list[int]:
    """Return after how many of `total` bytes to cut."""
    if SWEEP:
        return list(range(1, total, 1 if SWEEP == "all" else int(SWEEP)))
    return [int(total * part) for part in few]


def bytes_of_a_deploy(deploys: Deploys, board) -> int:
    deploys.renew()
    with CutCable(board.port) as cable:
        deploys.run(cable.port)
    return cable.passed


def test_deploy_whose_cable_breaks_is_repaired_by_the_next(tmp_path, config, monkeypatch):
    deploys = Deploys(monkeypatch, config)
    with serial_board(tmp_path, config=config, files=THEIRS) as board:
        total = bytes_of_a_deploy(deploys, board)
        # In a piece of the changing file, and in what comes after it.
        for number, place in enumerate(places(total, (0.62, 0.85))):
            deploys.renew()
            with (
                CutCable(board.port, cut_after=place) as cable,
                pytest.raises(CommandError) as caught,
            ):
                deploys.run(cable.port, wait_s=1)
            assert caught.value.exit_code == NO_BOARD, place
            if number % 2:
                board.press_reset()
            deploys.run(board.port)
            deploys.check(board)


def test_deploy_whose_board_loses_power_is_repaired_by_the_next(tmp_path, config, monkeypatch):
    deploys = Deploys(monkeypatch, config)
    with serial_board(tmp_path, config=config, files=THEIRS) as board:
        total = bytes_of_a_deploy(deploys, board)
        for place in places(total, (0.7,)):
            deploys.renew()
            board.cut_power()
            board.power_on(cut_after_bytes=place)
            # Retries may need a byte more or less: the last places may come after its end.
            with contextlib.suppress(CommandError):
                deploys.run(board.port, wait_s=1)
            if place < total * 0.9:
                board.wait_for_note("no power", 2)
            board.cut_power()
            board.power_on()
            deploys.run(board.port)
            deploys.check(board)


def test_mpy_that_is_cut_short_is_never_imported_by_the_board_or_by_us(
    tmp_path, config, monkeypatch
):
    deploys = Deploys(monkeypatch, config)
    with serial_board(tmp_path, config=config, files=THEIRS) as board:
        module = "lib/linkpost/loader.mpy"
        with UsbBoard(board.port, 60) as usb:
            whole = usb.read(module)
            usb.remove("main.py")  # as deploy does first of all
            for length in places(len(whole), (0.0, 0.3, 0.99)):
                usb.write(module, whole[:length])
                usb.reset()
                assert usb.identify().linkpost  # of the record, with nothing imported
                assert not usb.value("[m for m in sys.modules if m.startswith('linkpost')]")
        deploys.run(board.port)
        deploys.check(board)
