"""A board's first boot, followed on its port until it has reported, or runs."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

from mpremote.transport_serial import SerialTransport

from ..deploy.boot import FirstLines
from ..monitor.log_line import parse_log_line
from ..terminal.failures import TIMEOUT, CommandError
from ..usb.serial_link import open_port

_HINT_AFTER_S = 15.0
_POLL_S = 0.02
_LINE_MAX = 4096


class Stopped(Exception):
    """The person, or the last board, has ended the factory."""


def watch_boot(
    port: str,
    wants_report: bool,
    wait_s: float,
    note: Callable[[str], None],
    is_stopped: Callable[[], bool],
) -> str:
    """Return the log line of the first accepted report, or the first one of a boot.

    The port may go and come back: by native USB it does so at a reset.

    Args: wants_report: False: the app runs, which its first log line shows.
    Raises: CommandError with the app's own reason where it cannot run, or, exit code 6, with the
        last it said where nothing was accepted in time; Stopped.
    """
    started = time.monotonic()
    first = FirstLines()
    trouble = last = ""
    hinted = False
    with _Lines(port) as lines:
        while time.monotonic() < started + wait_s:
            if is_stopped():
                raise Stopped
            for line in lines.read():
                first.take(line)
                if first.failure:
                    raise CommandError(first.failure, first.exit_code)
                found = parse_log_line(line)
                if found is None:
                    continue
                last = line
                if found.level in "WE":
                    trouble = line
                is_report = found.area == "send" and found.phrase == "accepted"
                if is_report or (not wants_report and first.runs):
                    return line
            if not hinted and not last and time.monotonic() > started + _HINT_AFTER_S:
                hinted = True
                note("nothing heard from it yet: press its RESET button")
    what = "no report was accepted" if wants_report else "the app did not start"
    said = trouble or last
    raise CommandError(
        f"{what} within {wait_s:.0f} s; "
        + (f"last output: {said[:200]}" if said else "no output: press RESET, check the cable"),
        TIMEOUT,
    )


class _Lines(contextlib.AbstractContextManager["_Lines"]):
    """Whole lines from a port that may vanish."""

    def __init__(self, port: str):
        self._port = port
        self._transport: SerialTransport | None = None
        self._rest = b""

    def __exit__(self, *details: object) -> None:
        self._close()

    def read(self) -> list[str]:
        """Return what has come; waits a moment where there is nothing."""
        try:
            if self._transport is None:
                self._transport = open_port(self._port, time.monotonic())
                self._rest = b""
            serial = self._transport.serial
            waiting = serial.inWaiting()
            data = serial.read(waiting) if waiting else b""
        except (OSError, CommandError):  # it resets, or it sleeps
            self._close()
            data = b""
        if not data:
            time.sleep(_POLL_S)
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[-_LINE_MAX:]
        return [line.decode(errors="replace").rstrip("\r") for line in lines]

    def _close(self) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            with contextlib.suppress(OSError):  # it is gone
                transport.close()
