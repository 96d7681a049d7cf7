"""Spans of time as people say them."""

from __future__ import annotations

_UNITS = (("day", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def duration(ms: int) -> str:
    """Return "412 ms", "2.5 s", "15 min", "3 h 12 min", "2 days 5 h"."""
    if ms < 1000:
        return f"{ms} ms"
    if ms < 10_000 and ms % 1000:
        return f"{ms / 1000:.1f} s"
    left = round(ms / 1000)
    parts = []
    for unit, seconds in _UNITS:
        count, left = divmod(left, seconds)
        if count:
            parts.append(f"{count} {unit}{'s' if unit == 'day' and count > 1 else ''}")
        elif parts:
            break  # the next smaller unit only
        if len(parts) == 2:
            break
    return " ".join(parts)
