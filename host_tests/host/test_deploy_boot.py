"""The first lines of a boot: what `linkpost deploy` says about them."""

from __future__ import annotations

import pytest

from tools import failures
from tools.deploy_boot import FirstLines

STARTED = '0.062 I app started device=a1/s1 endpoint=localhost:9 cause="power on" pending=0'
TRACEBACK = [
    "Traceback (most recent call last):",
    '  File "main.py", line 14, in <module>',
    '  File "linkpost/app.py", line 80, in run',
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
