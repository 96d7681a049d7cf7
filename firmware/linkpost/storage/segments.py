"""Segments: files of readings, one frame after the other, in order of seq.

A segment is named by the seq of its first reading, so that a listing tells what lies where. Only
the last one grows; the first one goes as a whole. On littlefs an append is atomic; elsewhere, or
on failing flash, it may not be: a corrupt record is stepped over, byte by byte, to the next whole
frame, also one that was appended behind a damaged tail.

Loaded for a moment: to look into them.
"""

from micropython import const

from ..errors import StorageError
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
