"""Setting the wall clock, and which times can be right. Loaded when needed (`loader`).

Integers only: a chip's floats have 24 bits, Unix time in ms needs 41.
"""

from .errors import DRIVER_ERRORS
from .loader import load

# Before 2025 a clock cannot be right: linkpost did not exist. A chip that lost its time starts at
# 2000 (esp32) or 2021 (rp2), see PLATFORM section 4.
CLOCK_FLOOR_UNIX_MS = 1_735_689_600_000
# After 2075 it cannot be right either; NTP's next era (2036) is told apart by this too.
CLOCK_CEILING_UNIX_MS = 3_313_526_400_000


def can_be_right(unix_ms: int) -> bool:
    """Tell whether that time lies after the first build and before 2075."""
    return CLOCK_FLOOR_UNIX_MS <= unix_ms < CLOCK_CEILING_UNIX_MS


def raise_floor(port, newest_unix_ms: int) -> None:
    """Set a clock that is not right to the floor, if it is behind; it is then not right yet.

    The floor is the release's date, or the newest time that is on flash: a certificate's dates are
    then judged by a time that is late by no more than the board was off, and not by the year 2000.
    That time only lifts the floor: wrong once, it must not refuse the right one for ever.
    """
    released = load("version").RELEASED_UNIX_MS
    if not released <= newest_unix_ms < CLOCK_CEILING_UNIX_MS:
        newest_unix_ms = released
    try:
        if port.unix_ms() < newest_unix_ms:
            port.mark_clock(False)
            port.set_unix_ms(newest_unix_ms)
    except DRIVER_ERRORS:
        pass  # the certificate's dates decide what comes of it


def set_clock(port, unix_ms: int) -> bool:
    """Set the clock and mark it as right. Return False, and do nothing, for what cannot be right.

    Raises: one of DRIVER_ERRORS, as the chip does.
    """
    if not can_be_right(unix_ms):
        return False
    port.set_unix_ms(unix_ms)
    port.mark_clock(True)
    return True


class Deadline:
    """One bound over all the steps of a request; a slow peer or a retry cannot reset it."""

    def __init__(self, port, ms):
        self._port = port
        self._end_ms = port.uptime_ms() + ms
        self.ms = ms

    def left_ms(self) -> int:
        """Return the ms left, 0 when it has passed."""
        left = self._end_ms - self._port.uptime_ms()
        return left if left > 0 else 0
