"""`linkpost deploy` onto real MicroPython behind a serial port, over mpremote's own library."""

from __future__ import annotations

import json
from pathlib import Path

import linkpost_command
import pytest
from emulator_process import EmulatorProcess
from serial_board import BoardOnPort, needs_serial_board, serial_board

from tools.deploy import command as deploy
from tools.firmware import deploy_record
from tools.firmware.board_files import files_for
from tools.terminal import failures
from tools.terminal.failures import CommandError
from tools.usb.board import UsbBoard

pytestmark = needs_serial_board

# Never ours to touch.
THEIRS = {
    "user/my_sensor.py": b"class MySensor: pass\n",
    "boot.py": b"# the person's\n",
}
NOBODY = "localhost:9"  # nothing listens there


def config_in(folder: Path, **changes: object) -> Path:
    return linkpost_command.write_config(folder, NOBODY, **{"interval_s": 1, **changes})


def run_deploy(port: str, *options: object) -> int:
    """Run the command in this process; its errors come out as they are."""
    arguments = ["--port", port, "--wait", "60", "--boot-wait", "60", *map(str, options)]
    return deploy.deploy.main(arguments, prog_name="deploy", standalone_mode=False)


def run_deploy_json(capsys, port: str, *options: object) -> dict:
    """Run the command; return what it says. At NOBODY the first report fails."""
    capsys.readouterr()
    try:
        assert run_deploy(port, "--json", *options) == failures.DONE
    except CommandError as error:
        assert error.exit_code == failures.NETWORK, error
        assert "the first report failed: NetworkError" in str(error)
    return json.loads(capsys.readouterr().out)


def wanted(config: Path, ca: Path | None = None) -> dict[str, bytes]:
    files = files_for(
        json.loads(config.read_text()), chip="host", native_digests=True, ca=ca, with_aio=True
    )
    return {**files, "config.json": config.read_bytes()}


def check_files(board: BoardOnPort, expected: dict[str, bytes]) -> None:
    """Compare all that is on the flash, but for what the app writes."""
    board.cut_power()
    apps = ("outbox/", "token")
    found = {path: data for path, data in board.files().items() if not path.startswith(apps)}
    assert found == {path: data for path, data in expected.items() if not path.startswith(apps)}


def test_deploy_fresh_reports_and_again_copies_nothing(tmp_path, capsys):
    with EmulatorProcess() as emulator:
        config = linkpost_command.write_config(tmp_path, emulator.platform, interval_s=1)
        files = {**THEIRS, "config.json": config.read_bytes()}
        with serial_board(tmp_path, usb="native", files=files) as board:
            done = run_deploy_json(capsys, board.port, "--ca", emulator.ca)
            assert done["runs"]
            assert done["report"] == "accepted"
            assert emulator.messages()
            expected = wanted(config, Path(emulator.ca))
            assert set(done["copied"]) == expected.keys() - {"config.json"}
            again = run_deploy_json(capsys, board.port, "--ca", emulator.ca)
            assert again["runs"]
            assert (again["copied"], again["removed"]) == ([], [])
            check_files(board, {**files, **expected})


def test_deploy_as_a_person_sees_it_piped_has_lines_and_no_colours(tmp_path):
    config = config_in(tmp_path, interval_s=0.5)
    with serial_board(tmp_path, config=config) as board:
        with UsbBoard(board.port, 60) as usb:
            usb.write("lib/linkpost/backoff.mpy", b"M\x06")
            usb.write("lib/linkpost/left_over.mpy", b"M\x06")
            usb.write("certs/ca-01234567.der", b"0")
        done = linkpost_command.run("deploy", "--port", board.port)
        listed = board.mpremote("fs", "ls")
    assert done.returncode == failures.NETWORK, done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("linkpost: all files are copied, but the first report failed: Network")
    assert done.stdout == ""
    assert "copying lib/linkpost/backoff.mpy (" in done.stderr
    assert "removed lib/linkpost/left_over.mpy\n" in done.stderr
    assert "removed certs/ca-01234567.der\n" in done.stderr
    assert "app started" in done.stderr
    assert "config.json" in listed.stdout, listed.stderr
    assert "\x1b" not in done.stdout + done.stderr


def test_deploy_onto_a_board_whose_watchdog_runs_is_not_bitten(tmp_path, capsys):
    config = config_in(tmp_path, watchdog_s=2)
    with serial_board(tmp_path, usb="native", config=config) as board:
        board.wait_for("app started")
        with UsbBoard(board.port, 60) as usb:
            usb.hold()
            resets = len(board.notes)
            usb.run("import time\ntime.sleep(2.5)")  # in a quiet boot no watchdog runs
            assert len(board.notes) == resets
            usb.remove("lib/linkpost/app.mpy")
        done = run_deploy_json(capsys, board.port)
        assert done["runs"]
        assert "lib/linkpost/app.mpy" in done["copied"]


def test_deploy_onto_a_board_in_deep_sleep_catches_it(tmp_path, capsys):
    config = config_in(tmp_path, sleep="deep", interval_s=3, send_s=600)
    with serial_board(tmp_path, usb="native", config=config, gone_s=0.1) as board:
        board.wait_for_note("sleep")
        done = run_deploy_json(capsys, board.port)
        assert done["runs"]


def test_deploy_onto_a_full_flash_says_so_and_is_repaired_when_there_is_room(tmp_path, capsys):
    config = config_in(tmp_path)
    big = {"user/big.bin": b"x" * (212 - 14) * 4096}
    files = {"config.json": config.read_bytes(), **big}
    with serial_board(tmp_path, kind="RPI_PICO_W", files=files) as board:
        with pytest.raises(CommandError, match="flash is full: .* Nothing was written") as caught:
            run_deploy(board.port)
        assert caught.value.exit_code == failures.NO_BOARD
        with UsbBoard(board.port, 60) as usb:
            assert set(usb.files("")) == files.keys()
            usb.remove("user/big.bin")
        assert run_deploy_json(capsys, board.port)["runs"]
        check_files(board, wanted(config))


def test_deploy_without_a_config_leaves_the_board_as_it_was(tmp_path):
    with serial_board(tmp_path, files={"main.py": b"print('theirs runs')\n"}) as board:
        board.wait_for("theirs runs")
        place = len(board.console)
        with pytest.raises(CommandError, match="linkpost provision") as caught:
            run_deploy(board.port)
        assert caught.value.exit_code == failures.USAGE
        board.wait_for("theirs runs", place)
        check_files(board, {"main.py": b"print('theirs runs')\n"})


def test_deploy_keeps_a_main_that_was_edited_on_the_board(tmp_path, capsys):
    config = config_in(tmp_path)
    edited = b"import linkpost.version\nprint('my own way')\nimport main_loop\n"
    loop = b"import time\nwhile True: time.sleep(0.1)\n"
    with serial_board(tmp_path, config=config, files={"main_loop.py": loop}) as board:
        with UsbBoard(board.port, 60) as usb:
            usb.write("main.py", edited, atomic=True)
            usb.remove("lib/linkpost/led.mpy")
        done = run_deploy_json(capsys, board.port, "--boot-wait", 5)
        assert done["kept_main"]
        assert (done["runs"], done["report"]) == (True, None)
        assert "my own way" in board.console
        check_files(board, {**wanted(config), "main.py": edited, "main_loop.py": loop})


def test_deploy_of_a_main_that_ends_by_itself_says_its_last_lines(tmp_path, capsys):
    config = config_in(tmp_path)
    with serial_board(tmp_path, config=config) as board:
        with UsbBoard(board.port, 60) as usb:
            usb.write("main.py", b"import linkpost.version\nprint('measured 21.5')\n", atomic=True)
        assert run_deploy(board.port) == failures.DONE
        said = capsys.readouterr().out
        assert "your main.py ran to its end; its last output: measured 21.5" in said
        with UsbBoard(board.port, 60) as usb:
            usb.write("main.py", b"import linkpost.version\nprint(1 // 0)\n", atomic=True)
        done = linkpost_command.run("deploy", "--port", board.port)
        assert done.returncode == 1
        assert "the app stopped: ZeroDivisionError" in done.stderr
        assert "unexpected" not in done.stderr


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"device_secret": "f" * 32}, failures.AUTH_REFUSED, "AuthError: Authentication refused"),
        ({"topic": "/a1B2c3D4e5F/other01/x"}, failures.REFUSED, "for topic /a1B2c3D4e5F/other01"),
    ],
)
def test_deploy_says_why_the_first_report_was_refused(tmp_path, changes, code, words):
    with EmulatorProcess() as emulator:
        config = linkpost_command.write_config(
            tmp_path, emulator.platform, interval_s=1, **changes
        )
        with (
            serial_board(tmp_path, files={"config.json": config.read_bytes()}) as board,
            pytest.raises(CommandError, match="the first report failed") as caught,
        ):
            run_deploy(board.port, "--ca", emulator.ca)
    assert caught.value.exit_code == code
    assert words in str(caught.value)


def test_deploy_of_a_config_that_the_board_refuses_shows_the_boards_line(tmp_path):
    # A host has no pins: right by the rules, and refused where the app is built.
    config = config_in(tmp_path, sensors=[{"type": "dht11", "pin": 4}])
    files = {"config.json": config.read_bytes()}
    with (
        serial_board(tmp_path, files=files) as board,
        pytest.raises(
            CommandError, match="all files are copied, but the app cannot run"
        ) as caught,
    ):
        run_deploy(board.port)
    assert caught.value.exit_code == failures.USAGE


def test_deploy_of_firmware_that_crashes_shows_the_traceback(tmp_path, capsys, monkeypatch):
    def broken(*arguments, **options):
        files = files_for(*arguments, **options)
        files["main.py"] = b"import linkpost.version\ndef f():\n    return 1 // 0\nf()\n"
        return {**files, deploy_record.PATH: deploy_record.render(files["main.py"])}

    monkeypatch.setattr(deploy, "files_for", broken)
    with (
        serial_board(tmp_path, config=config_in(tmp_path)) as board,
        pytest.raises(CommandError, match="ZeroDivisionError"),
    ):
        run_deploy(board.port)
    assert 'File "main.py", line 3, in f' in capsys.readouterr().err


def test_deploy_killed_while_it_copies_boots_to_a_repl_and_is_repaired(tmp_path, capsys):
    config = config_in(tmp_path)
    files = {**THEIRS, "config.json": config.read_bytes()}
    with serial_board(tmp_path, files=files) as board:
        with linkpost_command.start("deploy", "--port", board.port) as process:
            for line in process.stderr:
                if "copying lib/linkpost/client.mpy" in line:
                    break
            process.kill()
            assert process.wait(60) == -9
        board.press_reset()
        board.wait_for_note("reset button")
        with UsbBoard(board.port, 60) as usb:
            assert "main.py" not in usb.files("")
        assert run_deploy_json(capsys, board.port)["runs"]
        check_files(board, {**files, **wanted(config)})
