"""`linkpost monitor` on virtual boards behind a port: through resets and sleep, untouched."""

from __future__ import annotations

import json
import queue
import signal
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import linkpost_command
import pytest
from linkpost_command import run
from serial_board import WAIT_S, needs_serial_board, serial_board
from terminal import linkpost_in_terminal

from tools.monitor import command as monitor
from tools.terminal import failures

pytestmark = needs_serial_board

NOBODY = "localhost:9"  # nothing listens there


@contextmanager
def monitor_into(file: Path, *arguments: object):
    """Run the command with its output in a file, as `linkpost monitor > file` does."""
    import subprocess
    import sys

    with file.open("wb") as out, file.with_suffix(".err").open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "tools", "monitor", *map(str, arguments)],
            cwd=linkpost_command.ROOT,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=errors,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_for(condition, what: str) -> None:
    end = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end, f"no {what} in {WAIT_S} s"
        time.sleep(0.02)


@pytest.mark.parametrize("usb", ["uart", "native"])
def test_monitor_in_a_terminal_goes_on_through_a_reset_and_leaves_the_board_running(tmp_path, usb):
    config = linkpost_command.write_config(tmp_path, NOBODY, interval_s=0.2, send_s=600)
    with serial_board(tmp_path, usb=usb, config=config) as board:
        with linkpost_in_terminal("monitor", "--port", board.port) as terminal:
            terminal.wait_for("listening on")
            terminal.wait_for("store  stored seq=9 ")
            assert board.notes == []  # connecting has not reset it
            board.press_reset()
            if usb == "native":
                terminal.wait_for("disappeared: the board resets or sleeps")
                terminal.wait_for("is back")
            else:
                terminal.wait_for("-- the board has restarted")
            terminal.wait_for("store  stored seq=")
            assert terminal.interrupt() == failures.INTERRUPTED
        assert "Traceback" not in terminal.text
        rows = [row for row in terminal.text.splitlines() if board.port not in row]
        assert max(map(len, rows)) <= 80
        # It runs on, in the same life, without a Ctrl-C of ours.
        board.wait_for("store stored", len(board.console))
        assert len(board.notes) == 1
        assert "stopped by Ctrl-C" not in board.console


def test_monitor_into_a_file_has_no_colours_and_waits_out_deep_sleep(tmp_path):
    config = linkpost_command.write_config(
        tmp_path, NOBODY, interval_s=3, send_s=600, sleep="deep"
    )
    out = tmp_path / "log"
    with (
        serial_board(tmp_path, usb="native", config=config, gone_s=0.05) as board,
        monitor_into(out, "--port", board.port, "--wait", 60) as process,
    ):
        wait_for(lambda: out.read_text().count("sleeping ms=") >= 2, "second sleep")
        process.send_signal(signal.SIGINT)
        assert process.wait(WAIT_S) == failures.INTERRUPTED
    assert b"\x1b" not in out.read_bytes() + out.with_suffix(".err").read_bytes()
    assert "disappeared: the board resets or sleeps" in out.read_text()
    assert "listening on" in out.with_suffix(".err").read_text()


def test_monitor_as_json_is_one_object_per_line_with_tracebacks_as_they_are(tmp_path):
    main = (
        b"import time\ntime.sleep(1)\nprint('1.500 I app started device=a/b')\nraise ValueError(7)"
    )
    out = tmp_path / "log"
    with (
        serial_board(tmp_path, files={"main.py": main}) as board,
        monitor_into(out, "--port", board.port, "--json") as process,
    ):
        wait_for(lambda: "listening" in out.with_suffix(".err").read_text(), "start")
        board.press_reset()
        wait_for(lambda: "ValueError: 7" in out.read_text(), "traceback")
        wait_for(lambda: ">>> " in out.read_text(), "prompt, which has no end of line")
        process.send_signal(signal.SIGINT)
        assert process.wait(WAIT_S) == failures.INTERRUPTED
    found = [json.loads(line) for line in out.read_text().splitlines()]
    assert [one["fields"] for one in found if "fields" in one] == [{"device": "a/b"}]
    texts = [one.get("text") for one in found]
    assert "Traceback (most recent call last):" in texts
    assert "ValueError: 7" in texts


def test_monitor_of_a_silent_board_says_once_how_to_ask_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(monitor, "_QUIET_S", 0.1)
    with serial_board(tmp_path) as board:  # new: at its REPL, as mpremote leaves one
        board.wait_for(">>> ")
        heard = monitor.listen(board.port, WAIT_S)
        got = queue.SimpleQueue()
        threading.Thread(target=lambda: got.put(next(heard)), daemon=True).start()
        shown = ""
        end = time.monotonic() + WAIT_S
        while "nothing was heard" not in shown:
            assert time.monotonic() < end, shown
            shown += capsys.readouterr().err
            time.sleep(0.02)
        board.press_reset()
        assert got.get(timeout=WAIT_S).text
    assert f"linkpost status --port {board.port} tells" in shown
    assert "nothing was heard" not in capsys.readouterr().err


def test_monitor_of_a_port_that_is_not_there_says_so(tmp_path):
    result = run("monitor", "--port", tmp_path / "ttyUSB7", "--wait", 0)
    assert result.returncode == failures.NO_BOARD
    assert "No board on" in result.stderr


def test_monitor_of_a_port_in_use_says_so(tmp_path):
    with serial_board(tmp_path) as board, monitor_into(tmp_path / "log", "--port", board.port):
        errors = tmp_path / "log.err"
        wait_for(lambda: "listening" in errors.read_text(), "start")
        result = run("monitor", "--port", board.port)
    assert result.returncode == failures.NO_BOARD
    assert "in use by another program" in result.stderr


def test_monitor_in_an_old_code_page_shows_boot_noise_and_goes_on(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "cp1252")
    config = linkpost_command.write_config(tmp_path, NOBODY, interval_s=600)
    with serial_board(tmp_path, config=config) as board:
        board.wait_for("app started")
        for arguments in ((), ("--json",)):
            with monitor_into(tmp_path / "heard", "--port", board.port, *arguments):
                errors = tmp_path / "heard.err"
                wait_for(lambda e=errors: "listening on" in e.read_text(), "start")
                board.say("\x00\xf3\u6559\u5ba4\r\n".encode())
                board.say(b"0.1 I app goes on\r\n")
                heard = tmp_path / "heard"
                wait_for(lambda h=heard: b"goes on" in h.read_bytes(), "line behind the noise")
            assert b"??" in heard.read_bytes()
