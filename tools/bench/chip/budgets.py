"""What each figure of the chip may be: the table of "It fits an ESP32".

`goal` is that table's. A goal that is reached is the limit from then on. One that is not is
marked, and the limit is what was committed last (result.json): it must not get worse.
"""

from __future__ import annotations

from dataclasses import dataclass

# How far a figure may lie beside the committed one: what a peer's random bytes, and where they
# fall in the heap, change from run to run. Counted figures may not change at all.
_TOLERANCE = {"B": 0.01, "ms": 0.04, "x": 0.03, "": 0.0}


@dataclass(frozen=True)
class Budget:
    """One row of the table."""

    what: str
    unit: str
    goal: float | None = None  # None: reported only
    is_least: bool = False  # more is better
    is_aim: bool = False  # its goal is an aim: reported, and never fails

    def is_reached(self, value: float) -> bool:
        """Tell whether the goal is met; a figure without one always is."""
        if self.goal is None:
            return True
        return value >= self.goal if self.is_least else value <= self.goal

    def limit(self, committed: float | None) -> float | None:
        """Return the value that may not be passed, by what was committed; None: there is none."""
        if self.goal is None or self.is_aim or committed is None:
            return None
        if self.is_reached(committed):
            return self.goal
        slack = _TOLERANCE[self.unit] * committed
        return committed - slack if self.is_least else committed + slack

    def is_worse(self, value: float, committed: float | None) -> bool:
        """Tell whether the value passes its limit."""
        limit = self.limit(committed)
        if limit is None:
            return False
        return value < limit if self.is_least else value > limit


BUDGETS = {
    # The heap at rest: an App (json, onchip, the roots on flash) after reports and after all that
    # is loaded now and then was loaded once. Without the TLS context: TLS on the host.
    "heap.app": Budget("App kept, without TLS context", "B", 43_008),
    "heap.app_tls": Budget("App kept, with TLS context", "B", 49_152),
    "heap.client": Budget("Client kept, one publish, without TLS context", "B", 26_624),
    "heap.names": Budget("interned names", "", 600),
    "heap.modules": Budget("modules resident after reports", "", 20),
    "heap.block_first": Budget("largest free block after the first report", "B", 40_000, True),
    "heap.block_last": Budget("largest free block after 200 reports", "B", 40_000, True),
    "heap.block_kept": Budget("the same, of the first", "x", 0.9, True),
    # The least total heap; what MicroPython itself and the REPL keep is in it.
    "least.chip": Budget("total heap for 20 reports, TLS on the chip", "B", 100_000),
    "least.host": Budget("total heap for 20 reports, TLS outside", "B", 61_920),
    "least.client": Budget("total heap for 30 publishes of a Client, TLS outside", "B", 40_000),
    "heap.peak": Budget("peak above rest: report, authentication, NTP, failures", "B", 10_000),
    "heap.peak_boot": Budget("peak above rest: boot to 20 reports", "B"),
    "least.many": Budget("reports of 200 in a total heap of 100,000", "", 200, True),
    "least.unix": Budget("the unix port's heap for 20 reports", "B"),
    "least.unix_of_host": Budget("the same, without its own side, of the chip's", "x"),
    "room.81920": Budget("left to a user's code of 81,920, 20 reports", "B", 20_000, True),
    "room.56000": Budget("left to a user's code of 56,000, 20 reports", "B", 4_000, True, True),
    "room.client": Budget("left beside a Client of 56,000, 30 publishes", "B", 16_000, True),
    # Time, counted in the chip's cycles.
    "time.bare": Budget("bare verified handshake", "ms"),
    "time.theirs": Budget("report by MicroPython's requests, unverified", "ms"),
    "time.fresh": Budget("report on a fresh verified connection", "ms"),
    "time.fresh_of_bare": Budget("the same, of the bare handshake", "x", 1.12),
    "time.fresh_spread": Budget("its spread, slowest less quickest", "ms"),
    "time.kept": Budget("report on a kept connection", "ms", 40),
    "time.kept_spread": Budget("its spread, slowest less quickest", "ms"),
    "time.first": Budget("first report with authentication", "ms"),
    "time.first_of_bare": Budget("the same, of two bare handshakes", "x", 1.15),
    "time.stored": Budget("reset to first stored reading", "ms", 900),
    "time.append": Budget("append, median", "ms", 8),
    "time.append_worst": Budget("append, the longest of 1,000", "ms"),
    "append.collections": Budget("collections inside 1,000 appends", "", 0),
    # Flash and source.
    "size.mpy": Budget(".mpy on the board", "B", 53_248),
    "code.lines": Budget("lines of code in firmware/, without sensors", "", 2_700, False, True),
    "code.files": Budget("files in firmware/, without sensors", "", 40, False, True),
}

NOT_MODELLED = (
    "Not modelled: the radio (joining, its power, its interrupts), the time that flash is busy "
    "erasing and programming, misses of the flash's cache. Real boots, appends and reports are "
    "slower by these."
)
