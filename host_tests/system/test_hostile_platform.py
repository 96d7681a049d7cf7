"""A board and a platform that means no good: real MicroPython, real TLS, a real outbox on disk.

One process goes through the whole table (hostile_scenarios.py, hostile_records.py). After each row
the platform behaves again, and the reading that met the attack has to arrive.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hostile_platform import HEAP_BYTES, Bench, board_in, check, config_for
from hostile_records import RECORDS
from hostile_scenarios import SCENARIOS, SHORTEST, STALL_MS, TO_CLOSE, Scenario, and_closes, ends
from tls_server import Connection, Gone, reply

SILENT = Path(__file__).parent / "silent_names.py"


@pytest.fixture(scope="module")
def bench(folder, platform):
    with board_in(folder / "board", config_for(platform.port)) as board:
        bench = Bench(board, platform)
        assert bench.board.ask("send", deadline_ms=0)["pending"] == 1
        # The board has its token then, whichever test is the first.
        assert bench.heal()["error"] is None
        yield bench


@pytest.fixture(params=[*SCENARIOS, *RECORDS], ids=lambda scenario: scenario.name)
def scenario(request):
    return request.param


def test_platform_that_means_no_good_costs_one_try_and_nothing_else(bench, scenario):
    check(scenario, bench.run(scenario))


# -- close at every byte of a reply ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("whole", "close"), [(SHORTEST, and_closes), (TO_CLOSE, ends)], ids=["length", "to its close"]
)
def test_platform_that_closes_at_every_byte_of_its_reply_loses_nothing(bench, whole, close):
    for _ in whole:  # as many waiting readings as there will be: their lists are grown then
        bench.board.ask("send", deadline_ms=0)
    assert bench.heal()["pending"] == 0
    before = bench.board.ask("rest")
    seqs = []
    for cut in range(len(whole)):
        error = "ProtocolError" if cut else "NetworkError"
        bench.platform.begin(Scenario(f"cut at {cut}", close(whole[:cut]), error))
        answer = bench.board.ask("send", deadline_ms=15_000)
        seqs.append(answer["seq"])
        assert (answer["error"], answer["open"], answer["pending"]) == (error, False, cut + 1), cut
    healed = bench.heal()
    assert (healed["error"], healed["pending"], healed["lost"]) == (None, 0, 0)
    assert [seq for seq in bench.platform.seqs if seq in seqs] == seqs
    after = bench.board.ask("rest")
    bench.platform.wait_until_closed()
    assert after["files"] == before["files"]
    assert after["heap"] - before["heap"] < HEAP_BYTES


# -- reply before the request ended ---------------------------------------------------------------


def _refuse_early(connection: Connection) -> None:
    connection.read()
    connection.send(reply(b'{"code":10001,"message":"no"}'))


def _refuse_early_and_close(connection: Connection) -> None:
    _refuse_early(connection)
    raise Gone


def _refuse_early_and_end_tls(connection: Connection) -> None:
    _refuse_early(connection)
    connection.close_notify()


@pytest.mark.parametrize(
    ("attack", "errors"),
    [
        (_refuse_early, ["RejectedError"]),
        # What is unread then becomes a reset, which may overtake the reply.
        (_refuse_early_and_close, ["NetworkError", "RejectedError"]),
        (_refuse_early_and_end_tls, ["RejectedError"]),
    ],
)
def test_reply_before_the_request_ended_is_read_or_a_network_error(bench, attack, errors):
    bench.platform.begin(Scenario("early", attack, early=True))
    bench.board.ask("rest")
    answer = bench.board.ask("publish", zeros=131_072, deadline_ms=15_000)
    assert answer["error"] in errors, answer
    bench.platform.begin(None)
    bench.board.ask("rest")
    bench.platform.wait_until_closed()


# -- deadline, clock and names --------------------------------------------------------------------


def _silence(connection: Connection) -> None:
    connection.wait_for_close()


# The first request takes a third of it, and a busy machine some of the rest.
_SLOW_MS = 3000


def _refuse_then_silence(connection: Connection) -> None:
    # The board now asks whether the newest reading is refused as well.
    connection.pause(_SLOW_MS / 3000)
    connection.send(reply(b'{"code":10001,"message":"no"}'))
    connection.read_request()
    connection.wait_for_close()


def test_deadline_is_one_over_all_the_requests_of_a_send(bench):
    assert bench.board.ask("send", deadline_ms=0)["error"] == "DeadlineError"
    bench.platform.begin(Scenario("refusal and silence", _refuse_then_silence, "DeadlineError"))
    answer = bench.board.ask("send", deadline_ms=_SLOW_MS)
    assert answer["error"] == "DeadlineError", answer
    # A deadline that began anew with the second request would leave it all of its ms.
    assert int(answer["words"].split()[-2]) <= _SLOW_MS * 2 / 3
    assert answer["pending"] == 2
    healed = bench.heal()
    assert (healed["error"], healed["pending"], healed["lost"]) == (None, 0, 0)


_YEAR_MS = 365 * 86_400_000


@pytest.mark.parametrize("years", [30, -30, 100, -60])
def test_clock_that_jumps_in_the_middle_of_a_request_moves_no_deadline(bench, years):
    # 30 years on is a time that can be; the other three cannot, and the clock is then not right.
    silence = Scenario("silence", _silence, "DeadlineError", deadline_ms=STALL_MS)
    try:
        outcome = bench.run(silence, jump_ms=years * _YEAR_MS)
        check(silence, outcome)
        # A time that cannot be was set right by the platform's Date.
        off_ms = bench.board.ask("clock")["unix_ms"] - time.time() * 1000
        assert (off_ms > 20 * _YEAR_MS) == (years == 30)
    finally:
        bench.board.ask("clock", offset_ms=0)


_GIVES_UP_MS = 600


@pytest.mark.parametrize("deadline_ms", [15_000, 400])
def test_name_server_that_answers_nothing_is_a_dns_error(bench, deadline_ms):
    silent = Scenario("no names", _silence, "DNSError", "name not found", deadline_ms=deadline_ms)
    outcome = bench.run(silent, names_ms=_GIVES_UP_MS)
    assert outcome.requests == []
    # No chip can end the call; the watchdog is told to be patient, and for how long at most.
    assert 14_000 < outcome.answer["silenced_ms"] < 60_000
    if deadline_ms > _GIVES_UP_MS:
        check(silent, outcome)


def test_real_name_server_that_answers_nothing_is_a_dns_error(folder, platform):
    if shutil.which("unshare") is None:
        pytest.skip("no unshare: a name server of our own needs a network of our own")
    made = subprocess.run(
        ["unshare", "-rmn", sys.executable, str(SILENT), str(folder / "nameless")],
        capture_output=True,
        text=True,
        timeout=100,
    )
    if made.returncode == 77 or made.stderr.startswith("unshare:"):
        pytest.skip(f"no network of our own here: {made.stderr}")
    assert made.returncode == 0, made.stderr
    result = json.loads(made.stdout)
    answer = result["answer"]
    assert answer["error"] == "DNSError", answer
    assert "nowhere.example" in answer["words"]
    assert (answer["open"], answer["pending"]) == (False, 1)
    assert result["after"]["files"] == result["before"]["files"]
    assert result["after"]["heap"] - result["before"]["heap"] < HEAP_BYTES
