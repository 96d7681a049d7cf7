"""A serial port opened with clear errors, and Ctrl-C pressed until MicroPython answers."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import time
from collections.abc import Callable

import serial
from mpremote import transport_serial
from mpremote.transport import TransportError
from mpremote.transport_serial import SerialTransport
from serial.tools import list_ports

from ..terminal.failures import NO_BOARD, CommandError

# What a port that cannot be opened may raise.
_PORT_ERRORS: tuple[type[Exception], ...] = (OSError, ValueError)
with contextlib.suppress(ImportError):  # Windows
    import termios

    # pyserial lets it through where a port goes in the moment it is opened; it is no OSError.
    _PORT_ERRORS += (termios.error,)

BAUD = 115200
# A read or write that the other side does not take up for that long has failed.
_STUCK_S = 10.0
_POLL_S = 0.05
# What Linux needs after a port has appeared until its permissions are set.
_SETTLE_S = 1.5
_BANNER = b"raw REPL; CTRL-B to exit\r\n"
_HINT_AFTER_S = 3.0

Note = Callable[[str], None]

# It prints bytes that it did not expect; our standard output is for results, and we try again.
transport_serial.print = lambda *details: None


class BoardLost(CommandError):
    """The connection to a board broke: unplugged, reset, asleep."""

    def __init__(self, port: str, why: str = "was disconnected: check cable and power, and retry"):
        super().__init__(f"the board on {port} {why}", NO_BOARD)


def open_port(
    port: str, deadline: float, note: Note = lambda line: None, known_id: str | None = None
) -> SerialTransport:
    """Return the open port; wait for one that is not there until `deadline` (monotonic s).

    Args: known_id: of a board that was on that port; it may be back under another name.
    Raises: CommandError with exit code 7 that says why it cannot be opened.
    """
    settled_at = time.monotonic() + _SETTLE_S
    told = False
    while True:
        try:
            transport = SerialTransport(port, BAUD, timeout=_STUCK_S)
            transport.serial.write_timeout = _STUCK_S
            # A read that blocks would make all short timeouts long; FIONREAD does for ptys too.
            transport.is_pty = False
            return transport
        except (TransportError, *_PORT_ERRORS):
            pass
        failure, is_missing = why_not(port)
        now = time.monotonic()
        if failure is not None and now > (deadline if is_missing else min(deadline, settled_at)):
            raise failure
        if is_missing:
            settled_at = now + _SETTLE_S
            port = _port_of(known_id) or port
            if not told and deadline > now + 1:
                told = True
                note(
                    f"waiting for {port}: it is not there. Asleep? It comes back when the board "
                    "wakes, or at its RESET button"
                )
        time.sleep(_POLL_S)


def usb_id(port: str) -> str | None:
    """Return what tells the device behind a port from all others; None where it has no such."""
    name = os.path.realpath(port)
    for found in list_ports.comports():
        if found.device in (port, name) and found.serial_number:
            return f"{found.vid}:{found.pid}:{found.serial_number}:{found.interface}"
    return None


def _port_of(known_id: str | None) -> str | None:
    if known_id is None:
        return None
    ports = [found.device for found in list_ports.comports() if usb_id(found.device) == known_id]
    return ports[0] if len(ports) == 1 else None


def interrupt(
    transport: SerialTransport, port: str, deadline: float, note: Note = lambda line: None
) -> None:
    """Stop what runs on the board, and bring it into its raw REPL.

    Raises: CommandError with exit code 7 where nothing answers until `deadline`; OSError where
        the port went away.
    """
    heard = b""
    hint_at = time.monotonic() + _HINT_AFTER_S
    # A round more than time allows: after a reset the deadline may be near.
    while True:
        # One Ctrl-C at a time: the firmware, stopped by the first, sees to its watchdog then.
        transport.serial.write(b"\r\x03")
        heard += _drain(transport, quiet_s=0.1, longest_s=0.5)
        transport.serial.write(b"\r\x01")
        heard += transport.read_until(1, _BANNER, timeout=0.5, timeout_overall=1.0)
        if heard.endswith(_BANNER):
            break
        heard = heard[-2000:]
        now = time.monotonic()
        if now > deadline:
            raise _no_answer(port, heard)
        if hint_at is not None and now > hint_at:
            hint_at = deadline + 1
            note(f"no answer on {port} yet. Asleep? Press the board's RESET button, or wait")
    # Earlier rounds may be answered only now; after this there is exactly one prompt.
    _drain(transport, quiet_s=0.1, longest_s=2.0)
    transport.serial.write(b"\r\x01")
    if not transport.read_until(1, _BANNER, timeout=2.0, timeout_overall=4.0).endswith(_BANNER):
        raise OSError(errno.EIO, "the raw REPL went away")
    transport.in_raw_repl = True


def _drain(transport: SerialTransport, quiet_s: float, longest_s: float) -> bytes:
    data = b""
    end = time.monotonic() + longest_s
    quiet_at = time.monotonic() + quiet_s
    while time.monotonic() < min(end, quiet_at):
        waiting = transport.serial.inWaiting()
        if waiting:
            data += transport.serial.read(waiting)
            quiet_at = time.monotonic() + quiet_s
        else:
            time.sleep(0.01)
    return data


def why_not(port: str) -> tuple[CommandError | None, bool]:
    """Open the port plainly; return why that fails, and whether it may just not be there yet.

    None: it can be opened. The one place that has words for what a port may raise.
    """
    try:
        with contextlib.closing(serial.serial_for_url(port, BAUD, exclusive=True)):
            return None, False
    except _PORT_ERRORS as error:
        number = getattr(error, "errno", next(iter(error.args), None))
        text = str(error)
    if number == errno.ENOENT or (sys.platform == "win32" and "FileNotFound" in text):
        return CommandError(
            f"No board on {port}. Use a data cable; hold BOOT while plugging in. "
            "To list the ports: linkpost boards",
            NO_BOARD,
        ), True
    if number in (errno.EAGAIN, errno.EBUSY) or (
        sys.platform == "win32" and "PermissionError" in text
    ):
        return CommandError(
            f"{port} is in use by another program (monitor, Thonny?). Close it and repeat.",
            NO_BOARD,
        ), False
    if number in (errno.EACCES, errno.EPERM):
        group = " Linux: add yourself to the group dialout, log in again." * (os.name == "posix")
        return CommandError(f"No permission for {port}.{group}", NO_BOARD), False
    # EIO, ENXIO, ENODEV: the device behind the name is going or coming.
    is_missing = number in (errno.EIO, errno.ENXIO, errno.ENODEV)
    return CommandError(f"{port} cannot be opened as a serial port: {text}", NO_BOARD), is_missing


def _no_answer(port: str, heard: bytes) -> CommandError:
    if b"invalid header" in heard or b"flash read err" in heard:
        return CommandError(
            f"The board on {port} has no firmware on it. Run: linkpost flash", NO_BOARD
        )
    text = heard.decode(errors="replace").strip().splitlines()
    if text:
        said = "".join(c for c in text[-1] if c.isprintable())[-60:]
        return CommandError(
            f"The board on {port} does not answer as MicroPython does; it said: {said!r}. "
            "Put MicroPython on it with: linkpost flash",
            NO_BOARD,
        )
    return CommandError(
        f"The board on {port} does not answer. Press its RESET button and repeat; without "
        "MicroPython on it, run: linkpost flash",
        NO_BOARD,
    )
