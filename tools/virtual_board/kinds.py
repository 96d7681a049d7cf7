"""The chips a virtual board can stand for: the flash as their firmware mounts it, and the limits.

Source: the MicroPython ports' own `_boot.py`, `esp32_partition.c` and `modmachine.c`. An image
whose block count differs does not mount on the chip.
"""

from __future__ import annotations

from dataclasses import dataclass

BLOCK_SIZE = 4096


@dataclass(frozen=True)
class BoardKind:
    """One kind of board; sizes in bytes, `block_count` in blocks of 4096."""

    name: str  # MicroPython's own
    block_count: int
    read_size: int  # MicroPython's programs are of the same size
    watchdog_max_ms: int
    retained_bytes: int  # what outlives a reset without the flash
    can_deep_sleep: bool

    @property
    def image_bytes(self) -> int:
        """Return how long a flash image is."""
        return self.block_count * BLOCK_SIZE

    @property
    def cache_size(self) -> int:
        """Return littlefs' cache; it sets how long a file may be to live in its directory."""
        return min(BLOCK_SIZE, 4 * self.read_size)


KINDS = {
    kind.name: kind
    for kind in (
        BoardKind("ESP32_GENERIC", 512, 32, 2**31 - 1, 2048, True),
        # Deep sleep on rp2 is light sleep and a reset: nothing saved, and the clock lost.
        BoardKind("RPI_PICO_W", 212, 256, 8388, 12, False),
    )
}
DEFAULT_KIND = "ESP32_GENERIC"
