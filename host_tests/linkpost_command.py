"""The `linkpost` command in a process of its own, as a person starts it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from emulator_process import DEVICE_NAME, DEVICE_SECRET, PRODUCT_KEY

from tools.virtual_board import runtimes

ROOT = Path(__file__).parent.parent
DEVICE = f"{PRODUCT_KEY}/{DEVICE_NAME}"

both_runtimes = pytest.mark.parametrize(
    "runtime",
    [
        pytest.param(
            "micropython",
            marks=pytest.mark.skipif(
                runtimes.find_micropython() is None, reason="the MicroPython wheel is not here"
            ),
        ),
        "cpython",
    ],
)


def start(*arguments: object, **options) -> subprocess.Popen:
    """Start `linkpost` with these arguments; its output comes as text through pipes."""
    return subprocess.Popen(
        [sys.executable, "-m", "tools", *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def run(*arguments: object, timeout_s: float = 60) -> subprocess.CompletedProcess:
    """Run `linkpost` to its end."""
    with start(*arguments) as process:
        try:
            output, errors = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def write_config(folder: Path, endpoint: str, **changes: object) -> Path:
    """Write a config.json for the emulator's device; return its path."""
    config = {
        "endpoint": endpoint,
        "product_key": PRODUCT_KEY,
        "device_name": DEVICE_NAME,
        "device_secret": DEVICE_SECRET,
        "interval_s": 0.05,
        "sensors": [{"type": "simulated"}],
        **changes,
    }
    path = folder / "config.json"
    path.write_text(json.dumps(config))
    return path
