"""Time: one overall deadline for a request, and whether the clock can be believed.

Integers only: a chip's floats have 24 bits, Unix time in ms needs 41.
"""

from .version import RELEASED_UNIX_MS

# Before 2025 a clock cannot be right: linkpost did not exist. A chip that lost its time starts at
# 2000 (esp32) or 2021 (rp2), see PLATFORM section 4.
CLOCK_FLOOR_UNIX_MS = 1_735_689_600_000
# After 2075 it cannot be right either; NTP's next era (2036) is told apart by this too.
CLOCK_CEILING_UNIX_MS = 3_313_526_400_000

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


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
        unix_ms = parse_http_date(text)
        return unix_ms is not None and self.set_unix_ms(unix_ms)

    def doubt(self) -> None:
        """Call the clock not right, so that it is set again: a certificate's dates say so."""
        self._port.mark_clock(False)

    def unix_ms_at(self, uptime_ms: int):
        """Return when that uptime of this boot was, in Unix ms, or None while not right."""
        now = self.unix_ms()
        return None if now is None else now - self._port.uptime_ms() + uptime_ms


def parse_http_date(text: str):
    """Return the Unix ms of `Sun, 06 Nov 1994 08:49:37 GMT`, or None for anything else.

    Source: RFC 9110 section 5.6.7, the preferred form; the two obsolete ones count as anything
    else. The day's name is not compared.
    """
    if len(text) != 29 or text[3:5] != ", " or text[25:] != " GMT":
        return None
    if text[7] + text[11] + text[16] != "   " or text[19] + text[22] != "::":
        return None
    numbers = []
    for start, end in ((5, 7), (12, 16), (17, 19), (20, 22), (23, 25)):
        digits = text[start:end]
        # Not isdigit alone: CPython counts superscripts and other scripts as digits.
        if not all("0" <= c <= "9" for c in digits):
            return None
        numbers.append(int(digits))
    day, year, hour, minute, second = numbers
    if text[8:11] not in _MONTHS:
        return None
    month = _MONTHS.index(text[8:11]) + 1
    # 60 is a leap second.
    if not 1 <= day <= days_in_month(year, month) or hour > 23 or minute > 59 or second > 60:
        return None
    seconds = days_from_civil(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second
    return seconds * 1000


def days_in_month(year: int, month: int) -> int:
    """Return 28 to 31."""
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month in (4, 6, 9, 11) else 31


def days_from_civil(year: int, month: int, day: int) -> int:
    """Return the days from 1970-01-01 to a day of the Gregorian calendar, year 1 or later."""
    # Years that begin in March put the leap day last, and a month's start becomes linear:
    # (153 * m + 2) // 5 is 0, 31, 61, 92, 122, ... for m = 0 (March), 1, 2, ...
    if month < 3:
        year -= 1
        month += 12
    in_year = (153 * (month - 3) + 2) // 5 + day - 1
    return year * 365 + year // 4 - year // 100 + year // 400 + in_year - 719_468


def civil(unix_s: int) -> tuple:
    """Return (year, month, day, hour, minute, second, weekday), weekday 0 for Monday, in UTC.

    Unlike `time.gmtime` it does not depend on the port's epoch, and does not end in 2038.
    """
    days = unix_s // 86_400
    second = unix_s % 86_400
    # A guess that is never too late, and early by a year at most.
    year = 1970 + days * 400 // 146_097
    while days_from_civil(year, 1, 1) > days:
        year -= 1
    while days_from_civil(year + 1, 1, 1) <= days:
        year += 1
    left = days - days_from_civil(year, 1, 1)
    month = 1
    while left >= days_in_month(year, month):
        left -= days_in_month(year, month)
        month += 1
    # 1970-01-01 was a Thursday.
    return (
        year,
        month,
        left + 1,
        second // 3600,
        second // 60 % 60,
        second % 60,
        (days + 3) % 7,
    )
