"""`linkpost demo`: all parts in one command, and nothing left of them afterwards."""

import os
import re
import signal
import sys
import time
from pathlib import Path

import pytest
from linkpost_command import start_module

from tools.demo import command as demo

REPORT = re.compile(r"\d\d:\d\d:\d\d  accepted: report (\d+)  \w+=.*")
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")


def start(tmp_path, **variables):
    return start_module("tools", "demo", TMPDIR=str(tmp_path), **variables)


def wait_for_report(process):
    for line in process.stdout:
        if "accepted: report" in line:
            return
    raise AssertionError(process.stderr.read())


def assert_nothing_left(tmp_path):
    """No process that the demo started, which all have its TMPDIR, and no file."""
    assert list(tmp_path.iterdir()) == []
    mark = f"TMPDIR={tmp_path}\0".encode()
    deadline = time.monotonic() + 10
    while left := [path for path in Path("/proc").glob("[0-9]*") if has(path / "environ", mark)]:
        assert time.monotonic() < deadline, left
        time.sleep(0.02)


def has(path, mark):
    try:
        return mark in path.read_bytes()
    except OSError:  # it has ended meanwhile
        return False


@linux_only
def test_demo_with_reports_shows_each_and_ends_with_0(tmp_path):
    with start(tmp_path, REPORTS="2") as process:
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    lines = output.splitlines()
    assert re.match(r"The console page: http://127\.0\.0\.1:\d+$", lines[0])
    numbers = [match[1] for match in map(REPORT.fullmatch, lines) if match]
    assert numbers[:2] == ["1", "2"]
    assert re.search("  humidity=.*  temperature=|  temperature=.*  humidity=", output)
    assert re.match(r"board: [2-9] accepted, 0 quarantined, ", lines[-1])
    assert errors == ""
    assert_nothing_left(tmp_path)


@linux_only
@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_demo_on_ctrl_c_stops_everything_and_ends_with_0(tmp_path, signal_number):
    with start(tmp_path) as process:
        wait_for_report(process)
        os.killpg(process.pid, signal_number)  # as a terminal does it
        output, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (0, "")
    assert re.search(r"^board: [1-9]\d* accepted, ", output, re.MULTILINE)
    assert_nothing_left(tmp_path)


@linux_only
def test_demo_that_is_killed_leaves_no_process(tmp_path):
    with start(tmp_path) as process:
        wait_for_report(process)
        process.kill()
        process.communicate(timeout=30)
    for path in tmp_path.rglob("*"):  # files it could not remove
        if path.is_file():
            path.unlink()
    for path in sorted(tmp_path.rglob("*"), reverse=True):
        path.rmdir()
    assert_nothing_left(tmp_path)


@pytest.mark.parametrize(
    ("reports", "shown"), [("0", "0 "), ("-1", "-1 "), ("two", "'two' "), ("1.5", "'1.5' ")]
)
def test_demo_with_a_wrong_number_is_a_usage_error(tmp_path, reports, shown):
    with start(tmp_path, REPORTS=reports) as process:
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 2
    assert f"Invalid value for '--reports' (env var: 'REPORTS'): {shown}" in errors


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('{"stream": "9f2c41aa", "seq": 17, "time": 1, "door": true}', "report 17  door=True"),
        ('{"id": "1", "params": {}}', "report ?  id=1  params={}"),
        ("hello", "accepted on /a/b: 'hello'"),
        ("[1, 2]", "accepted on /a/b: '[1, 2]'"),
        (None, "accepted on /a/b: binary"),
    ],
)
def test_demo_describes_any_message(text, shown):
    message = {"id": 1, "topic": "/a/b", "time_ms": 1524448722000, "text": text}
    assert shown in demo.describe(message)
