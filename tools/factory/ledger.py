"""The factory's ledger: which board got which device of the list. It outlives a crash.

One JSON object per line, appended and on the disk before anything follows from it:

    {"time": "2026-09-01T08:15:04Z", "state": "claimed", "mac": "24:0a:..", "device": "PK/DN"}

claimed    the row belongs to that board from now on; its flash may have anything on it
written    what the flash has was verified
done       it has reported, or started
failed     `why`; the row stays with the board, which is begun again when it is plugged in
released   the row is free again, and the board unknown

Rules: 1. A row has one board and a board one row, until it is released. 2. What is written to a
board was claimed before. 3. A line cut short at the end of the file, which only a crash leaves,
has no consequences yet: it is dropped. Anywhere else a line that cannot be read stops the factory.
"""

from __future__ import annotations

import datetime
import json
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from ..client.devices_csv import Triple
from ..files import locked_file
from ..terminal.counting import count
from ..terminal.failures import CommandError

CLAIMED = "claimed"
WRITTEN = "written"
DONE = "done"
FAILED = "failed"
RELEASED = "released"
_STATES = (CLAIMED, WRITTEN, DONE, FAILED, RELEASED)


class LedgerError(CommandError):
    """The ledger cannot be read or written: nothing may be done to any board."""


class Refused(CommandError):
    """This board gets no row; nothing was written to it."""


@dataclass
class Entry:
    """A board and its row; `time` of the last line about them."""

    mac: str
    device: str
    state: str
    time: str


class Ledger:
    """An open ledger; use it in a `with` block, from any thread.

    Raises: LedgerError where it is damaged, cannot be written, or another factory has it open.
    """

    def __init__(self, path: Path):
        self.path = path
        self.dropped = ""  # what a crash had left of a line
        self._lock = threading.Lock()
        self._by_mac: dict[str, Entry] = {}
        self._at_work: set[str] = set()
        try:
            self._file = locked_file.open_locked(path, "a+b")
        except locked_file.InUse as error:
            raise LedgerError(
                f"{path} is in use by another linkpost factory: end that one"
            ) from error
        except OSError as error:
            raise LedgerError(f"--ledger: cannot open {path}: {error.strerror}") from error
        try:
            self._read()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    # -- what is known ----------------------------------------------------------------------------

    def entries(self) -> list[Entry]:
        """Return each board that has a row, in the order in which they came."""
        with self._lock:
            return list(self._by_mac.values())

    def is_done(self, devices: Iterable[Triple]) -> bool:
        """Tell whether every device of a list is on a board, and that board done."""
        done = {entry.device for entry in self.entries() if entry.state == DONE}
        return all(triple.key in done for triple in devices)

    # -- what happens -----------------------------------------------------------------------------

    def claim(self, mac: str, devices: list[Triple]) -> Triple:
        """Return the board's device: the one it has begun with, or the next that is free.

        Until `leave` no other port can claim for this board.
        Raises: Refused for a board that is done, and where no row is left.
        """
        with self._lock:
            if mac in self._at_work:
                raise Refused(f"the board {mac} is on another port too; nothing was written")
            entry = self._by_mac.get(mac)
            if entry is None:
                triple = self._next(mac, devices)
            elif entry.state == DONE:
                raise Refused(
                    f"the board {mac} is known: it is {entry.device} since {entry.time}. Nothing "
                    f"was written. To use it anew: --release {entry.device}"
                )
            else:
                triple = _find(devices, entry)
            self._append(CLAIMED, mac, triple.key, {})
            self._at_work.add(mac)
            return triple

    def note(self, mac: str, state: str, **details: Any) -> None:
        """Write down what has happened to a board. `details` hold no secret."""
        with self._lock:
            self._append(state, mac, self._by_mac[mac].device, details)

    def leave(self, mac: str) -> None:
        """Let the board be claimed again: this port is done with it."""
        with self._lock:
            self._at_work.discard(mac)

    def release(self, device: str) -> Entry:
        """Free a row whose board is broken, or is to be used anew. Raises: CommandError."""
        with self._lock:
            found = [one for one in self._by_mac.values() if one.device == device]
            if not found:
                raise CommandError(f"--release: no board in {self.path} is {device}")
            self._append(RELEASED, found[0].mac, device, {})
            return found[0]

    # -- inside -----------------------------------------------------------------------------------

    def _next(self, mac: str, devices: list[Triple]) -> Triple:
        taken = {entry.device for entry in self._by_mac.values()}
        for triple in devices:
            if triple.key not in taken:
                return triple
        keys = {triple.key for triple in devices}
        begun = [e for e in self._by_mac.values() if e.state != DONE and e.device in keys]
        raise Refused(
            f"no row is left for the board {mac}; nothing was written."
            + (f" {count(len(begun), 'board')} not finished: connect those" if begun else "")
        )

    def _append(self, state: str, mac: str, device: str, details: dict[str, Any]) -> None:
        now = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%dT%H:%M:%SZ}"
        record = {"time": now, "state": state, "mac": mac, "device": device, **details}
        line = json.dumps(record, ensure_ascii=False).encode() + b"\n"
        try:
            locked_file.append(self._file, line)
        except OSError as error:
            raise LedgerError(f"cannot write {self.path}: {error.strerror}") from error
        self._take(record)

    def _read(self) -> None:
        self._file.seek(0)
        content = self._file.read()
        whole, _, rest = content.rpartition(b"\n")
        if rest:
            self.dropped = rest.decode(errors="replace")
            locked_file.cut_to(self._file, len(content) - len(rest))
        for number, line in enumerate(whole.splitlines(), 1):
            try:
                self._take(_parse(line))
            except (ValueError, KeyError, TypeError) as error:
                raise LedgerError(
                    f"{self.path}: line {number} cannot be read ({error}). Boards and rows may be "
                    "used twice without it: take a copy of the file, and fix that line"
                ) from error

    def _take(self, record: dict[str, Any]) -> None:
        mac, device, state = record["mac"], record["device"], record["state"]
        entry = self._by_mac.get(mac)
        if state == RELEASED:
            self._by_mac.pop(mac, None)
        elif entry is not None:
            if entry.device != device:
                raise ValueError(f"{mac} is {entry.device} already")
            entry.state, entry.time = state, record["time"]
        elif any(one.device == device for one in self._by_mac.values()):
            raise ValueError(f"{device} is on another board already")
        else:
            self._by_mac[mac] = Entry(mac, device, state, record["time"])


def _find(devices: list[Triple], entry: Entry) -> Triple:
    for triple in devices:
        if triple.key == entry.device:
            return triple
    raise Refused(
        f"the board {entry.mac} has begun as {entry.device}, which this device list does not have."
        f" Nothing was written. Give its list, or --release {entry.device}"
    )


def _parse(line: bytes) -> dict[str, Any]:
    record = json.loads(line)
    for key in ("time", "state", "mac", "device"):
        if not isinstance(record[key], str):
            raise TypeError(f"{key} is no text")
    if record["state"] not in _STATES:
        raise ValueError(f"no such state: {record['state']}")
    return record
