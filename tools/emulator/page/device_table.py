"""Every device with its health, worked out once for all browser tabs that show it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from ..admin import Admin
from ..queries import DeviceRow
from . import device_health

_FRESH_S = 0.4  # tabs that ask within that time share one result
_INTERVAL_S = 5.0  # a device's report interval is worked out no more often than that
_INTERVAL_MESSAGES = 12
_ORDER = {"problem": 0, "warning": 1, "ok": 2, "neutral": 3}


@dataclass(frozen=True)
class Entry:
    """A device, its health, and when its last report was accepted."""

    row: DeviceRow
    health: device_health.Health
    last_report_ms: int | None


@dataclass
class _Reports:
    accepted: int = -1
    read_s: float = float("-inf")
    last_report_ms: int | None = None
    interval_ms: int | None = None


class DeviceTable:
    """Used in the event loop's thread; the database is read in another."""

    def __init__(self, admin: Admin):
        self._admin = admin
        self._entries: list[Entry] = []
        self._until_s = float("-inf")
        self._reports: dict[str, _Reports] = {}
        self._reading = asyncio.Lock()

    async def entries(self) -> list[Entry]:
        """Return every device, those with a problem first."""
        async with self._reading:
            if time.monotonic() >= self._until_s:
                found = await asyncio.to_thread(self._read, None)
                self._entries = sorted(found, key=lambda entry: _ORDER[entry.health.status])
                self._until_s = time.monotonic() + _FRESH_S
        return self._entries

    async def entry(self, device: str) -> Entry | None:
        """Return one device, or None where it is not registered."""
        found = await asyncio.to_thread(self._read, device)
        return found[0] if found else None

    def _read(self, device: str | None) -> list[Entry]:
        now_ms = time.time_ns() // 1_000_000
        faults = self._admin.faults()
        entries = []
        for row in self._admin.queries.devices(device):
            reports = self._recent_reports(row)
            kinds: list[str] = [
                fault.kind for fault in faults if fault.device in (None, row.device)
            ]
            health = device_health.assess(
                row, now_ms, reports.last_report_ms, reports.interval_ms, kinds
            )
            entries.append(Entry(row, health, reports.last_report_ms))
        return entries

    def _recent_reports(self, row: DeviceRow) -> _Reports:
        reports = self._reports.setdefault(row.device, _Reports())
        now_s = time.monotonic()
        if (
            row.accepted != reports.accepted
            and now_s - reports.read_s >= _INTERVAL_S
            or (reports.interval_ms is None and row.accepted != reports.accepted)
        ):
            page = self._admin.queries.messages(
                device=row.device, code=0, limit=_INTERVAL_MESSAGES
            )
            times_ms = [message.time_ms for message in page.rows]
            reports = _Reports(
                row.accepted,
                now_s,
                max(times_ms, default=None),
                device_health.interval_ms(times_ms),
            )
            self._reports[row.device] = reports
        return reports
