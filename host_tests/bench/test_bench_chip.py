"""The benchmark of the chip: what its figures may be, and what stands in for it without it."""

import dataclasses
import json
import socket
import struct
import time

import pytest

from tools.bench.chip import budgets, command, figures, result, timeline
from tools.bench.chip.budgets import BUDGETS, Budget
from tools.bench.chip.code_lines import code_lines
from tools.bench.chip.ntp import NTP
from tools.bench.chip.runs import Line, Run, main_head, numbers
from tools.terminal.failures import CommandError

BYTES = Budget("heap", "B", 40_000)
LEFT = Budget("left", "B", 20_000, is_least=True)


@pytest.mark.parametrize(
    ("budget", "committed", "value", "is_worse"),
    [
        (BYTES, None, 90_000, False),  # never measured: nothing to compare with
        (BYTES, 90_000, 90_800, False),  # within what a run differs by
        (BYTES, 90_000, 91_000, True),  # a goal that is not reached must not get worse
        (BYTES, 90_000, 50_000, False),
        (BYTES, 39_000, 40_000, False),  # reached: the goal is the limit
        (BYTES, 39_000, 40_001, True),
        (LEFT, 10_000, 9_800, True),
        (LEFT, 10_000, 9_950, False),
        (LEFT, 30_000, 19_999, True),
        (Budget("names", "", 600), 700, 701, True),
        (Budget("names", "", 600), 700, 700, False),
        (Budget("reported", "ms"), 1, 1_000, False),
        (Budget("aim", "", 40, is_aim=True), 60, 70, False),
    ],
)
def test_limit_is_the_goal_once_reached_and_the_last_figure_before(
    budget, committed, value, is_worse
):
    assert budget.is_worse(value, committed) is is_worse


def test_every_unit_has_its_tolerance():
    for budget in BUDGETS.values():
        assert budget.limit(1e9) is None or budget.limit(1e9)


RESULT = result.Result(
    date="2026-11-25 12:00 UTC",
    version="0.1.0",
    firmware="0" * 64,
    micropython="RPI_PICO_W-v1.26.1.uf2",
    machine="here",
    seconds=1,
    figures={"heap.app": 98_000, "time.kept": 30},
    details={},
)


def test_worse_names_the_figure_and_its_limit():
    assert result.worse({"heap.app": 98_100, "time.kept": 31}, RESULT) == []
    lines = result.worse({"heap.app": 99_900, "time.kept": 41}, RESULT)
    assert lines == [
        "App kept, without TLS context: 99,900 B, at most 98,980",
        "report on a kept connection: 41 ms, at most 40",
    ]


def test_result_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "result.json"
    assert result.read(path) is None
    result.write(RESULT, path)
    assert result.read(path) == RESULT
    path.write_text(json.dumps({"date": "x"}))
    with pytest.raises(CommandError, match="make bench-chip"):
        result.read(path)


def test_hash_is_of_the_byte_code_and_of_main(monkeypatch):
    before = result.firmware_hash()
    assert before == result.firmware_hash()
    files = result.mpy_files({"sensors": [{"type": "onchip"}]})
    assert any(path.endswith("onchip.mpy") for path in files)
    changed = {path: data + b"\0" if "onchip" in path else data for path, data in files.items()}
    monkeypatch.setattr(result, "mpy_files", lambda config: changed)
    assert result.firmware_hash() != before


@pytest.fixture
def committed(monkeypatch):
    """Put a result into place of the committed one; the emulated chip's files are not here."""

    def put(found):
        monkeypatch.setattr(result, "read", lambda: found)

    monkeypatch.setattr(command.cache, "is_complete", lambda: False)
    return put


def test_check_without_the_chip_prints_the_date_of_a_result_of_this_firmware(committed, capsys):
    committed(dataclasses.replace(RESULT, firmware=result.firmware_hash()))
    assert command.check() == 0
    shown = capsys.readouterr().out
    assert "2026-11-25 12:00 UTC, of this very firmware" in shown
    assert "98,000 B" in shown and "(not reached)" in shown and "Not modelled" in shown


@pytest.mark.parametrize(
    ("found", "words"), [(RESULT, "older than this firmware"), (None, "missing")]
)
def test_check_without_the_chip_fails_where_the_firmware_is_another(committed, found, words):
    committed(found)
    with pytest.raises(CommandError, match=words) as failure:
        command.check()
    assert failure.value.exit_code == 1
    assert "make bench-chip" in str(failure.value)


def test_check_with_the_chip_measures_another_firmware(committed, monkeypatch):
    committed(RESULT)
    monkeypatch.setattr(command.cache, "is_complete", lambda: True)
    monkeypatch.setattr(command, "measure", lambda: 17)
    assert command.check() == 17


@pytest.fixture
def measured(tmp_path, monkeypatch):
    """Make `measure` find these figures, and its files lie in a folder of the test's."""
    monkeypatch.setattr(command, "_ROOT", tmp_path)
    monkeypatch.setattr(command.cache, "micropython", lambda: ("build.uf2", b""))
    kept = []
    monkeypatch.setattr(command.pages, "write_chip_pages", lambda: kept.append(("pages", {})))
    monkeypatch.setattr(
        result, "write", lambda new, path=result.PATH: kept.append((path.name, new.figures))
    )

    def find(**values):
        found = figures.Figures({key.replace("__", "."): value for key, value in values.items()})
        monkeypatch.setattr(figures, "collect", lambda *_: found)
        return kept

    return find


def test_measure_keeps_what_is_not_worse(committed, measured, capsys):
    committed(RESULT)
    kept = measured(heap__app=97_000, time__kept=39)
    assert command.measure() == 0
    assert kept == [("result.json", {"heap.app": 97_000, "time.kept": 39}), ("pages", {})]
    assert capsys.readouterr().err == ""


def test_measure_that_is_worse_fails_and_is_kept_elsewhere_unless_accepted(
    committed, measured, capsys
):
    committed(RESULT)
    kept = measured(heap__app=99_900, time__kept=39)
    assert command.measure() == 1
    assert [name for name, _ in kept] == ["bench-chip.json"]
    assert "99,900 B, at most 98,980" in capsys.readouterr().err
    assert command.measure(accept=True) == 0
    assert [name for name, _ in kept] == ["bench-chip.json", "result.json", "pages"]


def test_measure_of_a_firmware_that_changes_meanwhile_is_none(committed, measured, monkeypatch):
    committed(RESULT)
    kept = measured(heap__app=97_000)
    hashes = iter("ab")
    monkeypatch.setattr(result, "firmware_hash", lambda: next(hashes))
    with pytest.raises(CommandError, match="changed while it was measured"):
        command.measure()
    assert kept == []


def test_committed_result_has_every_figure():
    found = result.read()
    assert found is not None
    assert list(found.figures) == list(BUDGETS)
    parts = dict(found.details["a fresh report by phase, ms"])
    whole = parts.pop("whole")
    assert list(parts) == list(timeline.PHASES)
    assert abs(sum(parts.values()) - whole) < 0.01
    assert whole == pytest.approx(
        found.figures["time.fresh"], abs=found.figures["time.fresh_spread"]
    )


# -- from what a board did to figures -------------------------------------------------------------

RUN = Run(
    lines=[Line("stored", 100.0), Line("accepted", 900.0), Line("stored", 5_000.0)]
    + [Line("accepted", 5_800.0)],
    marks=[
        (50.0, "open", 1, 0),  # a time server's: nothing connects
        (110.0, "open", 2, 0),
        (111.0, "connect", -115, 0),
        (112.0, "write", 142, 22),
        (300.0, "read", 5, 22),
        (400.0, "write", 300, 23),
        (500.0, "read", 5, 23),
        (550.0, "close", 0, 0),
        (5_010.0, "open", 3, 0),
        (5_011.0, "connect", -115, 0),
        (5_030.0, "write", 142, 22),
        (5_700.0, "read", 40, 22),
        (5_704.0, "write", 200, 23),
        (5_706.0, "write", 100, 23),
        (5_720.0, "read", 5, 23),
        (5_725.0, "read", 310, 9),
        (5_730.0, "close", 0, 0),
    ],
    accepted=[1, 3],
)


def test_report_is_from_the_line_before_to_accepted():
    assert timeline.report_ms(RUN, 1) == 800.0
    assert timeline.first_ms(RUN) == 790.0


def test_phases_lie_between_marks_and_add_up():
    found = timeline.phases(RUN, 1)
    assert found == {
        "before": 10.0,
        "connect": 20.0,
        "handshake": 670.0,
        "request": 6.0,
        "reply": 19.0,
        "after": 75.0,
    }
    assert sum(found.values()) == timeline.report_ms(RUN, 1)


@pytest.mark.parametrize("least", [24 * 1024 + 1, 61_000, 95_232, 189_000])
@pytest.mark.parametrize("known", [None, 30_000, 61_000, 95_232, 190_000])
def test_least_heap_is_found_from_anywhere(least, known):
    tried = []

    def why_not(heap):
        tried.append(heap)
        return "" if heap >= least else "MemoryError"

    start = {} if known is None else {"least.host": known}
    found = figures._bisect(figures.Figures(), "least.host", why_not, start)
    assert least <= found < least + 2 * figures._HEAP_STEP
    assert found in tried
    if known == least:
        assert len(tried) <= 3


def test_no_heap_that_is_enough_says_why():
    with pytest.raises(CommandError, match="MemoryError"):
        figures._bisect(figures.Figures(), "least.host", lambda heap: "MemoryError", {})


def test_code_lines_are_those_with_code():
    source = (
        '"""Doc\n\nstring."""\n\n# comment\nimport x\n\n\ndef f(a,\n      b):\n    """Doc."""\n'
    )
    source += "    text = '''two\nlines'''\n    return text  # why\n"
    assert code_lines(source) == 6


def test_numbers_of_micropythons_own_words():
    text = (
        " No. of 1-blocks: 2354, max blk sz: 64, max free sz: 9480\nqstr pool: n_pool=2, n_qstr=42"
    )
    assert numbers(text)["max free sz"] == 9480
    assert numbers(text)["n_qstr"] == 42


def test_head_of_main_is_all_that_comes_before_the_app_runs():
    head = main_head()
    assert "import App, Config" in head and "gc" in head
    assert "run(lambda" not in head
    compile(head, "main.py", "exec")


def test_time_server_answers_as_the_firmware_wants_it():
    from linkpost.net.ntp import parse_reply
    from linkpost.version import can_be_right

    nonce = bytes(range(8))
    with NTP() as server, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(10)
        client.sendto(struct.pack(">B39x", 0x23) + nonce, ("127.0.0.1", server.port))
        packet = client.recv(100)
    assert abs(parse_reply(packet, nonce, can_be_right) - time.time() * 1000) < 10_000


def test_tolerances_are_small():
    assert max(budgets._TOLERANCE.values()) <= 0.05
