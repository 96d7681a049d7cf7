"""Time: one overall deadline for a request, and whether the clock can be believed."""

# Before 2025 a clock cannot be right: linkpost did not exist. A chip that lost its time starts at
# 2000 (esp32) or 2021 (rp2), see PLATFORM section 4.
CLOCK_FLOOR_UNIX_MS = 1_735_689_600_000


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
    """The wall clock, or None while it is not known to be right."""

    def __init__(self, port):
        self._port = port

    def is_right(self) -> bool:
        """Tell whether the RTC shows a time that is possible."""
        return self._port.unix_ms() >= CLOCK_FLOOR_UNIX_MS

    def unix_ms(self):
        """Return Unix time in ms, or None while the clock is not right."""
        now = self._port.unix_ms()
        return now if now >= CLOCK_FLOOR_UNIX_MS else None
