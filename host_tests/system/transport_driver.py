"""Drives the real transport against test peers, on CPython or on real MicroPython."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import transport_probe

from host_tests.shared.byte_code import write_byte_code

ROOT = Path(__file__).parent.parent.parent
RUNTIMES = ["cpython", "micropython"]
_PROCESS_S = 60

both_runtimes = pytest.mark.parametrize("runtime", RUNTIMES)


def start_micropython(spec: dict, *options: str, path: Path | None = None) -> subprocess.Popen:
    """Start the probe in a `micropython` process, with the firmware as .py or from `path`."""
    beside = Path(sys.executable).parent / "micropython"
    command = str(beside) if beside.exists() else shutil.which("micropython")
    if command is None:
        pytest.skip("the MicroPython wheel is not installed on this machine")
    process = subprocess.Popen(
        [command, *options, transport_probe.__file__],
        env={**os.environ, "MICROPYPATH": f"{path or ROOT / 'firmware'}:.frozen"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(spec))
    process.stdin.close()
    process.stdin = None  # or communicate() would want to flush it
    return process


def compiled_firmware(folder: Path) -> Path:
    """Compile the firmware's modules into `folder`, as a board has them; return it."""
    write_byte_code(folder)
    return folder


def result_of(process: subprocess.Popen) -> dict:
    """Return what the probe printed."""
    try:
        output, errors = process.communicate(timeout=_PROCESS_S)
    finally:
        process.kill()
    assert output.startswith("{"), output + errors
    return json.loads(output)


def drive(runtime: str, port: int, anchors: list, **spec) -> dict:
    """Run the probe once; see `transport_probe.run` for `spec` and what comes back."""
    spec = {"port": port, "anchors": [str(anchor) for anchor in anchors], **spec}
    if runtime == "cpython":
        return transport_probe.churn(spec) if "churn" in spec else transport_probe.run(spec)
    return result_of(start_micropython(spec))
