"""The scripts of this folder, run by real MicroPython, and what they say of cuts and of memory."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from host_tests.shared.byte_code import write_byte_code

HERE = Path(__file__).parent
FIRMWARE = HERE.parent.parent / "firmware"
CHIPS = ("esp32", "rp2")
_TIMEOUT_S = 3600
_LAST_LINE = re.compile(r"cut (\d+) (\d+) operations (\d+) lost (\d+)\s*$")


@dataclass
class Outcome:
    """What one scenario gave on one chip."""

    scenario: str
    chip: str
    operations: int
    cuts: int
    pairs: int
    lost: int
    output: str


def scenarios() -> list[str]:
    """Return the names of the scenarios, in the order of their file."""
    text = (HERE / "scenarios.py").read_text()
    return re.findall(r'^    "([a-z ]+)": \(', text.partition("SCENARIOS = ")[2], re.MULTILINE)


def micropython() -> str | None:
    """Return the MicroPython beside this Python, or on the path."""
    beside = Path(sys.executable).parent / "micropython"
    return str(beside) if beside.exists() else shutil.which("micropython")


def run_script(
    script: str, *arguments: str, firmware: Path = FIRMWARE, heap: str = "32M"
) -> subprocess.CompletedProcess[str]:
    """Run one of this folder's scripts under MicroPython."""
    return subprocess.run(
        [micropython() or "micropython", "-X", f"heapsize={heap}", str(HERE / script), *arguments],
        env={**os.environ, "MICROPYPATH": f"{firmware}:{HERE}:.frozen"},
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )


def cut(scenario: str, chip: str, second: int, firmware: Path = FIRMWARE) -> Outcome:
    """Cut one scenario everywhere; `second` first cuts get second ones, -1: all."""
    process = run_script("cuts.py", scenario, chip, str(second), firmware=firmware)
    output = process.stdout + process.stderr
    found = _LAST_LINE.search(process.stdout)
    if not found:  # it did not come to its end
        return Outcome(scenario, chip, 0, 0, 0, 1, output)
    cuts, pairs, operations, lost = map(int, found.groups())
    return Outcome(scenario, chip, operations, cuts, pairs, lost, output)


def starved_calls() -> list[str]:
    """Return the names of the calls that starved.py knows."""
    text = (HERE / "starved.py").read_text()
    return re.findall(r'^    "([a-z ]+)": \(', text.partition("CALLS = ")[2], re.MULTILINE)


def starve(call: str, step: int) -> tuple[int, int, str]:
    """Let one call run out of memory, `step` bytes more each time.

    Returns: how often it did, how often something was lost then, the output.
    """
    with tempfile.TemporaryDirectory() as folder:
        # As on a board: byte code, so that loading a module takes what it takes there.
        write_byte_code(Path(folder))
        process = run_script("starved.py", call, str(step), firmware=Path(folder), heap="4M")
    output = process.stdout + process.stderr
    found = re.search(r"tries \d+ out of memory (\d+) lost (\d+)\s*$", process.stdout)
    return (int(found[1]), int(found[2]), output) if found else (0, 1, output)
