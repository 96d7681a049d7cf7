"""What a person is told about a port with no board, or not the right one, behind it."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from tools.terminal.failures import NO_BOARD, CommandError
from tools.usb import paused_board, raw_repl, serial_link
from tools.usb.board import OnBoardError, UsbBoard

if sys.platform == "win32":
    pytest.skip("pseudo-terminals are POSIX", allow_module_level=True)

import fcntl
import select
import termios
import tty


@contextlib.contextmanager
def a_port(answer: Callable[[bytes], bytes]) -> Iterator[str]:
    """Give a pseudo-terminal with a device behind it that answers bytes with bytes."""
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    stop_reader, stop = os.pipe()

    def serve() -> None:
        while True:
            ready, _, _ = select.select([ours, stop_reader], [], [])
            if stop_reader in ready:
                return
            os.write(ours, answer(os.read(ours, 1024)))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield os.ttyname(theirs)
    finally:
        os.write(stop, b".")
        thread.join()
        for descriptor in (ours, theirs, stop_reader, stop):
            os.close(descriptor)


def refused(port: str, wait_s: float = 0.5, notes: list[str] | None = None) -> str:
    with pytest.raises(CommandError) as caught, UsbBoard(port, wait_s, (notes or []).append):
        pass
    assert caught.value.exit_code == NO_BOARD
    return str(caught.value)


def test_port_that_is_not_there_is_waited_for_and_then_named(tmp_path):
    start = time.monotonic()
    said = refused(str(tmp_path / "ttyUSB7"), wait_s=0.5)
    assert "ttyUSB7" in said
    assert "data cable" in said
    assert time.monotonic() - start >= 0.5


def test_port_that_is_no_serial_port_is_said(tmp_path):
    path = tmp_path / "file"
    path.touch()
    assert "serial port" in refused(str(path))


def test_port_in_use_is_said_to_be_so():
    with a_port(lambda data: b"") as port:
        other = os.open(port, os.O_RDWR | os.O_NOCTTY)
        try:
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
            assert "in use by another program" in refused(port)
        finally:
            os.close(other)


def test_port_without_permission_names_the_group(monkeypatch):
    def denied(*arguments, **named):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(serial_link.serial, "serial_for_url", denied)
    assert "dialout" in refused("/dev/ttyUSB0", wait_s=0.1)


def test_device_that_is_silent_does_not_answer():
    with a_port(lambda data: b"") as port:
        assert "does not answer" in refused(port)


def test_device_that_is_no_micropython_is_quoted():
    with a_port(lambda data: b"ERROR unknown command\r\n") as port:
        said = refused(port)
    assert "ERROR unknown command" in said
    assert "linkpost flash" in said


def test_device_that_talks_without_end_ends_at_the_deadline():
    with a_port(lambda data: b"AT+OK\r\n" * 500) as port:
        assert "does not answer as MicroPython does" in refused(port)


def test_chip_with_erased_flash_is_told_to_be_flashed():
    with a_port(lambda data: b"invalid header: 0xffffffff\r\n") as port:
        assert "no firmware" in refused(port)


class _DamagedRepl:
    """A raw REPL whose every answer has half a frame in it, as when a task prints into it."""

    def __init__(self, answer: bytes):
        self.answer = answer
        self.code = b""

    def __call__(self, data: bytes) -> bytes:
        said = b""
        if data.endswith(b"\x05A\x01"):
            return b"I (17) wifi: R\r\nR\x01\x00\x08"
        if b"\x01" in data:
            said = b"raw REPL; CTRL-B to exit\r\n>"
        self.code += data
        if data.endswith(b"\x04"):
            said += b"\x04I (17) \x7f\r\n" + self.answer + b"\x04\x04>"
        return said


def test_board_whose_answers_are_never_whole_is_let_go_of_and_restarted():
    board = _DamagedRepl(b"\x025:(1,W (4) wifi: x\r\n)\x03")
    start = time.monotonic()
    with (
        a_port(board) as port,
        pytest.raises(CommandError) as caught,
        paused_board.paused_board(port, 4) as usb,
    ):
        usb.identify()
    assert time.monotonic() - start < 10
    assert caught.value.exit_code == NO_BOARD
    assert "prints into its answers" in str(caught.value)
    assert board.code.rstrip(b"\x04").endswith(b"machine.reset()")


@pytest.mark.parametrize(
    ("output", "found"),
    [
        ("\x022:ab\x03\r\n", ["ab"]),
        ("I (1) wifi: x\r\n\x020:\x03\r\nfoo\r\n\x021:\u00e9\x03 bar", ["", "\u00e9"]),
        ("no answer at all", []),
    ],
)
def test_answers_are_told_from_what_others_print(output, found):
    assert raw_repl.answers(output) == found


@pytest.mark.parametrize(
    "output", ["\x022:abI (1)\x03", "\x022:a\x03", "2:ab\x03", "\x022:ab", "\x02:ab\x03"]
)
def test_answer_with_something_inside_or_missing_is_damaged(output):
    with pytest.raises(raw_repl.Damaged):
        raw_repl.answers(output)


def test_error_of_the_board_is_found_before_a_line_of_another_task():
    text = "Traceback (most recent call last):\r\nOSError: 28\r\nW (77) wifi: bcn_timeout\r\n"
    error = OnBoardError("/dev/x", text)
    assert error.errno == 28
    assert "flash on /dev/x is full" in str(error)


def test_port_that_goes_in_the_moment_it_is_opened_is_opened_again(monkeypatch):
    opens = serial_link.SerialTransport
    tries = []

    def goes_once(port, *arguments, **options):
        tries.append(port)
        if len(tries) == 1:
            raise termios.error(5, "Input/output error")  # as pyserial lets it through
        return opens(port, *arguments, **options)

    monkeypatch.setattr(serial_link, "SerialTransport", goes_once)
    with a_port(lambda data: b"") as port:
        serial_link.open_port(port, time.monotonic() + 5).close()
        assert tries == [port, port]
