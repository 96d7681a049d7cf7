"""MicroPython's REPL on a USB port that may vanish at any moment.

The protocol is mpremote's (`SerialTransport`, the raw REPL). What is ours is around it: errors say
what to do and end with exit code 7, nothing waits for ever, and a board that resets or wakes from
deep sleep, which with native USB takes its port along, is waited for and stopped again.
"""

from __future__ import annotations

import ast
import contextlib
import re
import time
from collections.abc import Iterator
from typing import Any, Self

from mpremote.transport import TransportError
from mpremote.transport_serial import SerialTransport

from ..terminal.failures import NO_BOARD, CommandError
from . import raw_repl
from .serial_link import BoardLost, Note, interrupt, open_port, usb_id

# How long a board may take from a reset until it answers: flash scan, Wi-Fi firmware, USB.
RESET_S = 20.0
_ANSWER_S = 10.0
_ASK_AGAIN_S = 3.0
_NO_SPACE = 28
# The last line of a traceback.
_RAISED = re.compile(r"\w*(Error|Exception|Interrupt|Exit)\b")
_TALKS = "prints into its answers without end: close what runs on it, or repeat"
# Before a reset, so that the command for it is acknowledged.
_RESET_DELAY_MS = 50


class OnBoardError(CommandError):
    """Code on the board raised; `errno` where that was an OSError."""

    def __init__(self, port: str, output: str):
        lines = output.strip().splitlines() or ["no message"]
        # Another task may have printed a line after it.
        said = next((line for line in reversed(lines) if _RAISED.match(line)), lines[-1])
        found = re.match(r"OSError: \(?(?:\[Errno )?(\d+)", said)
        self.errno = int(found[1]) if found else None
        self.output = output
        if self.errno == _NO_SPACE:
            super().__init__(f"the board's flash on {port} is full", NO_BOARD)
        else:
            super().__init__(f"the board on {port} said: {said}", NO_BOARD)


class UsbRepl:
    """A board whose program is stopped and which takes our code; use it in a `with` block.

    What runs on it is interrupted by Ctrl-C when the block is entered. At its end the board is
    left at its REPL, unless `restart` was the last word.

    Args:
        port: the serial port's name, or a URL of pyserial.
        wait_s: how long to wait for a port that is not there, and for an answer.
        note: is called with lines for the user ("waiting for ...").
    Raises: CommandError with exit code 7, at any call; its subclass BoardLost where the
        connection broke, after which `reconnect` may help.
    """

    def __init__(self, port: str, wait_s: float = 20.0, note: Note | None = None):
        self.port = port
        self._wait_s = wait_s
        self._note = note or (lambda line: None)
        self._transport: SerialTransport | None = None
        self._usb_id: str | None = None
        self._patient_until = 0.0

    def __enter__(self) -> Self:
        self._patient_until = time.monotonic() + self._wait_s
        try:
            self._connect(time.monotonic() + self._wait_s, self._note)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the board at its friendly REPL and let go of the port; never raises."""
        transport, self._transport = self._transport, None
        if transport is None:
            return
        try:
            if transport.in_raw_repl:
                transport.exit_raw_repl()
        except (OSError, TransportError):
            pass  # it is gone
        _close(transport)

    def run(self, code: str, silent_s: float = _ANSWER_S) -> str:
        """Run code on the board; return what was printed meanwhile, by whomever.

        Args: silent_s: how long it may go on without an answer.
        Raises: OnBoardError where the code raised.
        """
        transport = self.linked()
        try:
            raw_repl.start(transport, code, silent_s)
            output, errors = raw_repl.follow(transport, silent_s)
        except (TransportError, OSError) as error:
            self._lose()
            raise BoardLost(self.port) from error
        if errors:
            raise OnBoardError(self.port, errors)
        return output

    def ask(self, code: str, silent_s: float = _ANSWER_S) -> list[str]:
        """Run code that answers by `_linkpost_tell(text)`, and changes nothing; return the texts.

        What something else was printed into is asked for again, until `wait_s` from the start are
        over, and at least for a moment.

        Raises: as `run`.
        """
        deadline = max(self._patient_until, time.monotonic() + _ASK_AGAIN_S)
        while True:
            try:
                return raw_repl.answers(self.run(raw_repl.TELL + code, silent_s))
            except raw_repl.Damaged as error:
                if time.monotonic() > deadline:
                    raise BoardLost(self.port, _TALKS) from error
            except BoardLost as error:
                if isinstance(error.__cause__, OSError) or time.monotonic() > deadline:
                    raise  # the port is gone
                self.reconnect(deadline)

    def ask_value(self, code: str) -> Any:
        """Return the one literal that code tells. Raises: as `ask`; BoardLost where it is none."""
        try:
            return ast.literal_eval("".join(self.ask(code)))
        except (ValueError, SyntaxError) as error:
            self._lose()  # bytes were lost on the way
            raise BoardLost(self.port) from error

    def value(self, expression: str) -> Any:
        """Return what an expression is on the board: a literal."""
        return self.ask_value(f"_linkpost_tell(repr({expression}))")

    # -- boots ------------------------------------------------------------------------------------

    def reset(self) -> None:
        """Reset the board as its button does, and stop it again when it is back."""
        self.run("_linkpost_before=1")
        self._start_reset()
        deadline = time.monotonic() + RESET_S
        while True:
            # Our next Ctrl-C would come before the reset, and stop it.
            time.sleep(3 * _RESET_DELAY_MS / 1000)
            try:
                self._connect(deadline)
                if not self.value("'_linkpost_before' in globals()"):
                    return
                # By native USB the old port answers a moment longer, or a Ctrl-C came too early.
                self._start_reset()
            except BoardLost:
                if time.monotonic() > deadline:
                    raise

    def leave_running(self) -> None:
        """Reset the board into its program, and let go of it."""
        self._start_reset()
        self._lose()

    def reconnect(self, deadline: float | None = None) -> None:
        """Take up the connection again after a BoardLost; stop the board where it runs."""
        self._connect(deadline or time.monotonic() + self._wait_s, self._note)

    def restart(self, listen_s: float) -> Iterator[str | None]:
        """Reset the board and let it run; yield the lines it prints, for that long.

        Yields None where there is nothing new for a moment, so that the caller can stop. By
        native USB the first lines may be lost: the port is not there yet when they are printed.
        """
        deadline = time.monotonic() + listen_s
        self._start_reset()
        rest = b""
        while time.monotonic() < deadline:
            try:
                if self._transport is None:
                    self._transport = self._open(time.monotonic())
                serial = self._transport.serial
                waiting = serial.inWaiting()
                rest += serial.read(waiting) if waiting else b""
            except (OSError, CommandError):  # not there: it resets, or it sleeps
                self._lose()
                waiting = 0
            *lines, rest = rest.split(b"\n")
            for line in lines:
                yield line.decode(errors="replace").rstrip("\r")
            if not waiting:
                yield None
                time.sleep(0.02)

    # -- inside -----------------------------------------------------------------------------------

    def linked(self) -> SerialTransport:
        """Return mpremote's transport. Raises: BoardLost where there is no connection."""
        if self._transport is None:
            raise BoardLost(self.port)
        return self._transport

    def _connect(self, deadline: float, note: Note = lambda line: None) -> None:
        """Stop the board, over the open port where that is still good."""
        while True:
            if self._transport is None:
                self._transport = self._open(deadline, note)
            try:
                interrupt(self._transport, self.port, deadline, note)
                return
            except OSError as error:  # gone: it sleeps, or it resets
                self._lose()
                if time.monotonic() > deadline:
                    raise BoardLost(self.port) from error
            except BaseException:
                self._lose()
                raise

    def _open(self, deadline: float, note: Note = lambda line: None) -> SerialTransport:
        transport = open_port(self.port, deadline, note, self._usb_id)
        self.port = transport.device_name  # it may have come back under another name
        self._usb_id = usb_id(self.port)
        return transport

    def _lose(self) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            _close(transport)

    def _start_reset(self) -> None:
        transport = self.linked()
        try:
            raw_repl.start(
                transport,
                f"import time,machine\ntime.sleep_ms({_RESET_DELAY_MS})\nmachine.reset()",
                _ANSWER_S,
            )
            transport.in_raw_repl = False
        except (TransportError, OSError) as error:
            self._lose()
            raise BoardLost(self.port) from error


def _close(transport: SerialTransport) -> None:
    with contextlib.suppress(OSError):  # it is gone
        transport.close()
