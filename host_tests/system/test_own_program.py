"""A program of one's own on a virtual board: wake, append, drain, deep sleep."""

import json
import re
from pathlib import Path

import pytest
from emulator_process import DEVICE_SECRET, PRODUCT_KEY, EmulatorProcess
from linkpost_command import write_config

from tools.virtual_board import image, kinds, put_files, runtimes
from tools.virtual_board.supervisor import Setup, Supervisor

ROOT = Path(__file__).parent.parent.parent
WAKES = 20

needs_micropython = pytest.mark.skipif(
    not runtimes.has_micropython(), reason="the MicroPython wheel is not here"
)


def documented():
    """Return the program in docs/extending.md, as it stands."""
    text = (ROOT / "docs" / "extending.md").read_text()
    (program,) = re.findall(r"```python\n(import machine.*?)```", text, re.DOTALL)
    return program


@pytest.fixture(scope="module")
def emulator():
    names = ("wakes1", "wakes2")
    with EmulatorProcess([(PRODUCT_KEY, name, DEVICE_SECRET) for name in names]) as running:
        yield running


def run_program(folder, emulator, name, program, lives):
    """Run it over so many lives; return the outcome, the log, and what the platform accepted."""
    config = write_config(folder, emulator.platform, device_name=name, interval_s=1)
    kind = kinds.KINDS["ESP32_GENERIC"]
    setup = Setup(runtimes.MICROPYTHON, kind, folder / "flash.img", timeout_s=100)
    put_files.put_files(setup, config, Path(emulator.ca))
    flash = image.add_file(kind, setup.flash.read_bytes(), "main.py", program.encode())
    setup.flash.write_bytes(flash)
    lines = []

    def log(line):
        lines.append(line)
        # Deep sleep ends a life, and the supervisor says so.
        if len(supervisor._causes) > lives:
            supervisor.stop()

    supervisor = Supervisor(setup, log)
    outcome = supervisor.run()
    messages = emulator.messages(f"{PRODUCT_KEY}/{name}")
    return outcome, lines, [json.loads(message["text"]) for message in messages]


@needs_micropython
def test_program_that_wakes_appends_drains_and_sleeps_sends_each_reading_once(emulator, tmp_path):
    program = documented().replace("600_000", "10")
    outcome, lines, sent = run_program(tmp_path, emulator, "wakes1", program, WAKES)
    assert outcome.causes[:3] == ["power on", "deep sleep", "deep sleep"], lines
    seqs = [reading["seq"] for reading in sent]
    assert len(seqs) >= WAKES
    assert seqs == list(range(1, len(seqs) + 1)), seqs
    assert all(reading["door"] is True for reading in sent)
    assert len({reading["stream"] for reading in sent}) == 1


@needs_micropython
def test_program_whose_platform_is_away_sends_all_of_it_once_later(emulator, tmp_path):
    program = documented().replace("600_000", "10").replace("20_000", "2_000")
    key = f"{PRODUCT_KEY}/wakes2"
    emulator.fault(device=key, endpoint="topic", kind="code", code=10001, times=7)
    _, lines, sent = run_program(tmp_path, emulator, "wakes2", program, WAKES)
    seqs = [reading["seq"] for reading in sent]
    assert seqs == sorted(set(seqs)), seqs
    assert [line for line in lines if "not sent now, it waits" in line]
    assert len(seqs) >= WAKES - 2
