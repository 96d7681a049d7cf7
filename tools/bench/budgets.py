"""What each figure may be: the numbers of the design, and what was reached.

`goal` is the design's number. `limit` is what `make bench-check` fails on: the goal where it is
reached, else a little above what was measured, so that it can only get better; `why` says then
what stands in the way. What a report may take beyond what is at rest is in the chip's table
(`chip/budgets.py`): its peak, in the chip's own heap. Times have a goal and no limit: they are
reported, not tested.
"""

from __future__ import annotations

from dataclasses import dataclass

_CODE = "the modules themselves, as `make bench` prints them"


@dataclass(frozen=True)
class Budget:
    """One row of the table."""

    what: str
    unit: str
    goal: float | None = None
    limit: float | None = None  # None: not deterministic, never fails
    why: str = ""


BUDGETS = {
    "heap.growth": Budget("heap grown over 1,000 reports, 32-bit", "B", 1024, 1024),
    "heap.stream": Budget(
        "heap to send 128 KB, beyond a small one, 32-bit",
        "B",
        6144,
        6144,
    ),
    "heap.client": Budget("heap kept: Client built, 32-bit", "B", 20_480, 34_000, _CODE),
    "heap.app": Budget("heap kept: App running, 32-bit", "B", 57_344, 60_000, _CODE),
    "heap.append": Budget("heap allocated by one append, 32-bit", "B", 1638, 1638),
    "heap.left": Budget("heap left behind by hostile replies, 32-bit", "B", 256, 256),
    "size.loaded": Budget(
        ".mpy loaded for json and onchip, once the App runs", "B", 24_576, 29_000, _CODE
    ),
    "size.mpy": Budget(".mpy on the board, with what is loaded for a moment", "B", None, 78_000),
    "wire.records": Budget("TLS records of a small report", "", 1, 1),
    "wire.overhead": Budget("bytes sent above the payload, kept connection", "B", 400, 400),
    "drain.kept": Budget("handshakes to drain 100 readings, connection kept", "", 1, 1),
    "drain.closed": Budget("handshakes to drain 100, closed each time, 4 KB batches", "", 4, 4),
    "trips.fresh": Budget("round trips of a report, fresh connection", "", 4),
    "trips.kept": Budget("round trips of a report, kept connection", "", 1),
    "time.fresh": Budget("time of a report, fresh and verified, of theirs", "x", 0.6),
    "time.kept": Budget("time of a report, kept connection, of theirs", "x", 0.05),
    "longest.drip": Budget("longest C call while a peer drips its reply", "ms", 20),
    "longest.aio": Budget(
        "longest block of the loop by linkpost.aio, but the handshake", "ms", 20
    ),
    "flash.erases": Budget("erases a reading, accepted at once", "", 0.10, 0.10),
    "flash.bytes": Budget("bytes programmed a reading, accepted at once", "B", 410, 410),
    "flash.outage_erases": Budget("erases a reading in an outage", "", 0.20, 0.20),
    "flash.outage_bytes": Budget("bytes programmed a reading in an outage", "B", 666, 666),
    "flash.open": Budget("block reads to open with 8,000 waiting", "", 10_000, 10_000),
    "flash.append_flat": Budget("reads of an append, 8,000 waiting against 1", "x", 1.5, 1.5),
    "flash.ack_flat": Budget("programs of oldest and acknowledge, 8,000 against 1", "x", 1.5, 1.5),
}
