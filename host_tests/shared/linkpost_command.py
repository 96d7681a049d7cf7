"""The `linkpost` command in a process of its own, as a person starts it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from emulator_process import DEVICE_NAME, DEVICE_SECRET, PRODUCT_KEY

from tools.virtual_board import runtimes

ROOT = Path(__file__).parent.parent.parent
DEVICE = f"{PRODUCT_KEY}/{DEVICE_NAME}"

both_runtimes = pytest.mark.parametrize(
    "runtime",
    [
        pytest.param(
            "micropython",
            marks=pytest.mark.skipif(
                not runtimes.has_micropython(), reason="the MicroPython wheel is not here"
            ),
        ),
        "cpython",
    ],
)


def start(*arguments: object) -> contextlib.AbstractContextManager[subprocess.Popen]:
    """Start `linkpost` with these arguments, as `start_module` does."""
    return start_module("tools", *arguments)


@contextlib.contextmanager
def start_module(
    *arguments: object, folder: Path = ROOT, **variables: str
) -> Iterator[subprocess.Popen]:
    """Start a Python module in a session of its own; its output comes as text through pipes.

    It is killed at the end of the `with` block, and when the test process ends.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", *map(str, arguments)],
        cwd=folder,
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=runtimes.end_with_parent if os.name == "posix" else None,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def run(*arguments: object, timeout_s: float = 60) -> subprocess.CompletedProcess:
    """Run `linkpost` to its end."""
    with start(*arguments) as process:
        output, errors = process.communicate(timeout=timeout_s)
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
