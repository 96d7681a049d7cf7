"""Where the ring does not suffice: readings move to segments, and what is full drops its oldest.

Loaded for a moment.
"""

import os

from micropython import const

from ..errors import StorageError
from ..loader import load
from .outbox import SLOTS
from .readings import seq_of

_ENOENT = const(2)
_ENOSPC = const(28)
_BLOCK_BYTES = const(4096)
# A full budget is this many segments: what one drop loses, and what is kept in RAM, depend on it.
_SEGMENTS = const(32)
_BYTES_MIN = const(8192)
_QUARANTINE_BYTES = const(8192)  # quarantine.py
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
    path = outbox.slot_path(seq)
    is_made = False
    while outbox.read_slot(seq) != frame:  # it may be there all the same; then its seq is used
        try:
            if error.errno == _ENOENT and not is_made:  # the folder, on the first lap
                is_made = True
                os.mkdir(path[:-2])
            elif error.errno != _ENOSPC or not drop_oldest(outbox):
                raise StorageError("cannot store a reading (error %s)" % error.errno)
            outbox.write(path, frame)
        except OSError as again:
            error = again


def empty_ring(outbox) -> None:
    """Append all slots that wait to the last segment; what is full loses its oldest first.

    Raises: StorageError.
    """
    while True:
        try:
            while outbox.segments and _is_full(outbox):
                drop_oldest(outbox)
            if _append_slots(outbox):
                return
        except OSError as error:
            if error.errno != _ENOSPC:
                raise StorageError("cannot store readings (error %s)" % error.errno)
        if not drop_oldest(outbox):
            # The flash is full of other things. The ring goes on alone.
            load("storage.segments").count_as_dropped(
                outbox, outbox.next_seq - SLOTS, "flash full, oldest dropped"
            )
            outbox.sync()
            return


def _append_slots(outbox):
    # Returns False where max_bytes is reached. Attributes change when the file is closed, so when
    # it is on flash: after any failure the readings are still in their slots, and are appended
    # again. Where some of them were there already, they are met twice, and stepped over.
    waiting = _in_slots(outbox)
    frame = next(waiting, None)
    while frame:
        segments = outbox.segments
        if _starts_new(outbox, len(frame)):
            segments = segments + [[seq_of(frame), 0]]
        first, size = segments[-1]
        room = max_bytes(outbox) - (_used_bytes(outbox) - _whole_blocks(size))
        limit = min(_segment_bytes(outbox), room // _BLOCK_BYTES * _BLOCK_BYTES)
        if size + len(frame) > limit:
            return False
        with open(outbox.segment_path(first), "ab") as file:
            while frame and size + len(frame) <= limit:
                file.write(frame)
                size += len(frame)
                last = seq_of(frame)
                frame = next(waiting, None)
        segments[-1][1] = size
        outbox.segments = segments
        outbox.last_in_segments = last
    return True


def _in_slots(outbox):
    # Yields the frames of waiting readings that are in no segment.
    for seq in range(max(outbox.acked + 1, outbox.first_slot()), outbox.next_seq):
        frame = outbox.read_slot(seq)
        if frame and seq_of(frame) == seq:
            yield frame


def drop_oldest(outbox) -> bool:
    """Drop the oldest segment, counted; return False where there is none. Raises: StorageError."""
    if not outbox.segments:
        return False
    segments = load("storage.segments")
    segments.count_as_dropped(outbox, outbox.last_of_first(), "full, oldest dropped")
    # First the count, then the loss. A flash too full even for this has room afterwards.
    written = outbox.sync()
    try:
        segments.remove_first(outbox)
    except OSError as error:
        raise StorageError("cannot remove readings (error %s)" % error.errno)
    if not written:
        outbox.sync()
    return True


def _is_full(outbox):
    # Whether the oldest segment has to go before all slots move to the last one.
    if _used_bytes(outbox) + _BLOCK_BYTES > max_bytes(outbox):
        return True
    # Asked only now and then: statvfs walks the whole file system.
    return (
        _starts_new(outbox, _BLOCK_BYTES)
        and _free_bytes(outbox) < _segment_bytes(outbox) + _RESERVE_BYTES
    )


def _starts_new(outbox, length):
    # Whether an append of that many bytes begins a new segment.
    segments = outbox.segments
    return not segments or segments[-1][1] + length > _segment_bytes(outbox)


def _segment_bytes(outbox):
    return _whole_blocks(max_bytes(outbox) // _SEGMENTS)


def _used_bytes(outbox):
    return sum([_whole_blocks(size) for _, size in outbox.segments])


def _whole_blocks(size):
    return (size + _BLOCK_BYTES - 1) // _BLOCK_BYTES * _BLOCK_BYTES


def _free_bytes(outbox):
    # A little less on littlefs, which counts its folders twice.
    if not hasattr(os, "statvfs"):  # a laptop without it has room
        return 1 << 30
    stat = os.statvfs(outbox.path)
    # A full littlefs reports more free blocks than there are (docs/porting.md, "Flash and
    # littlefs").
    return stat[0] * stat[3] if stat[3] <= stat[2] else 0
