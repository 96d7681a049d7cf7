"""Time: one overall deadline for a request, and whether the clock can be believed.

Integers only: a chip's floats have 24 bits, Unix time in ms needs 41.
"""

from .loader import load
from .version import RELEASED_UNIX_MS

# Before 2025 a clock cannot be right: linkpost did not exist. A chip that lost its time starts at
# 2000 (esp32) or 2021 (rp2), see PLATFORM section 4.
CLOCK_FLOOR_UNIX_MS = 1_735_689_600_000
# After 2075 it cannot be right either; NTP's next era (2036) is told apart by this too.
CLOCK_CEILING_UNIX_MS = 3_313_526_400_000


class Deadline:
    """One bound over all the steps of a request; a slow peer or a retry cannot reset it."""

    def __init__(self, port, ms):
        self._port = port
        self._start = port.ticks_ms()
        self.ms = ms

    def left_ms(self) -> int:
        """Return the ms left, 0 when it has passed."""
        left = self.ms - self._port.ticks_diff(self._port.ticks_ms(), self._start)
        return left if left > 0 else 0


class Clock:
    """The wall clock, or None while it is not known to be right.

    A chip whose time was lost is set to the floor at once: a certificate's dates are then judged
    by a time that is late by no more than the board was off, and not by the year 2000. That is not
    a right clock, and `unix_ms` stays None until NTP or a verified reply has set it. The port
    remembers that it was set for as long as the RTC runs, over reset and deep sleep where the RTC
    survives them.

    Args: port; newest_unix_ms, the newest time that is on flash, or 0. It only lifts the floor: a
        time that was wrong once must not refuse the right one for ever.
    """

    def __init__(self, port, newest_unix_ms=0):
        self._port = port
        self.raise_floor(newest_unix_ms)

    def raise_floor(self, unix_ms: int) -> None:
        """Set the RTC to that time, or the release's, if behind; it is then not right yet."""
        if not RELEASED_UNIX_MS <= unix_ms < CLOCK_CEILING_UNIX_MS:
            unix_ms = RELEASED_UNIX_MS
        # A clock that was set is not moved by what is on flash: that may stem from a wrong one.
        if not self.is_right() and self._port.unix_ms() < unix_ms:
            self._port.mark_clock(False)
            self._port.set_unix_ms(unix_ms)

    def is_right(self) -> bool:
        """Tell whether the clock was set by NTP or a verified reply, and has run on since."""
        return (
            self._port.clock_marked()
            and CLOCK_FLOOR_UNIX_MS <= self._port.unix_ms() < CLOCK_CEILING_UNIX_MS
        )

    def unix_ms(self):
        """Return Unix time in ms, or None while the clock is not right."""
        return self._port.unix_ms() if self.is_right() else None

    def set_unix_ms(self, unix_ms: int) -> bool:
        """Set the clock; it is right from here on. Return False, and do nothing, for a time
        before the build or after 2075."""
        if not CLOCK_FLOOR_UNIX_MS <= unix_ms < CLOCK_CEILING_UNIX_MS:
            return False
        self._port.set_unix_ms(unix_ms)
        self._port.mark_clock(True)
        return True

    def set_from_http_date(self, text: str) -> bool:
        """Set the clock from the `Date` of a reply; True if it was a date that can be right.

        Only for a reply over verified TLS: there the certificate's dates bound what a forger could
        say. It may be late by the reply's way and by a second.
        """
        unix_ms = load("dates").parse_http_date(text)
        return unix_ms is not None and self.set_unix_ms(unix_ms)

    def doubt(self) -> None:
        """Call the clock not right, so that it is set again: a certificate's dates say so."""
        self._port.mark_clock(False)

    def unix_ms_at(self, uptime_ms: int):
        """Return when that uptime of this boot was, in Unix ms, or None while not right."""
        now = self.unix_ms()
        return None if now is None else now - self._port.uptime_ms() + uptime_ms
