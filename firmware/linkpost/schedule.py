"""When something is due, on ticks: a clock that is set does not disturb it."""


class Schedule:
    """Something that is due `in_ms` from now, then again and again."""

    def __init__(self, port, in_ms: int):
        self._port = port
        self.after(in_ms)

    def left_ms(self) -> int:
        """Return the ms until it is due, 0 when it is."""
        left = self._wait - self._port.ticks_diff(self._port.ticks_ms(), self._start)
        return left if left > 0 else 0

    def after(self, ms: int) -> None:
        """Make it due so long from now."""
        self._start = self._port.ticks_ms()
        self._wait = ms

    def again(self, every_ms: int) -> None:
        """Make it due one period after it last was, so that periods do not drift.

        Periods that have passed meanwhile are left out, not made up for.
        """
        now = self._port.ticks_ms()
        late = self._port.ticks_diff(now, self._start) - self._wait
        self._start = now
        self._wait = every_ms - late % every_ms if every_ms else 0
