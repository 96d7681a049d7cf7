"""Readings that the platform refuses for their own sake: kept for people to look at.

Two files of one block each, so about 60 readings; the older file goes when both are full.
"""

from micropython import const

from .segments import BLOCK_BYTES, Segments

_FILES = const(2)
QUARANTINE_BYTES = _FILES * BLOCK_BYTES


class Quarantine:
    """The readings set aside in a folder. Args: folder; files, what `list_files` says of it."""

    def __init__(self, folder: str, files: list):
        self._segments = Segments(folder, "q", BLOCK_BYTES, files)
        self.find = self._segments.find

    def set_aside(self, seq: int, frame) -> bool:
        """Keep a reading's frame; False where the flash has no room even for that.

        Where the last one kept has this seq, it is there already: the power was cut before the
        outbox's position moved past it.
        """
        segments = self._segments
        while segments.last_seq != seq:
            try:
                if segments.starts_new(len(frame)) and len(segments.firsts) >= _FILES:
                    segments.remove_first()
                segments.append([(seq, frame)], QUARANTINE_BYTES)
            except OSError:
                if not segments.firsts:
                    return False
                segments.remove_first()
        return True
