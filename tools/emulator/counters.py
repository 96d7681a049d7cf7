"""Counters of accepted messages: duplicates and gaps in `seq`; and values over time.

Kept as messages come, so that no query has to read payloads. A stream is the set of the `seq` it
has shown, held as runs without a gap: one row for as long as nothing is missing. A reading that
comes again is a duplicate, whenever and in whatever batch it comes; one that comes late fills its
gap.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict

from .readings import Reading, parse_readings

# What a device that sends nonsense can make us keep. Beyond it the oldest go: a stream's lowest
# runs are taken for one, with what is missing between them still missing.
_STREAMS_MAX = 100
_SPANS_MAX = 1000
_SERIES_MAX = 64
_VALUES_MAX = 5000  # of one message


class Counters:
    """Counts a message's readings; all in the transaction that accepts the message."""

    def __init__(self, db: sqlite3.Connection):
        self._db = db

    def add(self, device_id: int, message_id: int, payload: bytes, now_ms: int) -> None:
        """Count the readings of an accepted message, and keep its numbers."""
        readings = parse_readings(payload)
        if not readings:
            return
        numbers: dict[str, list[int]] = defaultdict(list)
        for reading in readings:
            if reading.stream is not None and reading.seq is not None:
                numbers[reading.stream].append(reading.seq)
        for name, found in numbers.items():
            self._count(device_id, name, found, now_ms)
        self._keep_values(device_id, message_id, readings, now_ms)

    def _count(self, device_id: int, name: str, found: list[int], now_ms: int) -> None:
        row = self._db.execute(
            "SELECT id FROM stream WHERE device_id = ? AND name = ?", (device_id, name)
        ).fetchone()
        if row is None:
            self._forget_oldest_stream(device_id)
            row = self._db.execute(
                "INSERT INTO stream (device_id, name, first, last, received, duplicates, last_ms)"
                " VALUES (?, ?, ?, ?, 0, 0, ?) RETURNING id",
                (device_id, name, min(found), max(found), now_ms),
            ).fetchone()
        stream_id = row[0]
        fresh = sum(self._add_run(stream_id, *run) for run in _runs(found))
        self._db.execute(
            "UPDATE stream SET first = min(first, ?), last = max(last, ?),"
            " received = received + ?, duplicates = duplicates + ?, last_ms = ? WHERE id = ?",
            (min(found), max(found), fresh, len(found) - fresh, now_ms, stream_id),
        )

    def _forget_oldest_stream(self, device_id: int) -> None:
        self._db.execute(
            "DELETE FROM stream WHERE id IN (SELECT id FROM stream WHERE device_id = ?"
            " ORDER BY last_ms DESC, id DESC LIMIT -1 OFFSET ?)",
            (device_id, _STREAMS_MAX - 1),
        )

    def _add_run(self, stream_id: int, first: int, last: int) -> int:
        """Join the run with those it touches; return how many of it were not there before."""
        db = self._db
        low, high, covered, merged = first, last, 0, []
        # From the nearest run that begins at or below `first`, to the last it reaches.
        rows = db.execute(
            "SELECT first, last FROM span WHERE stream_id = ? AND first <= ? AND first >= ifnull("
            "(SELECT max(first) FROM span WHERE stream_id = ? AND first <= ?), ?)"
            " ORDER BY first",
            (stream_id, last + 1, stream_id, first, first),
        )
        for span_first, span_last in rows:
            if span_last < first - 1:
                continue
            covered += max(0, min(last, span_last) - max(first, span_first) + 1)
            low, high = min(low, span_first), max(high, span_last)
            merged.append(span_first)
        if merged == [low] and covered == last - first + 1:
            return 0
        if merged and merged[0] == low:  # the usual case: the run before grows at its end
            db.execute(
                "UPDATE span SET last = ? WHERE stream_id = ? AND first = ?",
                (high, stream_id, merged.pop(0)),
            )
        else:
            db.execute("INSERT OR REPLACE INTO span VALUES (?, ?, ?)", (stream_id, low, high))
            self._bound(stream_id)
        for span_first in merged:
            if span_first != low:
                db.execute(
                    "DELETE FROM span WHERE stream_id = ? AND first = ?", (stream_id, span_first)
                )
        return last - first + 1 - covered

    def _bound(self, stream_id: int) -> None:
        count = self._db.execute(
            "SELECT count(*) FROM span WHERE stream_id = ?", (stream_id,)
        ).fetchone()[0]
        if count <= _SPANS_MAX:
            return
        lowest = self._db.execute(
            "SELECT first, last FROM span WHERE stream_id = ? ORDER BY first LIMIT 2", (stream_id,)
        ).fetchall()
        self._db.execute(
            "DELETE FROM span WHERE stream_id = ? AND first = ?", (stream_id, lowest[1][0])
        )
        self._db.execute(
            "UPDATE span SET last = ? WHERE stream_id = ? AND first = ?",
            (lowest[1][1], stream_id, lowest[0][0]),
        )

    def _keep_values(
        self, device_id: int, message_id: int, readings: list[Reading], now_ms: int
    ) -> None:
        known: dict[str, int] = {}
        rows: list[tuple[int, int, float, int]] = []
        for reading in readings:
            time_ms = now_ms if reading.time_ms is None else reading.time_ms
            for name, value in reading.values.items():
                if name not in known:
                    known.update(self._series(device_id, name))
                if name in known and len(rows) < _VALUES_MAX:
                    rows.append((known[name], time_ms, value, message_id))
        # The first that came stays: a reading that comes again says the same.
        self._db.executemany("INSERT OR IGNORE INTO value VALUES (?, ?, ?, ?)", rows)

    def _series(self, device_id: int, name: str) -> dict[str, int]:
        row = self._db.execute(
            "SELECT id FROM series WHERE device_id = ? AND name = ?", (device_id, name)
        ).fetchone()
        if row is None:
            row = self._db.execute(
                "INSERT INTO series (device_id, name) SELECT ?, ? WHERE"
                " (SELECT count(*) FROM series WHERE device_id = ?) < ? RETURNING id",
                (device_id, name, device_id, _SERIES_MAX),
            ).fetchone()
        return {name: row[0]} if row else {}


def _runs(numbers: list[int]) -> list[tuple[int, int]]:
    """Return the runs without a gap of the numbers, each number once, in their order."""
    runs: list[tuple[int, int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return runs
