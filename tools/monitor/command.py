"""`linkpost monitor`: the board's log as it comes, through resets and sleep.

Nothing is ever written to the port, so nothing on the board stops; Ctrl-C ends the monitor only.
How the port is opened matters too: on ESP32 boards its control lines are reset and boot mode.
`serial_link.open_port` opens it as mpremote does, with both lines alike, which starts nothing.
"""

from __future__ import annotations

import contextlib
import math
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import click
from rich.console import Console

from ..terminal import failures
from ..usb import options
from ..usb.serial_link import open_port, usb_id
from ..usb.serial_ports import find_port
from .view import Heard, Listener, as_json, as_text

# A prompt has no end of line: what came before such a silence is shown as it is.
_SILENCE_S = 0.5
_LINE_MAX = 4096
# A board at its REPL says nothing, and one that takes a reading a minute looks the same at first.
_QUIET_S = 20.0


@click.command()
@options.port
@click.option("--json", "as_objects", is_flag=True, help="One JSON object per line.")
@options.wait(
    20.0,
    "Seconds to wait for the port at first. When it disappears later, because the board "
    "resets or sleeps, monitor waits until Ctrl-C.",
)
def monitor(port: str | None, as_objects: bool, wait_s: float) -> int:
    """Show a board's log with the time of day, until Ctrl-C.

    Neither stops nor resets the board.

    \b
    Example: linkpost monitor --port /dev/ttyUSB0
    """
    console = Console(highlight=False)
    for heard in listen(port or find_port(), wait_s):
        if as_objects:
            print(as_json(heard), flush=True)
        else:
            _show(console, heard)
    return failures.DONE  # never: only Ctrl-C ends it, with exit code 130


def _show(console: Console, heard: Heard) -> None:
    if console.is_terminal:
        console.print(as_text(heard, console.width), soft_wrap=True)
    else:
        print(as_text(heard).plain, flush=True)


def listen(port: str, wait_s: float, listener: Listener | None = None) -> Iterator[Heard]:
    """Yield what comes from the board, and what happens to its port, for ever.

    Raises: CommandError with exit code 7 where the port cannot be opened at first.
    """
    listener = listener or Listener()
    transport = open_port(port, time.monotonic() + wait_s, _note)
    _note(f"listening on {port}; Ctrl-C ends this, the board keeps running")
    is_heard = False
    while True:
        port = transport.device_name  # it may have come back under another name
        known_id = usb_id(port)
        try:
            for text in _lines(transport.serial, None if is_heard else partial(_quiet, port)):
                is_heard = True
                yield listener.take(text)
        finally:
            with contextlib.suppress(OSError):  # it is gone
                transport.close()
        yield listener.event(f"{port} disappeared: the board resets or sleeps. Waiting")
        transport = open_port(port, math.inf, known_id=known_id)
        yield listener.event(f"{transport.device_name} is back")


def _quiet(port: str) -> None:
    _note(
        f"nothing was heard for {_QUIET_S:g} s. A long interval? Or its app does not run: "
        f"linkpost status --port {port} tells, and restarts it"
    )


def _lines(port: Any, when_quiet: Callable[[], None] | None = None) -> Iterator[str]:
    """Yield lines until the port goes; call `when_quiet` once, where none comes at first."""
    port.timeout = _SILENCE_S
    quiet_at = time.monotonic() + _QUIET_S
    rest = b""
    while True:
        try:
            data = port.read(1)
            waiting = port.in_waiting if data else 0
            data += port.read(waiting) if waiting else b""
        except OSError:
            data = None
        if data:
            when_quiet = None
        elif when_quiet and time.monotonic() > quiet_at:
            when_quiet()
            when_quiet = None
        *lines, rest = (rest + (data or b"")).split(b"\n")
        if not data or len(rest) > _LINE_MAX:
            lines, rest = [*lines, *[rest] * bool(rest.strip())], b""
        for line in lines:
            yield _printable(line)
        if data is None:
            return


def _printable(line: bytes) -> str:
    """Return a line as text that cannot steer a terminal: noise and escapes are shown as such."""
    text = line.decode(errors="replace").rstrip("\r")
    return "".join(
        c if c.isprintable() or c == "\t" else "\N{REPLACEMENT CHARACTER}" for c in text
    )


def _note(line: str) -> None:
    print(f"linkpost: {line}", file=sys.stderr, flush=True)
