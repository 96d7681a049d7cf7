"""Segments: how they grow, and go.

Where the ring does not suffice its readings are appended to the last segment. The first one goes
as a whole: when all of it was read, or where all is full. `segments` reads them.

Loaded for a moment, by the call with the most in heap beside it: two files are open where slots
move to a segment.
"""

import os

from micropython import const

from ..errors import StorageError
from .outbox import SLOTS
from .readings import seq_of

_ENOSPC = const(28)
_BLOCK_BYTES = const(4096)
# A full budget is this many segments: what one drop loses, and what is kept in RAM, depend on it.
_SEGMENTS = const(32)
_BYTES_MIN = const(8192)
_QUARANTINE_BYTES = const(8192)  # segments.py
# Left to the token, the config and littlefs' own needs when the flash gets full.
_RESERVE_BYTES = const(6 * 4096)


def max_bytes(outbox) -> int:
    """Return what all segments may take, bytes.

    That is what the config grants, without a grant half of what is free, less what quarantined
    readings may take.
    """
    if outbox.granted_bytes is None:
        # Slow, for statvfs walks the whole file system; so only when it is needed, and once.
        outbox.granted_bytes = (_free_bytes(outbox) + _used_bytes(outbox)) // 2
    return max(outbox.granted_bytes - _QUARANTINE_BYTES, _BYTES_MIN)


def store_anyway(outbox, seq: int, frame, error) -> None:
    """Store a reading whose slot was refused with that OSError. Raises: StorageError."""
    while outbox.read_slot(seq) != frame:  # it may be there all the same; then its seq is used
        if error.errno != _ENOSPC or not _drop_oldest(outbox):
            raise StorageError("cannot store readings (error %s)" % error.errno)
        try:
            outbox.write(outbox.slot_path(seq), frame)
        except OSError as again:
            error = again


def empty_ring(outbox) -> None:
    """Append all slots that wait to the last segment; what is full loses its oldest first.

    Raises: StorageError.
    """
    frame = True
    while frame:
        try:
            frame = _append_slots(outbox)
        except OSError as error:
            if error.errno != _ENOSPC:
                raise StorageError("cannot store readings (error %s)" % error.errno)
            if not _drop_oldest(outbox):
                # The flash is full of other things. The ring goes on alone.
                _drop(outbox, outbox.next_seq - SLOTS, "full, oldest dropped")
                return


def _append_slots(outbox):
    # Fills one segment; returns the first frame that it has no room for. Attributes change when
    # the file is closed, so when it is on flash: after any failure the readings are still in their
    # slots, and are appended again. Where some of them were there already, they are met twice, and
    # stepped over.
    frame = outbox.find(outbox.first_slot())
    if frame:
        limit = _whole_blocks(max_bytes(outbox) // _SEGMENTS)
        segments = outbox.segments
        if not segments or segments[-1][1] + len(frame) > limit:
            # Only where there is room for all of it. Looked at only now: statvfs walks the whole
            # file system.
            while segments and (
                _used_bytes(outbox) + limit > max_bytes(outbox)
                or _free_bytes(outbox) < limit + _RESERVE_BYTES
            ):
                _drop_oldest(outbox)
            segments = segments + [[seq_of(frame), 0]]
        first, size = segments[-1]
        with open(outbox.path_of(first), "ab") as file:
            while frame and size + len(frame) <= limit:
                file.write(frame)
                size += len(frame)
                last = seq_of(frame)
                frame = outbox.find(last + 1)
        segments[-1][1] = size
        outbox.segments = segments
        outbox.last_in_segments = last
    return frame


def _drop_oldest(outbox):
    # The oldest segment, counted. Returns False where there is none. What cannot be removed is no
    # reason to drop the next one.
    if not outbox.segments:
        return False
    if not _drop(outbox, outbox.last_of_first(), "full, oldest dropped"):
        raise StorageError("cannot remove readings")
    return True


def drop_unreadable(outbox, frame) -> None:
    """Count what is missing before `frame`, the first that can be read, as dropped; None: all."""
    found = seq_of(frame) if frame else outbox.next_seq
    _drop(outbox, found - 1, "unreadable, dropped")


def _drop(outbox, seq, phrase):
    # Counts waiting readings up to seq as dropped; then removes the segments that held them.
    count = seq - outbox.acked
    if count > 0:
        outbox.dropped += count
        outbox.acked = seq
        outbox.warn(phrase, "count", count, "dropped", outbox.dropped)
    outbox.sync()  # first the count, then the loss
    is_removed = remove_acknowledged(outbox)
    outbox.sync()  # again, where the flash was too full even for this
    return is_removed


def remove_acknowledged(outbox) -> bool:
    """Remove the segments of which nothing waits; return whether all of them could be."""
    while outbox.segments and outbox.last_of_first() <= outbox.acked:
        try:
            os.remove(outbox.path_of(outbox.segments[0][0]))
        except OSError as error:  # it is removed at the next opening
            outbox.warn("not removed", "errno", error.errno)
            return False
        outbox.ahead = b""
        outbox.segments.pop(0)
    return True


def _used_bytes(outbox):
    return sum([_whole_blocks(size) for _, size in outbox.segments])


def _whole_blocks(size):
    return (size + _BLOCK_BYTES - 1) & -_BLOCK_BYTES


def _free_bytes(outbox):
    # A little less on littlefs, which counts its folders twice.
    stat = os.statvfs(outbox.path)
    # A full littlefs reports more free blocks than there are (docs/porting.md, "Flash and
    # littlefs").
    return stat[0] * stat[3] if stat[3] <= stat[2] else 0
