"""Promises against what arrived: the sums of one board."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from .journal import Journal, Key

# Of a boot's readings these are taken while modules still load and the first connection is made.
_SETTLING_READINGS = 5
_HEAP_READINGS_MIN = 15
# A board's free heap goes up and down with each collection; more than this between the highest
# at the start and the highest at the end is a leak.
_HEAP_LOSS_MAX_BYTES = 16 * 1024


@dataclass
class Arrivals:
    """What the platform accepted from one device.

    Args: stream, the one to assume where a reading does not name its own (format alink).
    Attributes: values, of each reading, without its time; duplicates; largest, the most readings
    that one request has brought; conflicts, readings that came twice with other values.
    """

    values: dict[Key, dict[str, Any]] = field(default_factory=dict)
    duplicates: int = 0
    largest: int = 1
    conflicts: set[Key] = field(default_factory=set)

    def take(self, text: str, stream: str) -> None:
        """Count one message. Raises: ValueError or KeyError for what is no reading of ours."""
        parsed = json.loads(text)
        readings = parsed if isinstance(parsed, list) else [parsed]
        self.largest = max(self.largest, len(readings))
        for reading in readings:
            self._take_reading(*_parse(reading, stream))

    def _take_reading(self, key: Key, values: dict[str, Any]) -> None:
        if key not in self.values:
            self.values[key] = values
            return
        self.duplicates += 1
        if self.values[key] != values:
            self.conflicts.add(key)


def _parse(reading: dict[str, Any], stream: str) -> tuple[Key, dict[str, Any]]:
    # Without its time: that may become known between two sends.
    if "params" in reading:
        values = {name: entry["value"] for name, entry in reading["params"].items()}
        return (stream, int(reading["id"])), values
    values = {name: reading[name] for name in reading.keys() - {"stream", "seq", "time"}}
    return (reading["stream"], reading["seq"]), values


@dataclass
class Heap:
    """Highest free heap in bytes early and late in the boot that stored the most readings."""

    start: int = 0
    end: int = 0
    readings: int = 0

    @property
    def is_flat(self) -> bool:
        return self.end >= self.start - _HEAP_LOSS_MAX_BYTES


@dataclass
class Account:
    """The sums of one board; `lost` has to be empty."""

    taken: int
    accepted: int
    duplicates: int
    duplicates_max: int
    quarantined: int
    lost: list[Key]
    conflicts: list[Key]
    heap: Heap
    problems: list[str]

    @property
    def is_good(self) -> bool:
        good = not (self.lost or self.conflicts or self.problems)
        return good and self.duplicates <= self.duplicates_max and self.heap.is_flat


def settle(
    journal: Journal,
    arrivals: Arrivals,
    kept: set[Key],
    *,
    disturbances: int,
    refusals: int,
    problems: list[str],
) -> Account:
    """Return the sums.

    Args:
        kept: the readings that are in the board's quarantine.
        disturbances: cuts, stops, lost replies: what makes a board send a request again.
        refusals: how often a reading was refused. Each may let the newest one travel ahead of
            its turn, and a cut before its turn lets it travel again.
        problems: what else went wrong.
    """
    quarantined = _still_due(journal.quarantined - arrivals.values.keys(), kept)
    lost = journal.promised() - arrivals.values.keys() - quarantined
    return Account(
        taken=len(journal.promised()),
        accepted=len(arrivals.values),
        duplicates=arrivals.duplicates,
        duplicates_max=arrivals.largest * disturbances + refusals,
        quarantined=len(quarantined),
        lost=sorted(lost),
        conflicts=sorted(arrivals.conflicts),
        heap=measure_heap(journal, arrivals),
        problems=[*journal.unexpected, *problems],
    )


def _still_due(quarantined: set[Key], kept: set[Key]) -> set[Key]:
    """Return quarantined readings that are kept, or older: the quarantine is bounded."""
    oldest: Counter[str] = Counter()
    for stream, seq in kept:
        oldest[stream] = min(seq, oldest[stream] or seq)
    return {key for key in quarantined if key in kept or key[1] < oldest[key[0]]}


def measure_heap(journal: Journal, arrivals: Arrivals) -> Heap:
    """Return the free heap of the longest boot. All zero where no boot was long enough.

    What is free goes down until the next collection: the highest of each third tells.
    """
    best: list[int] = []
    for boot in journal.boots:
        free = [
            arrivals.values[boot.stream, seq]["heap_free"]
            for seq in range(boot.first + _SETTLING_READINGS, boot.last + 1)
            if (boot.stream, seq) in arrivals.values
        ]
        if len(free) > len(best):
            best = free
    if len(best) < _HEAP_READINGS_MIN:
        return Heap()
    third = len(best) // 3
    return Heap(max(best[:third]), max(best[-third:]), len(best))
