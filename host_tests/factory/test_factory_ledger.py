"""The factory's ledger: one row, one board, whatever happens to the file or the program."""

import json
import subprocess
import sys

import pytest

from tools.client.devices_csv import Triple
from tools.factory.ledger import DONE, FAILED, WRITTEN, Ledger, LedgerError, Refused

A, B, C = (Triple("a1pk", f"sensor{i:02}", f"secret-of-{i}") for i in range(3))
LIST = [A, B, C]
MACS = [f"24:0a:c4:00:00:{i:02x}" for i in range(4)]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.jsonl"


def test_rows_go_to_boards_in_order_and_stay_with_them(path):
    with Ledger(path) as ledger:
        assert [ledger.claim(mac, LIST) for mac in MACS[:2]] == [A, B]
        ledger.note(MACS[0], WRITTEN)
        ledger.note(MACS[0], DONE)
        assert not ledger.is_done(LIST)
    with Ledger(path) as ledger:
        assert ledger.claim(MACS[1], LIST) is B  # begun and not done: the same again
        assert ledger.claim(MACS[2], LIST) is C
        for mac in MACS[1:3]:
            ledger.note(mac, DONE)
        assert ledger.is_done(LIST)
        assert [entry.device for entry in ledger.entries()] == [one.key for one in LIST]


def test_board_that_is_done_is_refused(path):
    with Ledger(path) as ledger:
        ledger.claim(MACS[0], LIST)
        ledger.note(MACS[0], DONE)
        ledger.leave(MACS[0])
        before = path.read_bytes()
        with pytest.raises(Refused, match="is known: it is a1pk/sensor00 since"):
            ledger.claim(MACS[0], LIST)
        assert path.read_bytes() == before


def test_board_on_two_ports_at_once_is_refused_on_the_second(path):
    with Ledger(path) as ledger:
        ledger.claim(MACS[0], LIST)
        with pytest.raises(Refused, match="another port"):
            ledger.claim(MACS[0], LIST)
        ledger.leave(MACS[0])
        assert ledger.claim(MACS[0], LIST) is A


def test_no_row_left_is_told_with_the_boards_that_are_begun(path):
    with Ledger(path) as ledger:
        for mac in MACS[:3]:
            ledger.claim(mac, LIST)
        ledger.note(MACS[0], DONE)
        with pytest.raises(Refused, match="2 boards not finished"):
            ledger.claim(MACS[3], LIST)


def test_released_row_goes_to_the_next_board(path):
    with Ledger(path) as ledger:
        ledger.claim(MACS[0], LIST)
        ledger.note(MACS[0], FAILED, why="broken")
        assert ledger.release(A.key).mac == MACS[0]
    with Ledger(path) as ledger:
        assert ledger.claim(MACS[1], LIST) is A
        assert ledger.claim(MACS[0], LIST) is B


def test_board_whose_row_another_list_has_is_refused(path):
    with Ledger(path) as ledger:
        ledger.claim(MACS[0], LIST)
        ledger.leave(MACS[0])
        with pytest.raises(Refused, match="a1pk/sensor00, which this device list does not have"):
            ledger.claim(MACS[0], [B, C])


def test_ledger_cut_at_every_byte_never_gives_a_row_or_a_board_twice(path):
    with Ledger(path) as ledger:
        for mac in MACS[:2]:
            ledger.claim(mac, LIST)
            ledger.note(mac, WRITTEN, micropython="1.27.0")
            ledger.note(mac, DONE)
    whole = path.read_bytes()
    starts = [0, *(i + 1 for i, byte in enumerate(whole) if byte == 10)]
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        with Ledger(path) as ledger:
            assert bool(ledger.dropped) == (cut not in starts)
            found = ledger.entries()
            # What was on the disk in whole lines counts, nothing else.
            lines = [json.loads(line) for line in whole[:cut].split(b"\n")[:-1]]
            assert {e.mac: (e.device, e.state) for e in found} == {
                line["mac"]: (line["device"], line["state"]) for line in lines
            }
            assert ledger.claim(MACS[3], LIST).key not in {entry.device for entry in found}
        with Ledger(path) as ledger:  # and what was appended behind the cut can be read
            assert ledger.dropped == ""


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"[]",
        b'{"time": "x", "state": "claimed", "mac": "m"}',
        b'{"time": "x", "state": "sold", "mac": "m", "device": "d"}',
        b'{"time": "x", "state": "claimed", "mac": "m", "device": 1}',
        b'{"time": "x", "state": "claimed", "mac": "other", "device": "a1pk/sensor00"}',
        b'{"time": "x", "state": "done", "mac": "24:0a:c4:00:00:00", "device": "a1pk/sensor01"}',
        b"\xff\xfe",
    ],
)
def test_damaged_line_stops_the_factory_and_is_named(path, line):
    with Ledger(path) as ledger:
        ledger.claim(MACS[0], LIST)
    path.write_bytes(path.read_bytes() + line + b"\n")
    before = path.read_bytes()
    with pytest.raises(LedgerError, match="line 2 cannot be read"):
        Ledger(path)
    assert path.read_bytes() == before


def test_ledger_holds_no_secret(path):
    with Ledger(path) as ledger:
        ledger.claim(MACS[0], LIST)
        ledger.note(MACS[0], DONE)
    assert b"secret" not in path.read_bytes()


def test_second_factory_on_the_same_ledger_is_refused(path):
    with Ledger(path), pytest.raises(LedgerError, match="in use"):
        Ledger(path)
    with Ledger(path) as ledger:
        assert ledger.entries() == []


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_full_disk_leaves_no_half_line(path):
    # A process whose files may not grow past so many bytes, as on a full disk.
    program = """
import resource, signal, sys
from pathlib import Path
from tools.client.devices_csv import Triple
from tools.factory.ledger import Ledger, LedgerError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
ledger = Ledger(Path(sys.argv[1]))
devices = [Triple("a1pk", "sensor%02d" % i, "x") for i in range(9)]
ledger.claim("m0", devices)
size = Path(sys.argv[1]).stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, resource.RLIM_INFINITY))
try:
    ledger.claim("m1", devices)
except LedgerError as error:
    print(error)
assert Path(sys.argv[1]).stat().st_size == size
assert [entry.mac for entry in ledger.entries()] == ["m0"]
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "cannot write" in done.stdout
    assert len(path.read_bytes().splitlines()) == 1
