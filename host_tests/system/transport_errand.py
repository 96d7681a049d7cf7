"""Sends the real transport on errands to test peers, on CPython or on real MicroPython."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import transport_probe

ROOT = Path(__file__).parent.parent.parent
RUNTIMES = ["cpython", "micropython"]
_PROCESS_S = 60

both_runtimes = pytest.mark.parametrize("runtime", RUNTIMES)


def start_micropython(spec: dict, *options: str) -> subprocess.Popen:
    """Start the probe in a `micropython` process."""
    beside = Path(sys.executable).parent / "micropython"
    command = str(beside) if beside.exists() else shutil.which("micropython")
    if command is None:
        pytest.skip("the MicroPython wheel is not installed on this machine")
    return subprocess.Popen(
        [command, *options, transport_probe.__file__, json.dumps(spec)],
        env={**os.environ, "MICROPYPATH": f"{ROOT / 'firmware'}:.frozen"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def result_of(process: subprocess.Popen) -> dict:
    """Return what the probe printed."""
    try:
        output, errors = process.communicate(timeout=_PROCESS_S)
    finally:
        process.kill()
    assert output.startswith("{"), output + errors
    return json.loads(output)


def errand(runtime: str, port: int, anchors: list, **spec) -> dict:
    """Run one errand; see `transport_probe.run` for `spec` and what comes back."""
    spec = {"port": port, "anchors": [str(anchor) for anchor in anchors], **spec}
    if runtime == "cpython":
        return transport_probe.churn(spec) if "churn" in spec else transport_probe.run(spec)
    return result_of(start_micropython(spec))
