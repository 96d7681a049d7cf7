"""Every device with its verdict, worked out once for all browser tabs that look."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from ..desk import Desk
from ..queries import DeviceRow
from . import verdict

_FRESH_S = 0.4  # tabs that ask within that time share one answer
_PACE_S = 5.0  # how often a device's reports come is looked at no more often than that
_PACE_MESSAGES = 12
_ORDER = {"bad": 0, "warn": 1, "well": 2, "quiet": 3}


@dataclass(frozen=True)
class Entry:
    """A device, how it is, and when its last report was accepted."""

    row: DeviceRow
    verdict: verdict.Verdict
    last_report_ms: int | None


@dataclass
class _Pace:
    accepted: int = -1
    looked_s: float = float("-inf")
    last_report_ms: int | None = None
    interval_ms: int | None = None


class Roster:
    """Used in the event loop's thread; the database is read in another."""

    def __init__(self, desk: Desk):
        self._desk = desk
        self._entries: list[Entry] = []
        self._until_s = float("-inf")
        self._paces: dict[str, _Pace] = {}
        self._reading = asyncio.Lock()

    async def entries(self) -> list[Entry]:
        """Return every device, those that need a person first."""
        async with self._reading:
            if time.monotonic() >= self._until_s:
                found = await asyncio.to_thread(self._read, None)
                self._entries = sorted(found, key=lambda entry: _ORDER[entry.verdict.mood])
                self._until_s = time.monotonic() + _FRESH_S
        return self._entries

    async def entry(self, device: str) -> Entry | None:
        """Return one device, or None where it is not registered."""
        found = await asyncio.to_thread(self._read, device)
        return found[0] if found else None

    def _read(self, device: str | None) -> list[Entry]:
        now_ms = time.time_ns() // 1_000_000
        faults = self._desk.faults()
        entries = []
        for row in self._desk.queries.devices(device):
            pace = self._pace(row)
            kinds: list[str] = [
                fault.kind for fault in faults if fault.device in (None, row.device)
            ]
            judged = verdict.judge(row, now_ms, pace.last_report_ms, pace.interval_ms, kinds)
            entries.append(Entry(row, judged, pace.last_report_ms))
        return entries

    def _pace(self, row: DeviceRow) -> _Pace:
        pace = self._paces.setdefault(row.device, _Pace())
        now_s = time.monotonic()
        if (
            row.accepted != pace.accepted
            and now_s - pace.looked_s >= _PACE_S
            or (pace.interval_ms is None and row.accepted != pace.accepted)
        ):
            page = self._desk.queries.messages(device=row.device, code=0, limit=_PACE_MESSAGES)
            times_ms = [message.time_ms for message in page.rows]
            pace = _Pace(
                row.accepted, now_s, max(times_ms, default=None), verdict.interval_ms(times_ms)
            )
            self._paces[row.device] = pace
        return pace
