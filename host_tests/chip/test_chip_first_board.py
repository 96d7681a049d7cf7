"""README's first board, from `provision` on, by the commands people run, on the chip's port."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import linkpost_command
import pytest
from emulator_process import DEVICE_NAME, PRODUCT_KEY, EmulatorProcess

from host_tests.chip.emulated_board import WIFI, readings

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

DEVICE = f"{PRODUCT_KEY}/{DEVICE_NAME}"
_READY_S = 60


def said(*arguments):
    """Run a command to its end; return what it said on standard output."""
    done = linkpost_command.run(*arguments, timeout_s=900)
    assert done.returncode == 0, (arguments, done.stdout, done.stderr)
    return done.stdout


def mpremote(port, *arguments):
    command = [Path(sys.executable).parent / "mpremote", "connect", port, *arguments]
    # Hard resets take a native port away for a second.
    for _ in range(10):
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        if "failed to access" not in done.stdout + done.stderr:
            break
        time.sleep(1)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("usb", ["native", "uart"])
def test_first_board_from_provision_on_works_on_the_chip_s_port(tmp_path, usb):
    link, ready = tmp_path / "pico", tmp_path / "ready.json"
    place = ("--flash", tmp_path / "pico.flash", "--link", link, "--ready-file", ready)
    with (
        EmulatorProcess() as emulator,
        linkpost_command.start("board", "chip", "serial", *place, "--usb", usb) as board,
    ):
        end = time.monotonic() + _READY_S
        while not ready.exists():
            assert time.monotonic() < end, "no port"
            time.sleep(0.1)
        assert json.loads(ready.read_text())["board"] == "RPI_PICO_W"
        template = linkpost_command.write_config(
            tmp_path, emulator.platform, interval_s=1, wifi=WIFI, ntp=["localhost"]
        )
        port = ("--port", link)
        said("provision", *port, "--from", template, "--check", "--ca", emulator.ca)
        told = said("deploy", *port, "--ca", emulator.ca, "--boot-wait", "120")
        assert "its first report was accepted" in told
        assert "your own code may take about" in told
        with linkpost_command.start("monitor", *port) as monitor:
            for line in monitor.stdout:
                if " accepted " in line:
                    break
            monitor.send_signal(signal.SIGINT)
            monitor.communicate(timeout=60)
        told = said("status", *port)
        assert f"{DEVICE} at {emulator.platform}" in told
        assert "Raspberry Pi Pico W with RP2040, MicroPython 1." in told
        assert "waiting" in said("outbox", *port)
        assert "config.json" in mpremote(str(link), "fs", "ls")
        board.send_signal(signal.SIGINT)
        board.communicate(timeout=60)
        assert board.returncode == 130
        seqs = [reading["seq"] for reading in readings(emulator, DEVICE)]
    assert seqs == list(range(1, len(seqs) + 1))
    assert not link.is_symlink()
