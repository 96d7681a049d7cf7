"""The ESP32's heap on MicroPython's unix port, for every `make test`: no chip's files are needed.

Its collector is the real one and its TLS lies outside of its heap, as on an ESP32; its objects are
larger. How much larger is measured here, beside the emulated chip where that is here, and printed.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from emulator_process import DEVICE_NAME, PRODUCT_KEY, EmulatorProcess
from linkpost_command import start, write_config

from tools.chip import cache
from tools.firmware.board_files import files_for, load_config
from tools.virtual_board import runtimes

pytestmark = [
    pytest.mark.skipif(not runtimes.has_micropython(), reason="the MicroPython wheel is not here"),
    pytest.mark.timeout(300),
]

DEVICE = f"{PRODUCT_KEY}/{DEVICE_NAME}"
# What an App keeps on the unix port, in what it keeps on a chip. As measured below, 2026-11-26.
RATIO = 1.52
# An ESP32's heap after one growth on purpose.
ESP32_BYTES = 81_920
# Our own side of a virtual board: the flash, the supervisor's messages.
OWN_BYTES = 16 * 1024

_KEPT = """
import gc
gc.collect()
before = gc.mem_alloc()
from linkpost import App, Config
app = App(Config.load("config.json"))
app.append({"n": 1})
gc.collect()
print("kept", gc.mem_alloc() - before)
"""


def kept_on_unix(folder):
    """Return what an App keeps on the unix port, in bytes."""
    config = write_config(folder, "localhost:9", sensors=[{"type": "onchip"}])
    _, parsed = load_config(config)
    for name, data in files_for(parsed, chip="host", native_digests=True).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    runtimes.compile_on_board(folder)
    (folder / "kept.py").write_text(_KEPT)
    command = [Path(sys.executable).parent / "micropython", "-X", "heapsize=2M", "kept.py"]
    environment = {**os.environ, "MICROPYPATH": "lib:.:.frozen"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert "kept " in done.stdout, done
    return int(done.stdout.rpartition("kept ")[2])


@pytest.mark.skipif(not cache.is_complete(), reason="needs the emulated chip's files")
def test_ratio_of_the_unix_port_s_heap_to_the_chip_s(tmp_path):
    from host_tests.chip.emulated_board import EmulatedBoard

    for name in ("unix", "chip"):
        (tmp_path / name).mkdir()
    on_unix = kept_on_unix(tmp_path / "unix")
    emulated = EmulatedBoard(tmp_path / "chip")
    emulated.put("localhost:9", None)
    with emulated.repl() as repl:
        output, error = repl.run(_KEPT.encode())
    assert not error, error
    on_chip = int(output.rpartition(b"kept ")[2])
    ratio = on_unix / on_chip
    print(f"an App keeps {on_unix} bytes on unix, {on_chip} on the chip: {ratio:.2f} times")
    assert abs(ratio - RATIO) < 0.12, f"set RATIO to {ratio:.2f}"


def _refuse_two(emulator):
    emulator.fault(endpoint="topic", kind="code", code=10001, times=1)
    emulator.fault(endpoint="topic", kind="oversize_body", times=1)


def live(tmp_path, heap):
    """Run a virtual board through its life, until it is out of memory; return (readings accepted,
    its log), no reading where it did not come to the end.
    """
    with EmulatorProcess() as emulator:
        config = write_config(tmp_path, emulator.platform, interval_s=0.5)
        command = ("board", "run", "--config", config, "--flash", tmp_path / "flash")
        # After the outage the next try may be half a minute away: pauses grow, of random lengths.
        with start(*command, "--ca", emulator.ca, "--heap", heap, "--timeout", 180) as board:
            log = []

            def reaches(text):
                for line in board.stderr:
                    log.append(line)
                    if "emory" in line:
                        return False
                    if text in line:
                        return True
                return False

            steps = (
                ("accepted seq=2 ", lambda: emulator.expire_tokens(DEVICE)),
                ("accepted seq=5 ", lambda: _refuse_two(emulator)),
                ("accepted seq=9 ", emulator.kill),
                ("stored seq=24 ", emulator.start),
                ("accepted seq=26 ", lambda: None),
            )
            # Without memory it would not go on, and the board would be waited for in vain.
            for text, go_on in steps:
                if not reaches(text):
                    return set(), "".join(log)
                go_on()
        seqs = {json.loads(message["payload"])["seq"] for message in emulator.messages(DEVICE)}
    return seqs, "".join(log)


def test_app_lives_in_what_an_esp32_has(tmp_path):
    seqs, log = live(tmp_path, int(ESP32_BYTES * RATIO) + OWN_BYTES)
    assert "emory" not in log, log
    assert 26 in seqs, log


def test_35_000_bytes_more_kept_end_that_life(tmp_path):
    """The test above can fail."""
    more = 35_000
    _, log = live(tmp_path, int((ESP32_BYTES - more) * RATIO) + OWN_BYTES)
    assert "emory" in log, log
