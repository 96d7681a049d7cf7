"""Whatever ends the emulated chip's process leaves a flash that starts, and nothing running."""

import json
import os
import signal
import time

import linkpost_command
import pytest
from emulator_process import DEVICE_NAME, PRODUCT_KEY, EmulatorProcess

from host_tests.chip import progress
from host_tests.chip.emulated_board import WIFI, readings

pytestmark = [pytest.mark.long, pytest.mark.timeout(400)]

DEVICE = f"{PRODUCT_KEY}/{DEVICE_NAME}"


def command(folder, emulator, *more):
    config = linkpost_command.write_config(
        folder, emulator.platform, interval_s=0.2, wifi=WIFI, ntp=["localhost"]
    )
    paths = ("--config", config, "--ca", emulator.ca, "--flash", folder / "pico.flash")
    return ("board", "chip", "run", *paths, "--tls", "host", *more)


def children(pid):
    path = f"/proc/{pid}/task/{pid}/children"
    return [int(one) for one in open(path).read().split()] if os.path.exists(path) else []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_stopped_in_the_middle_of_its_writes_the_board_goes_on(tmp_path, how):
    with EmulatorProcess() as emulator:
        with linkpost_command.start(*command(tmp_path, emulator)) as board:
            for line in board.stderr:
                if " stored seq=4 " in line:
                    break
            emulator_pids = children(board.pid)
            board.send_signal(how)
            output, errors = board.communicate(timeout=60)
        if how != signal.SIGKILL:
            assert board.returncode == 130, errors
            assert output.startswith("board: ")
            assert "pending" in output
        end = time.monotonic() + 10
        while any(os.path.exists(f"/proc/{pid}") for pid in emulator_pids):
            assert time.monotonic() < end, "the emulator runs on"
            time.sleep(0.1)
        done = linkpost_command.run(*command(tmp_path, emulator, "--reports", 5), timeout_s=200)
        for one in (errors, done.stderr):
            progress.add_told(one)
        assert done.returncode == 0, done.stderr
        seqs = [reading["seq"] for reading in readings(emulator, DEVICE)]
        assert set(seqs) >= {1, 2, 3, 4}, json.dumps(seqs)
        streams = {reading["stream"] for reading in readings(emulator, DEVICE)}
        assert len(streams) == 1
