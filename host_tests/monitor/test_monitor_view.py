"""The board's log line, taken apart, and how `linkpost monitor` shows it."""

import itertools
import json
from datetime import UTC, datetime, timedelta

import pytest
from linkpost.log import Log
from linkpost.ports.host import HostPort
from rich.cells import cell_len

from tools.monitor.log_line import LogLine, parse_log_line
from tools.monitor.view import Listener, as_json, as_text
from tools.terminal.durations import duration

ACCEPTED = "12.345 I send accepted seq=17 ms=412 id=1882625801104255323"
FAILED = (
    '3.004 W send failed error=AuthError why="authentication refused, check (in order) the '
    "endpoint = the instance's\" pending=5 again_ms=900000"
)


def listener():
    start = datetime(2026, 11, 23, 9, 41, 7, tzinfo=UTC)
    seconds = itertools.count()
    return Listener(lambda: start + timedelta(seconds=next(seconds)))


def shown(text, width=None):
    plain = as_text(listener().take(text), width).plain
    assert "\x1b" not in plain
    return plain


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            ACCEPTED,
            LogLine(
                12345,
                "I",
                "send",
                "accepted",
                {"seq": "17", "ms": "412", "id": "1882625801104255323"},
            ),
        ),
        (
            '0.001 W app held: not started file=hold why=""',
            LogLine(1, "W", "app", "held: not started", {"file": "hold", "why": ""}),
        ),
        ("1.000 I app stopped by Ctrl-C", LogLine(1000, "I", "app", "stopped by Ctrl-C", {})),
        (
            '2.000 E app crashed error=ValueError why="a=b c=d"',
            LogLine(2000, "E", "app", "crashed", {"error": "ValueError", "why": "a=b c=d"}),
        ),
    ],
)
def test_log_line_is_taken_apart(text, line):
    assert parse_log_line(text) == line


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "12.3 I send accepted",
        "1.000 X app what",
        "1.000 I cloud up",
        "1.000 I app ",
        ">>> ",
    ],
)
def test_anything_else_is_no_log_line(text):
    assert parse_log_line(text) is None


def test_line_that_the_firmware_writes_comes_back_whole():
    written = []
    Log(HostPort(), written.append).warning(
        "send", "failed", "why", 'no "answer" at all\nin time', "seq", 3, "empty", ""
    )
    line = parse_log_line(written[0])
    assert line is not None
    assert (line.level, line.area, line.phrase) == ("W", "send", "failed")
    assert line.fields == {"why": "no 'answer' at all in time", "seq": "3", "empty": ""}


def test_pairs_are_as_in_the_log_and_long_times_also_in_words():
    assert shown(ACCEPTED).endswith(" I send   accepted seq=17 ms=412 id=1882625801104255323")
    assert "AuthError: authentication refused, check (in order) the endpoint" in shown(FAILED)
    assert shown(FAILED).endswith("pending=5 again_ms=900000 (15 min)")
    assert shown("9.000 D app sleeping ms=58000").endswith("sleeping ms=58000 (58 s)")
    assert shown("9.000 E app crashed error=OSError reset_in_ms=10000").endswith(
        "crashed: OSError reset_in_ms=10000 (10 s)"
    )
    year = shown("9.000 I clock set by NTP unix_ms=1763890867000")
    assert " unix_ms=1763890867000 (2025-11-23 " in year
    held = '0.001 W app held: not started file=hold note="" by="a person"'
    assert shown(held).endswith(' held: not started file=hold note="" by="a person"')


def test_line_that_is_too_long_is_wrapped_under_its_words():
    rows = shown(FAILED, width=80).splitlines()
    assert len(rows) > 1
    assert all(cell_len(row) <= 80 for row in rows)
    assert all(row.startswith(" " * 18) for row in rows[1:])
    assert " ".join(row.strip() for row in rows) == shown(FAILED)
    assert "\n" not in shown(FAILED)


def test_what_is_no_log_line_passes_as_it_is():
    for text in ("ets Jun  8 2016 00:22:57", ">>> ", "  [bold]not markup[/bold]", ""):
        assert shown(text) == text


def test_traceback_is_red_up_to_its_error_and_no_further():
    ear = listener()
    lines = [
        "Traceback (most recent call last):",
        '  File "main.py", line 12, in <module>',
        "ValueError: nothing works",
        "MicroPython v1.27.0",
    ]
    heard = [ear.take(line) for line in lines]
    assert [one.is_traceback for one in heard] == [True, True, True, False]
    assert as_text(heard[2]).style == "red"


def test_restart_of_the_board_is_told_by_its_clock():
    ear = listener()
    lines = ["1.000 I app started", "9.000 D store stored seq=1", "0.020 I app started"]
    heard = [ear.take(line) for line in lines]
    assert [one.is_restart for one in heard] == [False, False, True]
    assert "the board has restarted\n" in as_text(heard[2]).plain
    assert json.loads(as_json(heard[2]))["restarted"] is True


def test_programs_get_one_object_per_line():
    ear = listener()
    found = [
        json.loads(as_json(heard))
        for heard in (ear.take(ACCEPTED), ear.take("noise"), ear.event("it is gone"))
    ]
    assert found == [
        {
            "time": "2026-11-23T09:41:07.000+00:00",
            "uptime_s": 12.345,
            "level": "I",
            "area": "send",
            "phrase": "accepted",
            "fields": {"seq": "17", "ms": "412", "id": "1882625801104255323"},
        },
        {"time": "2026-11-23T09:41:08.000+00:00", "text": "noise"},
        {"time": "2026-11-23T09:41:09.000+00:00", "event": "it is gone"},
    ]


@pytest.mark.parametrize(
    ("ms", "words"),
    [
        (0, "0 ms"),
        (999, "999 ms"),
        (1000, "1 s"),
        (2500, "2.5 s"),
        (9960, "10.0 s"),
        (60_000, "1 min"),
        (61_000, "1 min 1 s"),
        (3_601_000, "1 h"),
        (11_520_000, "3 h 12 min"),
        (191_000_000, "2 days 5 h"),
        (86_400_000, "1 day"),
    ],
)
def test_duration_in_words(ms, words):
    assert duration(ms) == words
