"""A virtual board on a serial port: the real mpremote against real MicroPython.

Every mpremote here runs as a process, as people run it, and without `resume`.
"""

import contextlib
import hashlib
import json
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import byte_code
import linkpost_command
import pytest
import serial
from emulator_process import EmulatorProcess
from serial_board import WAIT_S, needs_serial_board, serial_board

CONTRACT = Path(__file__).parent.parent / "contract" / "port_contract.py"

pytestmark = needs_serial_board
both_usb = pytest.mark.parametrize("usb", ["uart", "native"])

# Prints, and goes on until Ctrl-C.
BUSY = b"import time\nprint('busy')\nwhile True:\n    time.sleep_ms(5)\n"


def run(board, *arguments):
    """Run mpremote; return its output."""
    result = board.mpremote(*arguments)
    assert result.returncode == 0, (result.stdout, result.stderr, board.notes, board.console)
    return result.stdout


class Terminal:
    """A program that has the port open, and types."""

    def __init__(self, board):
        self.serial = serial.Serial(board.port, 115200, timeout=0.1, exclusive=True)
        self.heard = b""

    def type(self, text):
        self.serial.write(text)

    def wait_for(self, text):
        """Wait for that text behind what was waited for before."""
        end = time.monotonic() + WAIT_S
        while text not in self.heard:
            assert time.monotonic() < end, (text, self.heard)
            self.heard += self.serial.read(1) + self.serial.read(self.serial.in_waiting)
        self.heard = self.heard.partition(text)[2]


@contextlib.contextmanager
def terminal(board):
    board.wait_for_port()
    program = Terminal(board)
    try:
        yield program
    finally:
        program.serial.close()


# -- mpremote ----------------------------------------------------------------------------------


@both_usb
def test_mpremote_files_on_a_fresh_board_come_back_as_they_were(tmp_path, usb):
    content = bytes(range(256)) * 9
    (tmp_path / "here.bin").write_bytes(content)
    with serial_board(tmp_path, usb=usb) as board:
        board.wait_for(">>> ")
        assert board.console.startswith("MicroPython ")
        run(board, "fs", "mkdir", "user", "+", "cp", f"{tmp_path}/here.bin", ":user/a.bin")
        run(board, "fs", "cp", ":user/a.bin", f"{tmp_path}/back.bin")
        assert (tmp_path / "back.bin").read_bytes() == content
        run(board, "touch", "b", "+", "fs", "rm", "b")
        listing = run(board, "fs", "ls", "user")
        assert "2304 a.bin" in listing
        # mpremote itself compares: an equal file is not copied again.
        assert "Up to date" in run(board, "fs", "cp", f"{tmp_path}/here.bin", ":user/a.bin")
        assert "2097152" in run(board, "df")
        board.cut_power()
        assert board.files() == {"user/a.bin": content}


@both_usb
def test_mpremote_runs_code_and_resets(tmp_path, usb):
    (tmp_path / "script.py").write_text("import sys\nprint(sys.implementation.name, 6 * 7)\n")
    with serial_board(tmp_path, usb=usb, files={"note.txt": b"a\nb\n"}) as board:
        assert run(board, "run", f"{tmp_path}/script.py") == "micropython 42\n"
        assert run(board, "eval", "1 + 1").strip() == "2"
        assert run(board, "fs", "cat", "note.txt").split() == ["a", "b"]
        digest = run(board, "sha256sum", "note.txt")
        assert hashlib.sha256(b"a\nb\n").hexdigest() in digest
        failed = board.mpremote("exec", "1/0")
        assert failed.returncode == 1
        assert "ZeroDivisionError" in failed.stdout + failed.stderr
        soft_resets = board.notes.count("soft reset")
        run(board, "soft-reset")
        board.wait_for_note("soft reset", soft_resets + 1)
        run(board, "reset")
        board.wait_for_note("hard reset")
        board.wait_for_port()
        assert run(board, "exec", "import machine; print(machine.reset_cause())").strip() == "5"


def test_mpremote_stops_the_app_that_reports_and_its_watchdog_bites_later(tmp_path):
    with EmulatorProcess() as emulator:
        config = linkpost_command.write_config(
            tmp_path, emulator.platform, interval_s=0.1, watchdog_s=3
        )
        with serial_board(tmp_path, config=config, ca=emulator.ca) as board:
            board.wait_for("send accepted")
            listing = run(board, "fs", "ls")
            assert "main.py" in listing and "outbox/" in listing
            # The soft reset of mpremote took the timer along that fed after Ctrl-C.
            board.wait_for_note("the watchdog was not fed in time: reset")
            board.wait_for("send accepted", board.wait_for("cause=watchdog"))


def test_contract_of_ports_on_the_board_fails_nowhere(tmp_path):
    # The contract looks at names that a deployed firmware has in short.
    files = {f"lib/linkpost/{name}": data for name, data in byte_code.firmware().items()}
    with serial_board(tmp_path, files=files) as board:
        board.wait_for(">>> ")
        output = run(board, "run", str(CONTRACT))
    assert ", 0 failed" in output, output
    assert "ok   check_retained_memory_is_kept_whole" in output


def test_mpremote_on_several_boards_at_once_reaches_each(tmp_path):
    with contextlib.ExitStack() as stack, ThreadPoolExecutor() as pool:
        boards = []
        for number in range(3):
            folder = tmp_path / str(number)
            folder.mkdir()
            files = {"who": str(number).encode(), "main.py": BUSY}
            boards.append(stack.enter_context(serial_board(folder, files=files)))
        outputs = pool.map(lambda board: run(board, "exec", "print(open('who').read())"), boards)
        assert [output.strip() for output in outputs] == ["0", "1", "2"]


# -- the REPL, as a person types ---------------------------------------------------------------


@both_usb
def test_ctrl_c_stops_main_and_its_names_are_there_to_look_at(tmp_path, usb):
    files = {"main.py": b"secret = 41\n" + BUSY}
    with serial_board(tmp_path, usb=usb, files=files) as board, terminal(board) as program:
        board.wait_for("busy")
        program.type(b"\x03")
        program.wait_for(b"KeyboardInterrupt: \r\n")
        program.wait_for(b">>> ")
        program.type(b"secret + 1\r")
        program.wait_for(b"\r\n42\r\n>>> ")
        program.type(b"print('soft'); 1\x03")  # a character: the line is given up
        program.wait_for(b"\r\n>>> ")
        program.type(b"\x04")
        program.wait_for(b"MPY: soft reboot\r\nbusy\r\n")
        assert "soft reset" in board.notes


def test_ctrl_c_in_the_data_of_the_raw_repl_reaches_the_board(tmp_path):
    with serial_board(tmp_path) as board, terminal(board) as program:
        board.wait_for(">>> ")
        program.type(b"\x01")
        program.wait_for(b"raw REPL; CTRL-B to exit\r\n>")
        program.type(b"never_run()\x03print('ran')\x04")
        program.wait_for(b"OKran\r\n\x04\x04>")


@pytest.mark.parametrize("start", [b"", b"\x05A\x01"], ids=["raw", "raw paste"])
def test_ctrl_c_stops_code_of_the_raw_repl(tmp_path, start):
    with serial_board(tmp_path) as board, terminal(board) as program:
        board.wait_for(">>> ")
        program.type(b"\x01")
        program.wait_for(b"raw REPL; CTRL-B to exit\r\n>")
        program.type(start + b"print('runs')\nwhile True: pass\n\x04")
        program.wait_for(b"runs\r\n")
        program.type(b"\x03")
        program.wait_for(b"KeyboardInterrupt: \r\n\x04>")


def test_soft_reset_in_the_raw_repl_stays_there_and_skips_main(tmp_path):
    files = {"main.py": b"print('main ran')"}
    with serial_board(tmp_path, files=files) as board, terminal(board) as program:
        board.wait_for(">>> ")
        program.type(b"\x01")
        program.wait_for(b"raw REPL; CTRL-B to exit\r\n>")
        program.type(b"\x04")
        program.wait_for(b"OK\r\nMPY: soft reboot\r\nraw REPL; CTRL-B to exit\r\n>")
        program.type(b"\x02")
        program.wait_for(b">>> ")
        assert board.console.count("main ran") == 1
        program.type(b"import machine; machine.soft_reset()\r")
        program.wait_for(b"MPY: soft reboot\r\nmain ran\r\n")


def test_main_that_fails_shows_its_traceback_and_the_repl_comes(tmp_path):
    with serial_board(tmp_path, files={"main.py": b"1/0\n"}) as board:
        board.wait_for('File "main.py", line 1')
        board.wait_for("ZeroDivisionError")
        board.wait_for(">>> ")


# -- resets, sleep, watchdog, power --------------------------------------------------------------


@both_usb
def test_hard_reset_takes_a_native_port_along_and_leaves_a_uart(tmp_path, usb):
    with serial_board(tmp_path, usb=usb) as board, terminal(board) as program:
        board.wait_for(">>> ")
        before = len(board.console)
        program.type(b"import machine; machine.reset()\r")
        board.wait_for_note("hard reset")
        board.wait_for("MicroPython ", before)
        if usb == "uart":
            program.wait_for(b"machine.reset()\r\n")
            program.wait_for(b">>> ")
            program.type(b"machine.reset_cause()\r")  # its names are gone: RAM was lost
            program.wait_for(b"NameError")
            return
        with pytest.raises(OSError):
            while True:
                program.serial.read(program.serial.in_waiting or 1)
        with terminal(board) as again:
            again.type(b"\r")
            again.wait_for(b">>> ")


@both_usb
def test_deep_sleep_is_silent_and_ends_by_itself(tmp_path, usb):
    files = {"main.py": b"import machine\nprint('cause', machine.reset_cause())\n"}
    with serial_board(tmp_path, usb=usb, files=files) as board, terminal(board) as program:
        board.wait_for(">>> ")
        program.type(b"machine.deepsleep(1000)\r")
        board.wait_for_note("deep sleep for 1000 ms")
        assert Path(board.port).exists() == (usb == "uart")
        board.wait_for("cause 4")
        board.wait_for_port()


@both_usb
def test_deep_sleep_without_end_ends_at_the_reset_button(tmp_path, usb):
    with serial_board(tmp_path, usb=usb) as board:
        with terminal(board) as program:
            board.wait_for(">>> ")
            program.type(b"import machine; machine.deepsleep()\r")
            board.wait_for_note("deep sleep until a reset")
        awake = len(board.console)
        board.press_reset()
        board.wait_for(">>> ", awake)
        board.wait_for_port()


def test_watchdog_survives_soft_reset_and_ctrl_c_and_not_a_hard_reset(tmp_path):
    main = b"import machine\nprint('cause', machine.reset_cause())\n"
    with serial_board(tmp_path, files={"main.py": main}) as board, terminal(board) as program:
        board.wait_for("cause 1")
        program.type(b"dog = machine.WDT(timeout=2000)\r")
        program.type(b"while True: dog.feed()\r\r")
        program.wait_for(b"... ")
        program.type(b"\x03")
        program.wait_for(b">>> ")
        program.type(b"\x04")
        board.wait_for("cause 5")
        board.wait_for_note("the watchdog was not fed in time: reset")
        # What the reset has stopped stays so: the next thing to happen is ours.
        board.wait_for("cause 3")
        program.type(b"\x03\rmachine.reset()\r")
        board.wait_for("cause 2")


def test_timer_that_feeds_keeps_the_watchdog_quiet_until_the_soft_reset(tmp_path):
    with serial_board(tmp_path) as board, terminal(board) as program:
        board.wait_for(">>> ")
        program.type(b"import machine; machine.WDT(timeout=1000).feed(); machine.feed_for(None)\r")
        program.type(b"import time; time.sleep(1.5); print('quiet')\r")
        program.wait_for(b"\nquiet")
        assert board.notes == []
        program.type(b"\x04")
        board.wait_for_note("the watchdog was not fed in time: reset")
        assert board.notes[0] == "soft reset"


def test_hold_flag_after_ctrl_c_gives_a_quiet_boot_of_a_watched_board(tmp_path):
    """The way of deploy: Ctrl-C, the flag, a hard reset."""
    config = linkpost_command.write_config(tmp_path, "localhost:1", interval_s=1, watchdog_s=2)
    with serial_board(tmp_path, usb="native", config=config) as board:
        board.wait_for("app started")
        with terminal(board) as program:
            program.type(b"\x03")
            board.wait_for("stopped by Ctrl-C")
            program.wait_for(b">>> ")
            program.type(b"import time; time.sleep(2.5)\r")  # longer than its watchdog allows
            program.type(b"open('hold', 'w').close(); import machine; machine.reset()\r")
            board.wait_for("held: not started file=hold")
        assert board.notes == ["hard reset"]


def test_power_cut_takes_the_port_and_keeps_what_is_on_flash(tmp_path):
    with serial_board(tmp_path) as board:
        run(board, "exec", "open('kept', 'w').close(); left = open('lost', 'w')")
        board.cut_power()
        assert not Path(board.port).exists()
        assert "kept" in board.files()
        before = len(board.console)
        board.power_on()
        board.wait_for(">>> ", before)
        assert run(board, "exec", "import machine; print(machine.reset_cause())").strip()


def test_power_cut_at_a_flash_operation_leaves_half_of_it(tmp_path):
    with serial_board(tmp_path, cut_at=5) as board:
        failed = board.mpremote("exec", "f=open('a','w')\nfor i in range(20000): f.write('x')")
        assert failed.returncode != 0
        board.wait_for_note("power cut at flash operation 5")
        board.power_on()
        assert run(board, "eval", "1").strip() == "1"


def test_cable_pulled_after_some_bytes_ends_what_mpremote_does(tmp_path):
    (tmp_path / "file").write_bytes(b"x" * 5000)
    with serial_board(tmp_path, cut_after_bytes=2000) as board:
        failed = board.mpremote("fs", "cp", str(tmp_path / "file"), ":file")
        assert failed.returncode != 0
        board.wait_for_note("no power")
        board.power_on()
        run(board, "fs", "cp", str(tmp_path / "file"), ":file")
        board.cut_power()
        assert board.files() == {"file": b"x" * 5000}


def test_program_that_opens_types_and_closes_is_heard(tmp_path):
    with serial_board(tmp_path, files={"main.py": BUSY}) as board:
        board.wait_for("busy")
        Path(board.port).write_bytes(b"\x03")
        board.wait_for("KeyboardInterrupt")


def test_output_that_nobody_heard_is_lost_to_the_next_who_listens(tmp_path):
    with serial_board(tmp_path, files={"main.py": b"print('early')"}) as board:
        board.wait_for(">>> ")
        # Without pyserial, which throws away what it finds.
        port = os.open(board.port, os.O_RDWR | os.O_NOCTTY)
        try:
            os.write(port, b"'late'\r")
            heard = b""
            while not heard.endswith(b"'late'\r\n>>> "):
                heard += os.read(port, 100)
        finally:
            os.close(port)
        assert b"early" not in heard
        assert "early" in board.console


# -- the command -------------------------------------------------------------------------------


def test_board_serial_command_tells_its_port_and_ends_by_ctrl_c(tmp_path):
    flash, link, ready = tmp_path / "board.img", tmp_path / "board", tmp_path / "ready.json"
    with linkpost_command.start(
        *("board", "serial", "--flash", flash, "--link", link, "--usb", "native"),
        *("--ready-file", ready),
    ) as process:
        assert process.stdout.readline().strip() == str(link)
        told = json.loads(_wait_for_file(ready))
        assert told == {
            "port": str(link),
            "flash": str(flash),
            "usb": "native",
            "board": "ESP32_GENERIC",
            "pid": process.pid,
        }
        busy = linkpost_command.run("board", "serial", "--flash", flash)
        assert busy.returncode == 2
        assert "in use by another virtual board" in busy.stderr
        process.send_signal(signal.SIGUSR1)
        assert process.stderr.readline() == "board: the reset button: reset\n"
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=WAIT_S)
    assert process.returncode == 130
    assert output == ""
    assert errors == ""
    assert not os.path.lexists(link)


def test_board_serial_command_whose_ready_file_cannot_be_written_says_so(tmp_path):
    ready = tmp_path / "absent" / "ready.json"
    done = linkpost_command.run(
        *("board", "serial", "--flash", tmp_path / "board.img", "--ready-file", ready)
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"linkpost: --ready-file: cannot write {ready}: ")
    assert done.stderr.count("\n") == 1


def test_board_serial_command_keeps_its_link_from_another_board(tmp_path):
    link = tmp_path / "board"
    serial = ("board", "serial", "--link", link, "--usb", "native", "--flash")
    with linkpost_command.start(*serial, tmp_path / "one.img") as process:
        process.stdout.readline()
        place = os.readlink(link)
        second = linkpost_command.run(*serial, tmp_path / "two.img")
        assert second.returncode == 2
        assert f"{link} is in use by another virtual board: stop that one" in second.stderr
        assert os.readlink(link) == place
        process.kill()
        process.wait()
    # What a killed one has left is taken over.
    with linkpost_command.start(*serial, tmp_path / "two.img") as process:
        assert process.stdout.readline().strip() == str(link)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=WAIT_S)
        assert process.returncode == 130
    assert not [path for path in tmp_path.iterdir() if path.suffix != ".img"]


def test_board_serial_command_leaves_a_persons_own_link_alone(tmp_path):
    link, target = tmp_path / "board", tmp_path / "mine"
    link.symlink_to(target)
    for _ in range(2):
        flash = tmp_path / "board.img"
        result = linkpost_command.run("board", "serial", "--flash", flash, "--link", link)
        assert (result.returncode, os.readlink(link)) == (2, str(target))
        assert "already exists" in result.stderr
        target.mkdir(exist_ok=True)


def test_board_serial_command_with_a_file_that_is_no_flash_refuses_it(tmp_path):
    flash = tmp_path / "board.img"
    flash.write_bytes(b"\0" * 5000)
    result = linkpost_command.run("board", "serial", "--flash", flash)
    assert result.returncode == 2
    assert "is not a flash image of ESP32_GENERIC" in result.stderr
    assert flash.read_bytes() == b"\0" * 5000


def _wait_for_file(path):
    end = time.monotonic() + WAIT_S
    while not path.exists():
        assert time.monotonic() < end
        time.sleep(0.01)
    return path.read_text()
