"""The soak: a short one loses nothing; one of a firmware that cheats, and each sum, can fail."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from linkpost_command import start_module

from tools.soak.account import Arrivals, settle
from tools.soak.journal import Journal
from tools.virtual_board import runtimes

ROOT = Path(__file__).parent.parent.parent
# Far above what they take: a loaded machine must not fail here.
_TIMEOUT_S = 110

needs_micropython = pytest.mark.skipif(
    not runtimes.has_micropython(), reason="the MicroPython wheel is not here"
)


def start_soak(root, *arguments):
    """Start the soak of the sources in that folder."""
    return start_module("tools.soak", "--json", *arguments, folder=root, PYTHONPATH=str(root))


def end_of(soak):
    """Return a soak's exit code, sums and errors."""
    output, errors = soak.communicate(timeout=_TIMEOUT_S)
    assert output, errors
    return soak.returncode, json.loads(output), errors


@pytest.fixture(scope="module")
def soaks(tmp_path_factory):
    """Three soaks, started at once: each waits most of its time."""
    kept = tmp_path_factory.mktemp("cheating") / "kept"
    with (
        start_soak(ROOT, "--seconds", 15, "--boards", 2, "--seed", "abc") as honest,
        start_soak(
            _cheating(kept.parent), "--seconds", 4, "--boards", 1, "--keep", kept
        ) as cheating,
        start_soak(ROOT, "--seconds", 2, "--boards", 1, "--heap", 45_000) as starved,
    ):
        yield {"honest": honest, "cheating": cheating, "starved": starved}


def _cheating(folder):
    """Copy our sources into a folder, with a firmware that acknowledges every third unsent."""
    for name in ("tools", "firmware", "boards"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    path = folder / "firmware" / "linkpost" / "app.py"
    honest = "message_id = self.client.publish("
    cheating = "message_id = seq % 3 and self.client.publish("
    source = path.read_text()
    assert source.count(honest) == 1
    path.write_text(source.replace(honest, cheating))
    return folder


@needs_micropython
def test_soak_of_two_boards_loses_nothing_and_says_its_seed(soaks):
    code, sums, errors = end_of(soaks["honest"])
    assert code == 0, (sums, errors)
    assert sums["good"]
    assert "soak: seed abc" in errors
    assert sum(sums["faults"].values()) >= 5
    assert {board["kind"] for board in sums["boards"]} == {"ESP32_GENERIC", "RPI_PICO_W"}
    for board in sums["boards"]:
        assert board["lost"] == board["conflicts"] == 0
        assert board["accepted"] >= board["taken"] - board["quarantined"] > 0
        assert board["cuts_at_operation"] + board["kills"] >= 1


@needs_micropython
def test_soak_of_a_board_with_too_little_heap_fails_and_says_why(soaks):
    code, sums, errors = end_of(soaks["starved"])
    assert code == 1, (sums, errors)
    (board,) = sums["boards"]
    assert sums["chip_heap"] == 45_000 < board["heap"]
    assert any("emory" in problem for problem in board["problems"])
    assert board["lost"] > 0 or board["taken"] == 0


@needs_micropython
def test_soak_of_a_firmware_that_acknowledges_without_sending_reports_the_loss(soaks):
    code, sums, errors = end_of(soaks["cheating"])
    assert code == 1, errors
    (board,) = sums["boards"]
    assert board["lost"] >= 1
    assert all(seq % 3 == 0 for _, seq in board["lost_keys"])
    assert "soak: logs and flash images: " in errors


@pytest.mark.parametrize(
    "arguments", [("--boards", "0"), ("--seconds", "soon"), ("--no-such-option",)]
)
def test_soak_with_a_wrong_option_ends_with_2(arguments):
    command = [sys.executable, "-m", "tools.soak", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=_TIMEOUT_S)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


# The journal


def journal_of(*lines):
    journal = Journal()
    for line in ("0.100 I app started device=p/d cause=x stream=aa next=1 pending=0", *lines):
        journal.take(line)
    return journal


def stored(*seqs):
    return [f"0.{seq:03} D store stored seq={seq} pending=1" for seq in seqs]


def test_journal_line_cut_short_at_the_end_is_no_promise_and_no_problem():
    journal = journal_of(*stored(1), "0.200 D store stored seq=2", "0.3")
    journal.end_run(cut=True)
    assert journal.promised() == {("aa", 1)}
    assert journal.unexpected == []


@pytest.mark.parametrize(
    "lines",
    [
        ["Traceback (most recent call last):", "MemoryError: "],
        ["0.100 E app crashed error=TypeError reset_in_ms=10000"],
        ["0.100 W store full, oldest dropped count=3 dropped=3"],
        ['0.100 W sensor failed name=system why="out of memory"'],
        stored(1, 2, 2),
    ],
)
def test_journal_of_a_board_with_a_problem_keeps_it(lines):
    journal = journal_of(*lines)
    journal.end_run()
    assert journal.unexpected


def test_journal_topic_refused_is_what_the_platform_was_told_to_do():
    journal = journal_of(
        '0.100 E send topic refused, readings kept code=10001 topic=/t check="x y"'
    )
    journal.end_run()
    assert journal.unexpected == []


def test_journal_knows_what_the_board_still_has_to_send():
    sent = [
        "0.300 I send accepted seq=2 count=2 ms=6",
        '0.400 W send failed error=NetworkError why="away" pending=5 again_ms=1695',
        "0.500 W send reading quarantined seq=3 code=10001",
        "0.600 I send accepted seq=4 ms=6 id=1",
    ]
    journal = journal_of("0.200 D store stored seq=1 pending=3")
    assert [journal.take(line) or journal.waiting for line in sent] == [1, 5, 4, 3]


# The account


def reading(seq, **values):
    return {"stream": "aa", "seq": seq, "time": 5, "heap_free": 1000, **values}


def account_of(journal, *messages, kept=(), disturbances=0, refusals=0):
    arrivals = Arrivals()
    for message in messages:
        arrivals.take(json.dumps(message), "aa")
    return settle(
        journal,
        arrivals,
        set(kept),
        disturbances=disturbances,
        refusals=refusals,
        problems=[],
    )


def test_account_of_all_arrived_is_good():
    messages = [reading(1), [reading(2), reading(3)]]
    account = account_of(journal_of(*stored(1, 2, 3)), *messages)
    assert account.is_good
    assert (account.taken, account.accepted, account.duplicates) == (3, 3, 0)


def test_account_with_a_gap_names_the_lost_reading():
    # The second was stored although its line fell to a cut: a gap is a loss.
    account = account_of(journal_of(*stored(1, 3)), reading(1), reading(3))
    assert account.lost == [("aa", 2)]
    assert not account.is_good


def test_account_of_alink_takes_the_boards_own_stream():
    message = {"id": "1", "params": {"heap_free": {"value": 7, "time": 5}}}
    assert account_of(journal_of(*stored(1)), message).is_good


def test_account_of_duplicates_knows_time_filled_in_later_from_another_reading():
    journal = journal_of(*stored(1))
    again = account_of(journal, reading(1, time=None), reading(1), disturbances=1)
    assert again.is_good
    assert again.duplicates == 1
    other = account_of(journal, reading(1), reading(1, heap_free=7), disturbances=1)
    assert other.conflicts == [("aa", 1)]
    assert not other.is_good


def test_account_of_duplicates_without_a_reason_is_not_good():
    journal = journal_of(*stored(1))
    assert not account_of(journal, reading(1), reading(1)).is_good


def test_account_of_a_refused_reading_is_good_only_where_the_quarantine_has_it():
    lines = [*stored(1, 2), "0.500 W send reading quarantined seq=1 code=10001"]
    assert account_of(journal_of(*lines), reading(2), kept=[("aa", 1)]).is_good
    gone = account_of(journal_of(*lines), reading(2))
    assert gone.lost == [("aa", 1)]
    # What is older than all that is kept has left the quarantine, which is bounded.
    assert account_of(journal_of(*lines), reading(2), kept=[("aa", 2)]).is_good


def test_account_of_a_leaking_heap_is_not_good():
    journal = journal_of(*stored(*range(1, 41)))
    messages = [reading(seq, heap_free=100_000 - 1_000 * seq) for seq in range(1, 41)]
    account = account_of(journal, *messages)
    assert account.heap.start > account.heap.end > 0
    assert not account.is_good
