"""How long to wait before the next try: twice as long each time, with a random part."""

from __future__ import annotations

import random


def growing_pause(failures: int, first_s: float, longest_s: float) -> float:
    """Return seconds to wait after so many failures in a row, 1 or more.

    Between half and all of the bound: two that failed together do not come back together.
    """
    bound = min(longest_s, first_s * 2 ** min(failures - 1, 32))
    return random.uniform(bound / 2, bound)  # noqa: S311  nothing secret
