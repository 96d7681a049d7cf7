"""Deletes the oldest messages, beyond a number or an age.

In small steps between which the platform answers, so a device never waits for it. Counters of
devices and streams are sums of their own, and stay as they are.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from .queries import Queries
from .store import Store

KEEP_MESSAGES = 200_000  # about 200 MB of small ones, with what went over the wire
_STEP = 50  # a payload may have 128 KB
_VALUES_STEP = 1000
_STEP_PAUSE_S = 0.005
_DAY_MS = 24 * 3600 * 1000


@dataclass(frozen=True)
class Keep:
    """What is kept; None: without that limit."""

    messages: int | None = KEEP_MESSAGES  # and as many authentications
    days: float | None = None


class Retention:
    """Deletes in the background; calls `changed` then."""

    def __init__(
        self,
        store: Store,
        queries: Queries,
        keep: Keep,
        changed: Callable[[], None] = lambda: None,
    ):
        self._store = store
        self._queries = queries
        self._keep = keep
        self._changed = changed

    async def run(self, every_s: float = 5.0) -> None:
        """Delete at that interval, until cancelled."""
        while True:
            await self.tidy(time.time_ns() // 1_000_000)
            await asyncio.sleep(every_s)

    async def tidy(self, now_ms: int) -> int:
        """Delete all that is beyond the limits; return how many messages that were."""
        cutoffs = await asyncio.to_thread(self._find_cutoffs, now_ms)
        forgotten = 0
        for table, cutoff in cutoffs.items():
            while removed := self._step(table, cutoff):
                forgotten += removed if table == "message" else 0
                await asyncio.sleep(_STEP_PAUSE_S)
        for series_id in await asyncio.to_thread(self._series):
            while self._forget_values(series_id, cutoffs["message"]):
                await asyncio.sleep(_STEP_PAUSE_S)
        if forgotten:
            self._changed()
        return forgotten

    def _find_cutoffs(self, now_ms: int) -> dict[str, int]:
        """Return the lowest id to keep of each table. Reads a whole index: not for the loop."""
        aged = 0
        if self._keep.days is not None:
            # Ids have the time in their upper bits.
            aged = max(0, int(now_ms - self._keep.days * _DAY_MS)) << 20
        cutoffs = {}
        for table in ("message", "authentication"):
            surplus = None
            if self._keep.messages is not None:
                surplus = self._queries.db.execute(
                    f"SELECT id FROM {table} ORDER BY id DESC LIMIT 1 OFFSET ?",  # noqa: S608
                    (self._keep.messages,),
                ).fetchone()
            cutoffs[table] = max(aged, surplus[0] + 1 if surplus else 0)
        return cutoffs

    def _step(self, table: str, cutoff: int) -> int:
        db = self._store.db
        with self._store.transaction():
            gone = db.execute(
                f"DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE id < ?"  # noqa: S608
                " ORDER BY id LIMIT ?) RETURNING id",
                (cutoff, _STEP),
            ).fetchall()
            db.executemany("DELETE FROM wire WHERE id = ?", gone)
        return len(gone)

    def _series(self) -> list[int]:
        return [series_id for (series_id,) in self._queries.db.execute("SELECT id FROM series")]

    def _forget_values(self, series_id: int, cutoff: int) -> int:
        """Forget numbers of forgotten messages, unless their reading is newer than that."""
        with self._store.transaction():
            return self._store.db.execute(
                "DELETE FROM value WHERE series_id = ? AND time_ms IN (SELECT time_ms FROM value"
                " WHERE series_id = ? AND time_ms <= ? AND message_id < ?"
                " ORDER BY time_ms LIMIT ?)",
                (series_id, series_id, cutoff >> 20, cutoff, _VALUES_STEP),
            ).rowcount
