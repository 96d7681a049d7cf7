"""Nothing is asked of any network but where the person points: tools and board, on loopback."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools.virtual_board import runtimes

SCRIPT = Path(__file__).parent / "only_loopback.py"
HERE = {"localhost", "127.0.0.1", "::1", "None"}
CONTROL = "outside.example"

pytestmark = pytest.mark.skipif(
    shutil.which("unshare") is None or not runtimes.has_micropython(),
    reason="no unshare (Linux only), or no MicroPython here",
)


def test_tools_and_board_ask_nobody_outside(tmp_path):
    made = subprocess.run(
        ["unshare", "-rmn", sys.executable, str(SCRIPT), str(tmp_path / "home")],
        capture_output=True,
        text=True,
        timeout=400,
    )
    if made.returncode == 77 or made.stderr.startswith("unshare:"):
        pytest.skip(f"no network of our own here: {made.stderr}")
    assert made.returncode == 0, made.stderr
    found = json.loads(made.stdout)
    assert set(found["codes"].values()) == {0}, (found["codes"], found["errors"])
    assert CONTROL in found["addresses"], "the watch sees nothing"
    assert set(found["addresses"]) - {CONTROL} <= HERE
    assert found["questions of the control"] > 0, "the name server hears nothing"
    assert found["questions"] == 0
