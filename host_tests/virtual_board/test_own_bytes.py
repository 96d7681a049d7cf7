"""What a virtual board's own side keeps of its heap, which its firmware does not have."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools.firmware.board_files import files_for
from tools.virtual_board import image, runtimes
from tools.virtual_board.kinds import KINDS
from tools.virtual_board.supervisor import Setup, Supervisor

CONFIG = {"endpoint": "localhost:9", "sensors": [{"type": "onchip"}]}
# All that the virtual board imports of the firmware, so that this is kept in both places.
KEPT = b"""
import gc
from linkpost import App, Config
from linkpost.ports.host import HostPort
gc.collect()
gc.collect()
print("kept", gc.mem_alloc())
"""


def kept_by(lines):
    (line,) = lines
    return int(line.removeprefix("kept "))


@pytest.mark.skipif(not runtimes.has_micropython(), reason="the MicroPython wheel is not here")
def test_own_side_keeps_what_is_taken_off_a_virtual_board_s_heap(tmp_path):
    files = files_for(CONFIG, chip="host", native_digests=True)
    files.update({"main.py": KEPT, "config.json": json.dumps(CONFIG).encode()})
    setup = Setup(runtimes.MICROPYTHON, KINDS["ESP32_GENERIC"], tmp_path / "flash")
    image.refresh_image(setup.flash, setup.kind, files)
    board = []
    Supervisor(setup, board.append).run()

    for name, data in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    bare = subprocess.run(
        [Path(sys.executable).parent / "micropython", "-X", "heapsize=2M", "main.py"],
        cwd=tmp_path,
        env={**os.environ, "MICROPYPATH": "lib:.frozen"},
        capture_output=True,
        text=True,
    )
    own = kept_by(board) - kept_by(bare.stdout.splitlines())
    # The table of names, which doubles, has grown once more by its names, or it has not.
    assert abs(own - runtimes.OWN_BYTES) < 4_000, f"set OWN_BYTES to {own}"
