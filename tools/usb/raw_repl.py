"""Code into MicroPython's raw REPL, on a port where foreign lines may come at any moment.

An ESP-IDF log line or a timer's print may stand before, between and inside what we wait for.

1. What the protocol says is told by bytes that no line of text has, below 0x09. All else between
   them is passed over, and does not count as progress: a board that talks without end is let go
   of in time.
2. An answer travels in a frame (STX, length, text, ETX) that `_linkpost_tell` prints on the
   board. A frame with anything inside or missing is `Damaged`: whoever asked may ask again.

Source: MicroPython's shared/runtime/pyexec.c; docs, "The REPL", raw-paste mode.
"""

from __future__ import annotations

import re
import time
from typing import Any

from mpremote.transport import TransportError

# Put before code that answers.
TELL = "def _linkpost_tell(s):print('\\x02%d:%s\\x03'%(len(s),s))\n"

_START_S = 3.0  # for the first byte of an answer to "may I paste?"
_END = b"\x04"
_PASTE = b"\x05A\x01"
_BANNER = b"raw REPL; CTRL-B to exit\r\n"
_FRAME = re.compile(r"\x02(\d+):([^\x02\x03]*)\x03")


class Damaged(TransportError):
    """An answer came, but with something else in it."""


def start(transport: Any, code: str, silent_s: float) -> None:
    """Let the board run code, and return while it runs.

    Args: transport: mpremote's, in its raw REPL; silent_s: how long it may take nothing.
    Raises: TransportError where it does not answer as the raw REPL does, in time; OSError.
    """
    serial = transport.serial
    while waiting := serial.inWaiting():
        serial.read(waiting)  # the prompt, and what others said
    serial.write(_PASTE)
    heard = b""
    deadline = time.monotonic() + _START_S
    while not heard.endswith((b"\x01", b"\x00", _BANNER)):  # "R" and 1: it does; 0: it does not
        heard += _byte(serial, deadline, "it takes no code")
    if heard.endswith(b"\x01"):
        _paste(serial, code.encode(), silent_s)
        return
    # Without raw-paste mode: there is nothing that holds us back, so not too fast.
    data = code.encode()
    for place in range(0, len(data), 256):
        serial.write(data[place : place + 256])
        time.sleep(0.01)
    serial.write(_END)
    heard = b""
    while not heard.endswith(b"OK"):
        heard += _byte(serial, deadline, "it runs no code")


def follow(transport: Any, silent_s: float) -> tuple[str, str]:
    """Return what running code printed, and its traceback, once it has ended.

    Args: silent_s: how long it may go on without a frame of an answer.
    """
    output = _until_end(transport.serial, silent_s)
    errors = _until_end(transport.serial, silent_s)
    return output.decode(errors="replace"), errors.decode(errors="replace")


def answers(output: str) -> list[str]:
    """Return the texts that `_linkpost_tell` printed. Raises: Damaged."""
    found = [(int(length), text) for length, text in _FRAME.findall(output)]
    if not output.count("\x02") == output.count("\x03") == len(found) or any(
        length != len(text) for length, text in found
    ):
        raise Damaged("something else was printed into the answer")
    return [text for _, text in found]


def _paste(serial: Any, data: bytes, silent_s: float) -> None:
    deadline = time.monotonic() + silent_s
    # Two bytes, the low one first.
    size = _byte(serial, deadline, "it tells no window")
    while len(size) < 2 or size[1] > 8:
        size = size[-1:] + _byte(serial, deadline, "it tells no window")
    window = int.from_bytes(size, "little") or 1
    room, place = window, 0
    while place < len(data):
        while room == 0 or serial.inWaiting():
            byte = _byte(serial, deadline, "it takes no more code")
            if byte == _END:  # it has no memory for it, most likely: its words follow
                serial.write(_END)
                return
            if byte == b"\x01":
                room += window
                deadline = time.monotonic() + silent_s
        piece = data[place : place + room]
        serial.write(piece)
        room -= len(piece)
        place += len(piece)
    serial.write(_END)
    while _byte(serial, deadline, "it took the code, and says nothing") != _END:
        pass


def _until_end(serial: Any, silent_s: float) -> bytes:
    data = bytearray()
    deadline = time.monotonic() + silent_s
    while True:
        byte = _byte(serial, deadline, "its answer has no end")
        if byte == _END:
            return bytes(data)
        data += byte
        if byte == b"\x03":
            deadline = time.monotonic() + silent_s


def _byte(serial: Any, deadline: float, what: str) -> bytes:
    """Return the next byte. Raises: TransportError where it is not there by then."""
    while True:
        # First the time: a board that never falls silent must not hold us.
        if time.monotonic() > deadline:
            raise TransportError(what)
        if serial.inWaiting():
            byte: bytes = serial.read(1)
            if byte:
                return byte
        time.sleep(0.002)
