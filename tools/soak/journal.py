"""What a board's log promised: one journal per board, filled line by line."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

# 12.345 D store stored seq=17 pending=2
_LINE = re.compile(r"\d+\.\d{3} ([DIWE]) (\w+) (.*)")
_PAIR = re.compile(r'(\w+)=("[^"]*"|\S+)')
# A board has the heap that it needs for whatever happens to it.
_OUT_OF_MEMORY = "emory"
# With a topic's refusal everything is kept; it is what the platform was told to do.
_EXPECTED_ERRORS = ("topic refused, readings kept",)
_WATCHDOG = "linkpost: the watchdog"
# MicroPython's unix port, unlike a chip, raises Ctrl-C in the middle of a collection, and the heap
# stays locked: nothing that the board says after that means anything.
_LOCKED = "heap is locked"

Key = tuple[str, int]  # stream, seq: what a reading is known by


@dataclass
class Boot:
    """One boot of the board: which readings it stored."""

    stream: str
    first: int = 0
    last: int = 0


@dataclass
class Journal:
    """What one board said about itself.

    stored: the highest seq whose `append` has returned, by stream: all up to it are promised.
    waiting: the readings that its last line leaves to be sent.
    unexpected: lines that no cut and no fault excuses.
    """

    stored: dict[str, int] = field(default_factory=dict)
    readings: int = 0
    waiting: int = 0
    quarantined: set[Key] = field(default_factory=set)
    boots: list[Boot] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    watchdog: int = 0
    heap_was_locked: bool = False
    _tail: str | None = None
    _before_run: int = 0

    def take(self, line: str) -> None:
        """Follow one line of the log."""
        # The last line before a cut may be half a line: it is judged when another follows.
        if self._tail is not None:
            self.unexpected.append(self._tail)
            self._tail = None
        match = _LINE.fullmatch(line)
        if line.startswith(_WATCHDOG):
            self.watchdog += 1
        elif match is None:
            self._tail = line
        else:
            self._follow(line, *match.groups())

    def end_run(self, *, cut: bool = False, stopped: bool = False) -> None:
        """Take note that the board is off.

        Args: cut, its last line may be cut short; stopped, Ctrl-C was the last that it heard.
        """
        if self._tail is not None and not cut:
            self.unexpected.append(self._tail)
        self._tail = None
        this_run = self.unexpected[self._before_run :]
        if stopped and any(_LOCKED in line for line in this_run):
            self.heap_was_locked = True
            del self.unexpected[self._before_run :]
        self._before_run = len(self.unexpected)

    def promised(self) -> set[Key]:
        """Return all readings that have to arrive, quarantined ones among them."""
        return {
            (stream, seq) for stream, last in self.stored.items() for seq in range(1, last + 1)
        }

    def _follow(self, line: str, level: str, area: str, rest: str) -> None:
        pairs = dict(_PAIR.findall(rest))
        self.waiting = int(pairs.get("pending", self.waiting))
        if rest.startswith("started ") and "next" in pairs:
            self.boots.append(Boot(pairs["stream"]))
        elif rest.startswith("stored seq=") and "pending" in pairs:
            self._store(int(pairs["seq"]))
        elif rest.startswith("reading quarantined seq=") and "code" in pairs:
            self.quarantined.add((self.boots[-1].stream, int(pairs["seq"])))
            self.waiting -= 1
        elif rest.startswith("accepted seq="):
            self.waiting -= int(pairs.get("count", 1))
        elif _is_grave(level, area, rest) and not rest.startswith(_EXPECTED_ERRORS):
            self.unexpected.append(line)

    def _store(self, seq: int) -> None:
        boot = self.boots[-1]
        self.readings += 1
        boot.first = boot.first or seq
        boot.last = seq
        if seq <= self.stored.get(boot.stream, 0):
            self.unexpected.append(f"seq {seq} of stream {boot.stream} was given twice")
        self.stored[boot.stream] = max(seq, self.stored.get(boot.stream, 0))


def _is_grave(level: str, area: str, text: str) -> bool:
    # The store warns of what it had to give up: no cut and no fault may lead there.
    return level == "E" or (level == "W" and (area == "store" or _OUT_OF_MEMORY in text))
