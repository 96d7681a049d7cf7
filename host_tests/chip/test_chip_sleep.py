"""Light sleep and the watchdog on the chip's own build, and a sleeping board asked by serial."""

import time

import pytest
from emulator_process import DEVICE_NAME, PRODUCT_KEY, EmulatorProcess

from host_tests.chip.emulated_board import EmulatedBoard, chip_on_port, readings
from tools.usb.board import UsbBoard
from tools.virtual_board import supervisor

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

DEVICE = f"{PRODUCT_KEY}/{DEVICE_NAME}"
WATCHDOG_S = 8
ASLEEP = {"sleep": "light", "interval_s": 40, "watchdog_s": WATCHDOG_S}
# Behind what main.py does: an App that hangs after its first report.
HANGS = b"""
from linkpost import App, Config
import time
app = App(Config.load("config.json"))
app.run(reports=1)
print("hangs")
time.sleep(60)
"""


@pytest.fixture(scope="module")
def emulator():
    with EmulatorProcess() as process:
        yield process


def test_board_in_light_sleep_reports_on_time_and_its_watchdog_lets_it_sleep(tmp_path, emulator):
    emulated = EmulatedBoard(tmp_path)
    emulated.put(emulator.platform, emulator.ca, **ASLEEP)
    outcome = emulated.run(reports=4, tls_on_host=True)
    assert outcome.reason == supervisor.DONE, emulated.log
    assert emulated.log.count(" I app started ") == 1, emulated.log
    # Each sleep is as long as five watchdogs, less the report before it.
    assert any(" app sleeping ms=3" in line for line in emulated.lines), emulated.log
    stored = [float(line.split()[0]) for line in emulated.lines if " store stored " in line]
    # The first is the boot's own reading; the others are one interval apart.
    assert all(abs(b - a - 40) < 0.5 for a, b in zip(stored[1:], stored[2:], strict=False)), stored
    assert len(stored) >= 4


def test_board_that_hangs_is_reset_by_its_watchdog_and_loses_nothing(tmp_path, emulator):
    emulated = EmulatedBoard(tmp_path)
    before = len(readings(emulator, DEVICE))
    emulated.put(emulator.platform, emulator.ca, main=HANGS, interval_s=1, watchdog_s=WATCHDOG_S)
    emulated.run(
        timeout_s=120,
        until=lambda line: line == "hangs" and emulated.log.count("hangs\n") >= 1,
        tls_on_host=True,
    )
    starts = [line for line in emulated.lines if " I app started " in line]
    assert [line.partition("cause=")[2].split(" stream")[0] for line in starts] == [
        '"power on"',
        "watchdog",
    ], emulated.log
    seqs = {reading["seq"] for reading in readings(emulator, DEVICE)[before:]}
    assert seqs >= {1, 2}, emulated.log


def test_board_in_light_sleep_is_held_and_released_by_serial(tmp_path, emulator):
    emulated = EmulatedBoard(tmp_path)
    emulated.put(emulator.platform, emulator.ca, **ASLEEP)
    with chip_on_port(emulated, tls_on_host=True) as board:
        _until(board, "app sleeping", 1)
        with UsbBoard(board.port, 60) as usb:
            usb.hold()
            assert usb.is_held()
            assert usb.value("__import__('machine').reset_cause()") is not None
            usb.release()
            usb.leave_running()
        _until(board, "app sleeping", 2)
    assert board.console.count(" I app started ") == 2, board.console
    assert board.notes.count("hard reset") == 2, board.notes


def _until(board, text, count):
    end = time.monotonic() + 120
    while board.console.count(text) < count:
        assert time.monotonic() < end, board.console
        time.sleep(0.1)
