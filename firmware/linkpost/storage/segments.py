"""Segments: files of readings, one frame after the other, in order of seq.

A segment is named by the seq of its first reading, so that a listing tells what lies where. Only
the last one grows, where the ring does not suffice; the first one goes as a whole, read, or
dropped where all is full. On littlefs an append is atomic; elsewhere, or on failing flash, it may
not be: a corrupt record is stepped over, byte by byte, to the next whole frame, also one that was
appended behind a damaged tail.

Loaded for a moment.
"""

import os

from micropython import const

from ..errors import StorageError
from .outbox import SLOTS
from .readings import READING_MAX, frame_length, is_reading, seq_of

_ENOENT = const(2)
_ENOSPC = const(28)
_BLOCK_BYTES = const(4096)
# A full budget is this many segments: what one drop loses, and what is kept in RAM, depend on it.
_SEGMENTS = const(32)
_BYTES_MIN = const(8192)
_QUARANTINE_BYTES = const(8192)  # quarantine.py
# Left to the token, the config and littlefs' own needs when the flash gets full.
_RESERVE_BYTES = const(6 * 4096)
# Four readings or more at a time: what lies ahead is found without loading this again.
_READ_BYTES = const(512)

# -- read -----------------------------------------------------------------------------------------


def frames(path: str, offset: int = 0):
    """Yield (offset, frame) of each whole reading that lies at or behind an offset of a file.

    Close it where it is left early: the file must not wait for the garbage collector.
    """
    with open(path, "rb") as file:
        file.seek(offset)
        data = b""
        at = 0  # in data, of what is at offset in the file
        more = True
        while True:
            length = frame_length(data, at) or 3
            if length > READING_MAX:
                length = 1
            elif more and len(data) - at < length:
                part = file.read(max(_READ_BYTES, length))
                more = len(part) > 0
                data = data[at:] + part
                at = 0
                continue
            elif at == len(data):
                return
            else:
                frame = data[at : at + length]
                if is_reading(frame):
                    yield offset, frame
                else:
                    # A torn tail, or a corrupt record. The next one may begin anywhere.
                    length = 1
            at += length
            offset += length


def last_seq(path: str) -> int:
    """Return the highest seq in a file, or 0. Raises: OSError."""
    highest = 0
    for _, frame in frames(path):
        highest = max(highest, seq_of(frame))
    return highest


def find(outbox, seq: int):
    """Return the frame of the first reading in a segment at or above seq, or None.

    What the same read brought of those behind it is left in `outbox.ahead`. Raises: StorageError.
    """
    segments = outbox.segments
    i = len(segments) - 1
    while i > 0 and segments[i][0] > seq:
        i -= 1
    ahead = []
    first, offset, passed = outbox.found
    try:
        while not ahead and 0 <= i < len(segments):
            if first != segments[i][0] or seq < passed:
                first = segments[i][0]
                offset = 0
            walk = frames(outbox.segment_path(first), offset)
            size = 0
            try:
                for offset, frame in walk:
                    if ahead or seq_of(frame) >= seq:
                        ahead.append(frame)
                        offset += len(frame)
                        size += len(frame)
                        if size + len(frame) > _READ_BYTES:
                            break
            finally:
                walk.close()
            i += 1
    except OSError as error:
        raise StorageError("cannot read readings (error %s)" % error.errno)
    outbox.ahead = b"".join(ahead)
    if not ahead:
        return None
    outbox.found = (first, offset, seq_of(ahead[-1]) + 1)
    return ahead[0]


def readings(outbox):
    """Yield the waiting readings, oldest first (`Outbox.readings`)."""
    seq = 0
    while True:
        frame = outbox.find(seq + 1, find)
        if frame is None:
            return
        seq = seq_of(frame)
        yield outbox.reading(frame)


def newest(outbox):
    """Return the frame of the newest waiting reading, or None."""
    newest_seq = outbox.next_seq - 1
    for seq in range(newest_seq, max(outbox.acked, newest_seq - SLOTS), -1):
        frame = outbox.read_slot(seq)
        if frame and seq_of(frame) == seq:
            return frame
    # No whole slot is left.
    return outbox.find(outbox.last_in_segments, find) if outbox.pending else None


# -- removed --------------------------------------------------------------------------------------


def remove_acknowledged(outbox) -> None:
    """Remove the segments of which nothing waits."""
    while outbox.segments and outbox.last_of_first() <= outbox.acked:
        try:
            remove_first(outbox)
        except OSError as error:  # it is removed at the next opening
            outbox.warn("not removed", "errno", error.errno)
            return


def remove_first(outbox) -> None:
    """Remove the oldest segment. Raises: OSError."""
    outbox.ahead = b""
    os.remove(outbox.segment_path(outbox.segments[0][0]))
    outbox.segments.pop(0)


def drop_unreadable(outbox, frame) -> None:
    """Count what is missing before `frame`, the first that can be read, as dropped; None: all."""
    found = outbox.next_seq if frame is None else seq_of(frame)
    count_as_dropped(outbox, found - 1, "unreadable, dropped")
    if frame is None:
        outbox.sync()
        remove_acknowledged(outbox)


def count_as_dropped(outbox, seq: int, phrase: str) -> None:
    """Count waiting readings up to seq as dropped, and log the phrase. Not written yet."""
    count = seq - outbox.acked
    if count > 0:
        outbox.dropped += count
        outbox.acked = seq
        outbox.warn(phrase, "count", count, "dropped", outbox.dropped)


# -- grown ----------------------------------------------------------------------------------------


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
            count_as_dropped(outbox, outbox.next_seq - SLOTS, "flash full, oldest dropped")
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
    count_as_dropped(outbox, outbox.last_of_first(), "full, oldest dropped")
    # First the count, then the loss. A flash too full even for this has room afterwards.
    written = outbox.sync()
    try:
        remove_first(outbox)
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
