"""The emulated processor: our table of instructions beside rp2040js' own core, and what it has."""

import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from host_tests.chip import progress
from host_tests.chip.emulated_board import EmulatedBoard
from tools.chip import flash, node
from tools.chip.process import ChipProcess
from tools.chip.repl import ChipRepl

pytestmark = pytest.mark.timeout(300)

# A bit of everything: objects, integers of any length, floats, hashes, text, files, collection.
_SCRIPT = b"""
import gc, hashlib, json, os, struct, time
start = time.ticks_us()
numbers = [i * i % 7 - 3 for i in range(400)]
numbers.sort()
print(sum(numbers), 2 ** 200 // 12345, -7 // 2, -7 % 5, 1 << 31, ~5 >> 1)
print(sum([x * 1.1 for x in range(200)]), 1e10 / 3)
print(hashlib.sha256(b"x" * 3000).digest(), hashlib.sha1(b"y").digest())
print(json.dumps({"a": [1, 2.5, "text"]}), struct.pack("<IhB", 1 << 31, -2, 255))
with open("file", "w") as file:
    file.write("z" * 700)
os.rename("file", "other")
gc.collect()
print(os.urandom(8), os.stat("other")[6], gc.mem_alloc(), time.ticks_diff(time.ticks_us(), start))
"""


def run(folder, **options):
    """Return what the script printed, and the last event."""
    folder.mkdir()
    flash.prepare(folder / "flash")
    with ChipProcess(folder / "flash", **options) as board:
        repl = ChipRepl(board)
        repl.enter()
        output, error = repl.run(_SCRIPT)
        assert not error, error
        board.off()
        while (event := board.next_event(30)) and "end" not in event:
            pass
        progress.add_chip_ms(board.chip_ms)
        return output, event


def test_both_cores_do_the_same_in_the_same_time(tmp_path):
    fast, fast_end = run(tmp_path / "fast", seed=7)
    plain, plain_end = run(tmp_path / "plain", seed=7, plain_core=True)
    assert fast == plain  # the last number is a time in us, by the chip's own clock
    assert fast_end["operations"] == plain_end["operations"]
    assert len(fast.splitlines()) == 5


def test_random_bytes_are_the_same_for_a_seed_and_no_others(tmp_path):
    first, _ = run(tmp_path / "1", seed=1)
    again, _ = run(tmp_path / "2", seed=1)
    other, _ = run(tmp_path / "3", seed=2)
    none, _ = run(tmp_path / "4")
    last = [output.splitlines()[-1].partition(b" ")[0] for output in (first, again, other, none)]
    assert last[0] == last[1]
    assert len(set(last)) == 3


def test_heap_is_what_was_asked_for_beside_the_stand_ins(tmp_path):
    emulated = EmulatedBoard(tmp_path)
    emulated.put("localhost:9", None)
    free = {}
    for heap in (None, 81_920, 56_000):
        notes = []
        with ChipProcess(emulated.flash, heap=heap) as board:
            repl = ChipRepl(board, notes.append)
            repl.enter()
            output, _ = repl.run(b"import gc; gc.collect(); print(gc.mem_free())")
            progress.add_chip_ms(board.chip_ms)
        free[heap] = int(output)
        kept, wanted, _ = map(int, notes[0].split())
        assert wanted == (heap or 0)
        assert 4_000 < kept < 9_000
    # All of it is free but what a bare REPL and the script keep themselves.
    for heap in (81_920, 56_000):
        assert heap - 7_000 < free[heap] < heap, free
    assert free[None] > 190_000


def test_board_that_has_given_up_on_a_peer_answers_at_once(tmp_path):
    """Its clock stands still for a peer that it waits for, and only then."""
    flash.prepare(tmp_path / "flash")
    with ChipProcess(tmp_path / "flash") as board:
        repl = ChipRepl(board)
        repl.enter()
        script = b"import socket; s = socket.socket(2, 2); s.setblocking(False)"
        assert repl.run(script) == (b"", b"")
        repl.run(b"s.recvfrom(10)")  # there is nothing
        began = time.monotonic()
        for _ in range(5):
            assert repl.run(b"print(1)") == (b"1\r\n", b"")
        assert time.monotonic() - began < 8  # it was 2 s for each
        progress.add_chip_ms(board.chip_ms)


def test_datagram_comes_by_recv_as_by_recvfrom(tmp_path):
    flash.prepare(tmp_path / "flash")
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer,
        ChipProcess(tmp_path / "flash") as board,
    ):
        peer.bind(("127.0.0.1", 0))
        peer.settimeout(20)
        repl = ChipRepl(board)
        repl.enter()
        script = b"import socket; s = socket.socket(2, 2); s.settimeout(20)\n"
        script += b"s.sendto(b'?', ('127.0.0.1', %d))" % peer.getsockname()[1]
        assert repl.run(script) == (b"", b"")
        question, address = peer.recvfrom(10)
        for _ in range(2):
            peer.sendto(b"0123456789", address)
        script = b"print(s.recv(4)); print(s.recvfrom(20)[0])"
        assert repl.run(script) == (b"b'0123'\r\nb'0123456789'\r\n", b"")
        assert question == b"?"
        progress.add_chip_ms(board.chip_ms)


_BUSY = b"""
def busy(count):
    total = 0
    for i in range(count):
        total += i & 255
        if not i % 16:
            str(i)
busy(60000)
"""


def _least_work(board):
    """Return seconds of a processor for one of the chip's: the least of five tries."""
    repl = ChipRepl(board)
    repl.enter()
    found = []
    for _ in range(5):
        chip_ms, ticks = board.chip_ms, _processor_ticks(board)
        repl.run(_BUSY)
        found.append((_processor_ticks(board) - ticks) * 10 / (board.chip_ms - chip_ms))
    return min(found)


def _processor_ticks(board):
    # Of 10 ms each; of the emulator's process alone, whatever else this computer does.
    fields = Path(f"/proc/{board._process.pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


@pytest.mark.skipif(sys.platform != "linux", reason="processor time from /proc")
def test_board_takes_no_more_work_after_a_reset(tmp_path):
    """V8 made slower code for the second chip of a process: resets cost all speed they could."""
    flash.prepare(tmp_path / "flash")
    with ChipProcess(tmp_path / "flash") as board:
        first = _least_work(board)
        board.reset()
        while "reset" not in board.next_event(30):
            pass
        later = _least_work(board)
        progress.add_chip_ms(board.chip_ms)
    assert later < 1.5 * first, (first, later)  # it was 2.3 times


@pytest.mark.no_files
def test_every_kind_of_instruction_does_what_rp2040js_does():
    if shutil.which("npm") is None:
        pytest.skip("no Node.js here")
    folder = node.installed(node.EMULATOR, "the emulator rp2040js")
    script = Path(__file__).parent / "compare_cores.mjs"
    command = [node.node(), str(script), str(folder), "20000", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert "20000 instructions, 0 different" in done.stdout
