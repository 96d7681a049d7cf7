"""A board's memory as text: what there is, and what is left for the user's own code.

The figures are those of the firmware's `Port.heap`: total, free and largest of MicroPython's heap,
on an ESP32 idf_free and idf_largest of the heap that Wi-Fi, sockets and TLS live in.
"""

from __future__ import annotations

from collections.abc import Mapping

# What the app takes for a moment above its rest: a report, an authentication, a failure.
PEAK_BYTES = 10_000
# What a TLS connection takes of a heap that it shares, with its context, while it lasts, and what
# the app takes beside it for a moment.
TLS_BYTES = 45_000
# What an app that has logged its heap, and not reported yet, comes to need beside that peak: the
# client and its connection stay. In an ESP32's heap 40,544 bytes were free at that line, of which
# a user's own code could have 23,552 (bench-chip's `room.81920` of 2026-11-26 04:05).
FIRST_REPORT_BYTES = 7_000


def heap(found: Mapping[str, int]) -> str:
    """Return what MicroPython's heap has."""
    text = f"{_kb(found['free'])} free of {_kb(found['total'])}"
    return text + (f", largest block {_kb(found['largest'])}" if "largest" in found else "")


def idf_heap(found: Mapping[str, int]) -> str:
    """Return what an ESP32's IDF heap has; "" where there is none."""
    if "idf_free" not in found:
        return ""
    free, largest = _kb(found["idf_free"]), _kb(found["idf_largest"])
    return f"{free} free, largest block {largest}, for Wi-Fi and TLS"


def left(found: Mapping[str, int], free_at_rest: int | None) -> str:
    """Return what the user's own code may take of the heap beside the app.

    Args: free_at_rest: bytes free once the app has reported; None: that is not known.
    """
    if free_at_rest is None:
        return "what is left for it is known after a boot's first report"
    room = free_at_rest - (PEAK_BYTES if "idf_free" in found else TLS_BYTES)
    if room < 1024:
        return "no memory is left for it beside the app"
    return f"may take about {_kb(room)} beside the app"


def left_by_log(found: Mapping[str, int]) -> str:
    """Return the same of the figures that an app logs at its boot, before its first report."""
    return left(found, found["free"] - FIRST_REPORT_BYTES)


def _kb(size: int) -> str:
    return f"{size // 1024:,} KB"
