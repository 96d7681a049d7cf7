"""How much flash the readings that wait may take: what the config grants, and what is free."""

import os

from micropython import const

from .quarantine import QUARANTINE_BYTES
from .segments import BLOCK_BYTES, whole_blocks

# A full budget is this many segments: what one drop loses, and what is kept in RAM, depend on it.
_SEGMENTS = const(32)
_BYTES_MIN = const(8192)
# Left to the token, the config and littlefs' own needs when the flash gets full.
_RESERVE_BYTES = const(6 * 4096)


class Budget:
    """The bound of an outbox's segments.

    Args: folder; max_bytes of the config, None for half of what is free, both less what readings
        set aside may take; used_bytes, what the segments take now.
    Attributes: max_bytes, of all segments; segment_bytes, of each.
    """

    def __init__(self, folder: str, max_bytes, used_bytes: int):
        self._folder = folder
        if max_bytes is None:
            max_bytes = (free_bytes(folder) + used_bytes) // 2
        self.max_bytes = max(max_bytes - QUARANTINE_BYTES, _BYTES_MIN)
        self.segment_bytes = whole_blocks(self.max_bytes // _SEGMENTS)

    def is_full(self, segments) -> bool:
        """Tell whether the oldest segment has to go before all slots move to the last one."""
        if segments.used_bytes + BLOCK_BYTES > self.max_bytes:
            return True
        # Asked only now and then: statvfs walks the whole file system.
        return (
            segments.starts_new(BLOCK_BYTES)
            and free_bytes(self._folder) < self.segment_bytes + _RESERVE_BYTES
        )


def free_bytes(folder: str) -> int:
    """Return what the file system has free; a little less on littlefs, which counts its folders
    twice."""
    if not hasattr(os, "statvfs"):  # a laptop without it has room
        return 1 << 30
    stat = os.statvfs(folder)
    # A full littlefs reports more free blocks than there are (PLATFORM section 11).
    return stat[0] * stat[3] if stat[3] <= stat[2] else 0
