"""The first lines of a boot: what `linkpost deploy` says about them."""

from __future__ import annotations

import pytest

from tools.deploy import watch
from tools.deploy.boot import FirstLines
from tools.terminal import failures

STARTED = '0.062 I app started device=a1/s1 endpoint=localhost:9 cause="power on" pending=0'
TRACEBACK = [
    "Traceback (most recent call last):",
    '  File "main.py", line 14, in <module>',
    '  File "linkpost.app", line 80, in run',
    "ValueError: no such pin",
]


def judge(*lines: str) -> FirstLines:
    first = FirstLines()
    for line in lines:
        first.take(line)
    return first


@pytest.mark.parametrize(
    "lines",
    [
        [STARTED],
        ["rst:0x1 (POWERON_RESET),boot:0x13", "load:0x3fff0030,len:4892", STARTED],
        [STARTED, '0.683 W send failed error=NetworkError why="refused" pending=2'],
        # By native USB the first lines are lost: the port is there only after them.
        ["3.062 D store stored seq=1 pending=1"],
    ],
)
def test_boot_with_a_log_line_of_the_app_runs(lines):
    first = judge(*lines)
    assert first.runs
    assert first.failure is None


def test_boot_with_a_wrong_config_says_its_line_and_exit_code():
    why = "interval_s: a number, 0 or more, was expected"
    first = judge(f'0.051 E app cannot run error=ConfigError why="{why}"')
    assert not first.runs
    assert why in first.failure
    assert first.exit_code == failures.USAGE


def test_boot_with_a_traceback_keeps_it_whole():
    crashed = "0.201 E app crashed error=ValueError reset_in_ms=10000"
    first = judge(STARTED, *TRACEBACK, crashed)
    assert not first.runs
    assert "ValueError: no such pin" in first.failure
    assert first.traceback == TRACEBACK


@pytest.mark.parametrize(
    "line",
    [
        "0.040 E app safe mode boots_failed=5 again_in_ms=900000",
        "0.040 W app held: not started file=hold",
        "MicroPython v1.27.0 on 2025-12-09; Raspberry Pi Pico W with RP2040",
        ">>> ",
    ],
)
def test_boot_that_ends_without_the_app_is_a_failure(line):
    first = judge(line)
    assert not first.runs
    assert first.failure


def test_boot_that_prints_something_else_is_neither():
    first = judge("ets Jul 29 2019 12:21:46", "12.3 volts", "")
    assert not first.runs
    assert first.failure is None


CONFIG = {
    "endpoint": "localhost:9",
    "product_key": "a1B2c3D4e5F",
    "device_name": "sensor01",
    "device_secret": "0123456789abcdef",
}
ACCEPTED = "1.121 I send accepted seq=1 ms=157 id=1882625802932543633"
STORED = "0.071 D store stored seq=1 pending=1"
REFUSED = (
    '2.100 E send topic refused, readings kept code=30001 topic=/a1/s1/x check="topic exists"'
)
BANNER = "MicroPython v1.27.0 on 2025-12-09; ESP32"
DEEP = {"sleep": "deep", "interval_s": 600}


def failed(error: str) -> str:
    return f'3.100 W send failed error={error} why="because" pending=2 again_ms=1000'


def start_of(*lines: str, own_main=False, boot_s=30.0, **changes) -> watch.Start:
    first = judge(*lines)
    config = {**CONFIG, **changes}
    return watch.judge(first, bool(lines), boot_s, config, own_main, "/dev/ttyUSB0")


@pytest.mark.parametrize(
    ("lines", "changes", "exit_code", "report", "words"),
    [
        ([STARTED, ACCEPTED], {}, 0, "accepted", "first report was accepted, seq=1"),
        ([STARTED, failed("AuthError")], {}, 3, "failed", "first report failed: AuthError: beca"),
        ([STARTED, failed("DNSError")], {}, 4, "failed", "DNSError"),
        ([STARTED, failed("TLSError")], {}, 4, "failed", "TLSError"),
        ([STARTED, failed("ThrottledError")], {}, 5, "failed", "ThrottledError"),
        ([STARTED, failed("DeadlineError")], {}, 6, "failed", "DeadlineError"),
        ([STARTED, REFUSED], {}, 5, "failed", "code 30001 for topic /a1/s1/x"),
        ([STARTED, failed("NetworkError"), ACCEPTED], {}, 0, "accepted", "accepted"),
        ([STARTED, "1.000 E send resetting: x"], {}, 4, "failed", "resetting: x"),
        ([STARTED], {}, 6, None, "Watch it with: linkpost monitor --port /dev/ttyUSB0"),
        ([STARTED, STORED], {}, 6, None, "no report was accepted or failed in 30 s"),
        ([STARTED, STORED], {"send_s": 600}, 0, "due", "due within 10 min"),
        ([STARTED], {"send_s": 600}, 6, None, "no report was accepted"),
        ([STARTED, STORED], {"send_s": 20}, 6, None, "no report"),
        ([STARTED, STORED, "0.080 D app sleeping ms=9000"], DEEP, 0, "due", "within 10 min"),
        ([], {}, 6, None, "printed nothing for 30 s"),
        (["rst:0x1 (POWERON_RESET)"], {}, 6, None, "the app did not start in 30 s"),
        (['0.040 E store reading not stored why="full"'], {}, 2, "failed", "StorageError: full"),
    ],
)
def test_start_of_a_board_is_its_first_report(lines, changes, exit_code, report, words):
    start = start_of(*lines, **changes)
    assert (start.exit_code, start.report) == (exit_code, report), start
    assert words in start.message


def test_own_main_that_ends_by_itself_is_told_by_its_last_lines():
    start = start_of("measured 21.5", "done", BANNER, ">>> ", own_main=True)
    assert start.exit_code == failures.DONE
    assert start.message == "your main.py ran to its end; its last output: measured 21.5 | done"
    assert not start.runs
    start = start_of(ACCEPTED, BANNER, own_main=True)
    assert (start.exit_code, start.report) == (failures.DONE, "accepted")
    start = start_of("measured", *TRACEBACK, BANNER, own_main=True)
    assert start.exit_code == 1
    assert "ValueError: no such pin" in start.message
    start = start_of("measured 21.5", own_main=True)
    assert (start.exit_code, start.runs, start.report) == (failures.DONE, True, None)
    assert start_of(own_main=True).exit_code == failures.TIMEOUT


def test_line_of_another_task_in_a_traceback_is_not_its_end():
    first = judge(*TRACEBACK[:2], "W (77) wifi: bcn_timeout", *TRACEBACK[2:])
    assert "ValueError: no such pin" in first.failure
