"""Which heap of a virtual board equals a chip's: the one place that says how much larger it is.

The unix port's words have 64 bits, so what the firmware keeps is larger there, but not twice as
large: text and buffers are the same. How much larger is measured: the least heap that the same
reports need, on a virtual board and on the chip's own build with TLS outside, as on an ESP32.
"""

from __future__ import annotations

from collections.abc import Mapping

from ...terminal.failures import CommandError
from ...virtual_board.runtimes import OWN_BYTES
from . import result


def ratio(figures: Mapping[str, float]) -> float:
    """Return a virtual board's heap, without what its own side keeps, over a chip's."""
    return (figures["least.unix"] - OWN_BYTES) / figures["least.host"]


def unix_heap(chip_bytes: int) -> int:
    """Return the virtual board's heap in bytes that equals this total heap of a chip.

    Raises: CommandError where there is no result of `make bench-chip`.
    """
    found = result.read()
    if found is None:
        raise CommandError("how a chip's heap compares is not known yet. Run: make bench-chip", 1)
    return round(OWN_BYTES + ratio(found.figures) * chip_bytes)
