"""The watchdog of a virtual board, and the timer that may feed it: counted here, not on the board.

So nothing that happens in the board's process stops it.
"""

from __future__ import annotations

import time
from typing import Any


class Watchdog:
    """Follows what a board says. Moments are of `time.monotonic`, in seconds.

    A timer of the board (`machine.feed_for`) feeds at every moment until its end, so that the
    watchdog counts from then on.
    """

    def __init__(self) -> None:
        self._period_s: float | None = None  # None: it does not run
        self._fed_at = 0.0
        self._timer_ends_at = 0.0

    @property
    def bites_at(self) -> float | None:
        """Return when it resets the board if nothing happens; None where it never will."""
        if self._period_s is None or self._timer_ends_at == float("inf"):
            return None
        return max(self._fed_at, self._timer_ends_at) + self._period_s

    def take(self, message: dict[str, Any]) -> None:
        """Follow a message of the board; those about other things change nothing."""
        what, now = message["what"], time.monotonic()
        if what == "watchdog":
            self._period_s = message["ms"] / 1000
        elif what == "feed for":
            ms = message["ms"]
            self._timer_ends_at = float("inf") if ms is None else now + ms / 1000
        if what in ("watchdog", "fed", "feed for"):
            self._fed_at = now

    def forget_timer(self) -> None:
        """The board's program ended, and with it its timers; the watchdog goes on."""
        self._timer_ends_at = min(self._timer_ends_at, time.monotonic())

    def stop(self) -> None:
        """A hard reset, deep sleep or no power: the one way to stop it."""
        self.__init__()  # type: ignore[misc]
