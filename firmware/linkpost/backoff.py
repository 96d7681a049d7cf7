"""When to try again: the one place that decides it. Exponential, with full jitter and a cap.

Full jitter (any time up to the bound, not the bound) is what keeps three hundred boards that
failed together from coming back together.
"""

from .errors import RETRY_LONG, RETRY_SLOWLY

# First bound and cap, ms. A reading waits in the outbox meanwhile, so patience costs nothing.
_NORMAL_MS = (2_000, 300_000)
# 40000 is counted per minute or longer; coming back within seconds only renews it.
_THROTTLED_MS = (30_000, 3_600_000)
# Authentication refused: a person has to act. At least 15 minutes (PROTOCOL.md, 20000).
_SLOWLY_MS = 900_000


class Backoff:
    """Counts failures in a row. `attempts` may be kept over a deep sleep and set again."""

    def __init__(self, random_bytes):
        self._random_bytes = random_bytes
        self.attempts = 0

    def next_ms(self, error) -> int:
        """Count one more failure; return the ms to wait before the next try.

        Args: error, the LinkpostError; its `retry` chooses the pace.
        """
        exponent = min(self.attempts, 16)
        self.attempts += 1
        if error.retry == RETRY_SLOWLY:
            return _SLOWLY_MS + self.jitter_ms(_SLOWLY_MS // 3)
        first, cap = _THROTTLED_MS if error.retry == RETRY_LONG else _NORMAL_MS
        return self.jitter_ms(min(cap, first << exponent))

    def jitter_ms(self, bound_ms: int) -> int:
        """Return a random number of ms from 0 up to and including the bound."""
        # Three bytes: small integers on every chip; bounds are far below 2**24 ms (4.6 hours).
        return int.from_bytes(self._random_bytes(3), "big") % (bound_ms + 1)

    def succeeded(self) -> None:
        """Start over: the next failure waits for the first bound again."""
        self.attempts = 0
