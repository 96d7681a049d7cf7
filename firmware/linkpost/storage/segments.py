"""Segments: files of readings, one frame after the other, in order of seq.

A segment is named by the seq of its first reading, so that a listing tells what lies where. Only
the last one grows; the first one goes as a whole. On littlefs an append is atomic; elsewhere, or
on failing flash, it may not be: a corrupt record is stepped over, byte by byte, to the next whole
frame, also one that was appended behind a damaged tail.

Loaded for a moment: to read them, and to remove them. What makes them grow is in `overflow`.
"""

import os

from micropython import const

from ..errors import StorageError
from .outbox import SLOTS
from .readings import READING_MAX, frame_length, is_reading, seq_of

# Four readings or more at a time: what lies ahead is found without loading this again.
_READ_BYTES = const(512)


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
    outbox.ahead = ahead
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
    outbox.ahead = ()
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
