"""The boards that a virtual board can stand for: flash as their firmware mounts it, and limits.

All of it comes from boards/NAME/board.toml. An image whose block count differs does not mount on
the chip.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..firmware.boards import Board, boards

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


def kind_of(board: Board, block_count: int | None = None) -> BoardKind:
    """Return a board as a virtual board sees it, with another flash than the usual if given."""
    return BoardKind(
        board.name,
        block_count or board.block_count(),
        board.read_size,
        board.watchdog_max_ms,
        board.retained_bytes,
        board.can_deep_sleep,
    )


KINDS = {name: kind_of(board) for name, board in boards().items()}
DEFAULT_KIND = "ESP32_GENERIC"
