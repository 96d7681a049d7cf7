"""`linkpost status` and `linkpost outbox` on virtual boards behind a port: asked, left running."""

from __future__ import annotations

import json
import os
import re

import linkpost_command
import pytest
from emulator_process import DEVICE_SECRET, EmulatorProcess
from filled_outbox import files_in, fill_outbox
from linkpost_command import run
from serial_board import needs_serial_board, serial_board
from terminal import linkpost_in_terminal

from tools.terminal import failures
from tools.usb.board import UsbBoard

pytestmark = needs_serial_board

NOBODY = "localhost:9"  # nothing listens there


def asked(board, *arguments):
    result = run(*arguments, "--port", board.port, "--json")
    assert result.returncode == failures.DONE, result.stderr
    assert "its app stops, and is restarted" in result.stderr
    return json.loads(result.stdout)


def test_status_of_a_board_that_reports_and_runs_on_afterwards(tmp_path):
    with EmulatorProcess() as emulator:
        config = linkpost_command.write_config(tmp_path, emulator.platform, interval_s=1)
        with serial_board(tmp_path, usb="native", config=config, ca=emulator.ca) as board:
            board.wait_for("send accepted")
            found = asked(board, "status")
            assert found["device"] == linkpost_command.DEVICE
            assert found["endpoint"] == emulator.platform
            assert found["reset_cause"] == "power on"
            assert found["ran"] and not found["held"]
            assert found["uptime_ms"] > 0
            assert found["clock_right"] is True
            assert 0 <= found["token_age_s"] < 600
            assert found["outbox"]["next_seq"] > 1
            assert found["heap_free"] > 0
            assert 0 < found["flash_free"] < found["flash_total"]
            before = board.wait_for("app started", board.console.index("stopped by Ctrl-C"))
            board.wait_for("send accepted", before)
            shown = run("status", "--port", board.port)
            assert shown.returncode == failures.DONE, shown.stderr
            assert "since a reset\n" in shown.stdout
    for text in (json.dumps(found), shown.stdout, shown.stderr):
        assert DEVICE_SECRET not in text
        assert "\x1b" not in text


def test_status_of_a_board_that_is_not_well_says_why(tmp_path):
    config = linkpost_command.write_config(tmp_path, NOBODY, interval_s=30)
    with serial_board(tmp_path, config=config) as board:
        board.wait_for("send failed")
        shown = run("status", "--port", board.port)
        assert re.search(r"^problem .* ago, send: failed: NetworkError: ", shown.stdout, re.M), (
            shown.stdout + shown.stderr
        )
        sick = {**json.loads(config.read_text()), "sensors": [{"type": "user.nothing"}]}
        written = tmp_path / "sick.json"
        written.write_text(json.dumps(sick))
        assert run("provision", "--port", board.port, "--from", written, "--yes").returncode == 0
        board.wait_for("app cannot run")
        shown = run("status", "--port", board.port)
        assert "but the app does not run: see problem" in shown.stdout
        assert re.search(r"^problem .*ConfigError: sensors", shown.stdout, re.M), shown.stdout


def test_status_of_a_new_board_and_of_one_that_is_held_leaves_them_at_the_repl(tmp_path):
    with serial_board(tmp_path) as board:
        new = asked(board, "status")
        assert (new["linkpost"], new["device"], new["token_age_s"]) == (None, None, None)
        assert new["outbox"]["pending"] == 0
        assert board.notes == []
    config = linkpost_command.write_config(tmp_path, NOBODY)
    with serial_board(tmp_path, config=config) as board:
        with UsbBoard(board.port, 60) as usb:
            usb.hold()
        resets = len(board.notes)
        assert asked(board, "status")["held"] is True
        assert len(board.notes) == resets


def test_status_catches_a_board_in_deep_sleep(tmp_path):
    config = linkpost_command.write_config(
        tmp_path, NOBODY, sleep="deep", interval_s=3, send_s=600
    )
    with serial_board(tmp_path, usb="native", config=config, gone_s=0.05) as board:
        board.wait_for_note("sleep")
        found = asked(board, "status")
        assert found["reset_cause"] == "deep sleep"


@pytest.mark.parametrize("usb", ["uart", "native"])
def test_outbox_of_a_board_is_listed_and_the_flash_left_as_it_is(tmp_path, usb):
    fill_outbox(tmp_path / "filled", waiting=300, accepted=5, refused=2)
    files = files_in(tmp_path / "filled")
    with serial_board(tmp_path, usb=usb, files=files) as board:
        listed = asked(board, "outbox", "--limit", "40")
        assert [one["seq"] for one in listed["readings"]] == list(range(8, 48))
        assert (listed["pending"], listed["quarantined"]) == (300, 2)
        refused = asked(board, "outbox", "--quarantined")
        assert [one["values"] for one in refused["readings"]] == [{"n": 6}, {"n": 7}]
        assert refused["readings"][0]["code"] == 10001
        assert refused["readings"][0]["message"] == "param error"
        board.cut_power()
        assert board.files() == files


@pytest.mark.parametrize("usb", ["uart", "native"])
def test_readings_are_saved_from_a_board_and_forgotten_only_when_told(tmp_path, usb):
    filled = fill_outbox(tmp_path / "filled", waiting=300, accepted=5, refused=2)
    config = linkpost_command.write_config(tmp_path, NOBODY, interval_s=600)
    out = tmp_path / "readings.jsonl"
    files = files_in(tmp_path / "filled")
    with serial_board(tmp_path, usb=usb, config=config, files=files) as board:
        ours = ("--port", board.port)
        saved = run("outbox", "--save", out, *ours)
        assert saved.returncode == failures.DONE, saved.stderr
        assert f"{out}: 3" in saved.stdout
        # At each start the app has taken one more, behind those.
        seqs = [json.loads(line)["seq"] for line in out.read_text().splitlines()]
        assert len(seqs) >= 300
        assert seqs == list(range(8, 8 + len(seqs)))

        def forget(seq, *more):
            return run("outbox", "--forget-through", seq, *ours, *more)

        other = forget(107, "--yes", "--stream", "00000000")
        assert other.returncode == failures.USAGE
        assert "nothing was deleted" in other.stderr
        assert "nothing was deleted" in forget(10_000, "--yes").stderr
        assert "asks first" in forget(107).stderr
        done = forget(107, "--yes", "--stream", filled.stream)
        assert done.returncode == failures.DONE, done.stderr
        assert f"Deleted: 100 waiting readings (outbox id {filled.stream}, seq=8 to seq=107)" in (
            done.stdout
        )
        assert asked(board, "outbox", "--limit", 2)["readings"][0]["seq"] == 108
        assert "the oldest waiting reading is seq=108" in forget(107, "--yes").stdout
        with linkpost_in_terminal("outbox", "--forget-through", 108, *ours) as terminal:
            terminal.answer("Delete 1 waiting", "n")
            assert terminal.end() == failures.INTERRUPTED
        with linkpost_in_terminal("outbox", "--forget-through", 109, *ours) as terminal:
            terminal.answer("Delete 2 waiting", "y")
            assert terminal.end() == failures.DONE, terminal.text
        assert asked(board, "outbox", "--limit", 2)["readings"][0]["seq"] == 110


def test_board_without_linkpost_has_nothing_run_on_it(tmp_path):
    fill_outbox(tmp_path / "filled", waiting=30)
    with serial_board(tmp_path, files=files_in(tmp_path / "filled")) as board:
        done = run("outbox", "--forget-through", 3, "--yes", "--port", board.port)
        assert done.returncode == failures.USAGE
        assert "run linkpost deploy first" in done.stderr
        assert asked(board, "outbox")["pending"] == 30


def test_outbox_in_a_terminal_is_no_wider_than_it(tmp_path):
    fill_outbox(tmp_path / "filled", waiting=30)
    from linkpost.storage.outbox import Outbox

    outbox = Outbox(str(tmp_path / "filled" / "outbox"), None, os.urandom)
    outbox.append({f"a_long_name_{n}": n * 1.5 for n in range(12)}, None, None)
    with (
        serial_board(tmp_path, files=files_in(tmp_path / "filled")) as board,
        linkpost_in_terminal("outbox", "--port", board.port) as terminal,
    ):
        assert terminal.end() == failures.DONE, terminal.text
    assert "a_long_name_11 16.5" in terminal.text
    assert "not known" in terminal.text
    rows = terminal.text[terminal.text.index("values\n") :].splitlines()
    assert max(map(len, rows)) <= 80


def test_ctrl_c_while_a_board_is_asked_lets_it_run_again(tmp_path):
    # Long to fetch: the Ctrl-C comes in the middle.
    fill_outbox(tmp_path / "filled", waiting=700, values={"text": "x" * 1000})
    config = linkpost_command.write_config(tmp_path, NOBODY, interval_s=1)
    files = files_in(tmp_path / "filled")
    with serial_board(tmp_path, config=config, files=files) as board:
        board.wait_for("app started")
        with linkpost_in_terminal("outbox", "--limit", 0, "--port", board.port) as terminal:
            terminal.wait_for("fetching outbox/backlog/s")
            assert terminal.interrupt() == failures.INTERRUPTED, terminal.text
        assert "Traceback" not in terminal.text
        board.wait_for("app started", board.console.index("stopped by Ctrl-C"))


@pytest.mark.parametrize("every_s", [1.0, 0.1, 0.005])
def test_foreign_lines_on_the_port_leave_answers_whole_and_the_board_running(tmp_path, every_s):
    fill_outbox(tmp_path / "filled", waiting=300, accepted=5, refused=2)
    config = linkpost_command.write_config(tmp_path, NOBODY, interval_s=600)
    files = files_in(tmp_path / "filled")
    with serial_board(tmp_path, config=config, files=files) as board, board.chatter(every_s):
        place = board.wait_for("app started")
        listed = asked(board, "outbox", "--limit", "40", "--wait", 20)
        assert [one["seq"] for one in listed["readings"]] == list(range(8, 48))
        place = board.wait_for("app started", place)
        assert asked(board, "status", "--wait", 20)["device"] == linkpost_command.DEVICE
        board.wait_for("app started", place)


@pytest.mark.parametrize("command", ["status", "outbox"])
def test_port_that_is_not_there_is_exit_code_7(tmp_path, command):
    result = run(command, "--port", tmp_path / "ttyUSB7", "--wait", 0)
    assert result.returncode == failures.NO_BOARD
    assert "No board on" in result.stderr
