"""The ESP32's heap on MicroPython's unix port, for every `make test`: no chip's files are needed.

Its collector is the real one and its TLS lies outside of its heap, as on an ESP32; its objects are
larger. How much larger `make bench-chip` measures: tools/bench/chip/unix_heap.py.
"""

import json

import pytest
from emulator_process import DEVICE_NAME, PRODUCT_KEY, EmulatorProcess
from linkpost_command import start, write_config

from tools.bench.chip.unix_heap import unix_heap
from tools.virtual_board import runtimes

pytestmark = [
    pytest.mark.skipif(not runtimes.has_micropython(), reason="the MicroPython wheel is not here"),
    pytest.mark.timeout(300),
]

DEVICE = f"{PRODUCT_KEY}/{DEVICE_NAME}"
# An ESP32's heap after one growth on purpose.
ESP32_BYTES = 81_920


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
    seqs, log = live(tmp_path, unix_heap(ESP32_BYTES))
    assert "emory" not in log, log
    assert 26 in seqs, log


def test_35_000_bytes_more_kept_end_that_life(tmp_path):
    """The test above can fail."""
    _, log = live(tmp_path, unix_heap(ESP32_BYTES - 35_000))
    assert "emory" in log, log
