"""How `linkpost board chip run` and `exec` end, and what they say of the heap: short boots."""

import re

import linkpost_command
import pytest
from emulator_process import EmulatorProcess

from host_tests.chip import progress
from host_tests.chip.emulated_board import WIFI, EmulatedBoard, add_file
from tools import firmware

pytestmark = pytest.mark.timeout(200)

GROWN = 81_920  # a plain ESP32's heap, grown once
_NEAR = 200  # what the REPL allocates meanwhile


def chip(*arguments):
    done = linkpost_command.run("board", "chip", *arguments, timeout_s=90)
    progress.add_told(done.stderr)
    return done


@pytest.mark.parametrize(
    ("program", "said"),
    [
        # A program that ends before the computer has opened its port: its words come later.
        ("pass", "has ended after 0 of 1 reports"),
        ("raise ValueError('no sensor')", "has ended: ValueError: no sensor"),
        ("import time; time.sleep_ms(400); bytearray(300000)", "has ended: MemoryError: memory"),
    ],
)
def test_program_that_ends_before_its_reports_gives_1_and_says_so(tmp_path, program, said):
    add_file(tmp_path / "flash", "main.py", program.encode())
    done = chip("run", "--flash", tmp_path / "flash", "--reports", 1, "--timeout", 60)
    assert done.returncode == 1, done.stderr
    assert said in done.stderr
    assert done.stdout == "board: 0 accepted, 0 quarantined, 0 pending, 0 dropped\n"


def test_largest_heap_that_can_be_asked_for_is_the_chip_s_own(tmp_path):
    program = b"import gc, socket, network; print('free', gc.mem_free())"
    add_file(tmp_path / "flash", "main.py", program)
    done = chip("run", "--flash", tmp_path / "flash", "--heap", 205_568, "--timeout", 60)
    assert done.returncode == 0, done.stderr
    kept = int(re.search(r"heap: 205568 bytes, the stand-ins keep (\d+) of it", done.stderr)[1])
    free = int(re.search(r"free (\d+)", done.stderr)[1])
    assert 190_000 < free < 205_568 - kept


def test_heap_of_a_run_with_tls_on_the_computer_is_what_was_asked_for(tmp_path):
    """In the log's line; and the end shows no traceback of our own Ctrl-C."""
    with EmulatorProcess() as emulator:
        config = linkpost_command.write_config(
            tmp_path, emulator.platform, interval_s=1, wifi=WIFI, ntp=["localhost"]
        )
        given = ("--config", config, "--ca", emulator.ca, "--heap", GROWN, "--tls", "host")
        done = chip("run", *given, "--reports", 1)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("board: 1 accepted")
        line = re.search(r"app heap free=(\d+) largest=(\d+) total=(\d+)", done.stderr)
        free, largest, total = map(int, line.groups())
        assert abs(total - GROWN) < _NEAR
        assert largest <= free < GROWN
        assert "Traceback" not in done.stderr
        assert ">>>" not in done.stderr
        assert "beside it; TLS is not in it" in done.stderr


@pytest.mark.long
def test_free_heap_at_rest_counts_nothing_of_what_lies_beside_the_heap(tmp_path):
    with EmulatorProcess() as emulator:
        board = EmulatedBoard(tmp_path)
        board.put(emulator.platform, emulator.ca, main=b"", interval_s=1)
        head = firmware.main_py().read_text().partition("\nrun(")[0]
        with board.repl(heap=GROWN, tls_on_host=True) as repl:
            output, error = repl.run(
                head.encode() + b"\napp = App(Config.load('config.json'))\napp.run(reports=1)\n"
                b"port = app.port\ngc.collect()\n"
                b"print('\\nrest', port.free_at_rest, gc.mem_free(), port.tls_memory())\n"
            )
    assert not error, error.decode()
    rest, free, beside = re.findall(r"rest (\d+) (\d+) \((\d+), None\)", output.decode())[0]
    # The run's own objects, its connection for one, were there when it looked.
    assert 0 <= int(free) - int(rest) < 6_000
    assert beside == "56000"
