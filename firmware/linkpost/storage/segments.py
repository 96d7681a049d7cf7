"""Segments: files of readings, one frame after the other, in order of seq; how they are read.

A segment is named by the seq of its first reading, so that a listing tells what lies where. Only
the last one grows, and the first one goes as a whole (growing.py). On littlefs an append is
atomic; elsewhere, or on failing flash, it may not be: a corrupt record is stepped over, byte by
byte, to the next whole frame, also one that was appended behind a damaged tail.

Readings that the platform refuses for their own sake are kept for people to look at, in files of
the same kind: two of one block each. The older one goes when both are full.

Loaded for a moment.
"""

import os

from micropython import const

from ..errors import StorageError
from ..loader import load
from .readings import (
    READING_MAX,
    add_value,
    encode_frame,
    frame_length,
    is_whole_reading,
    seq_of,
)

# Of quarantined readings, about 60.
_KIND = "q"  # of `Outbox.path_of`
_FILES = const(2)
_FILE_BYTES = const(4096)

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
        while True:
            length = frame_length(data, at) or 3
            if length > READING_MAX:
                length = 1
            if len(data) - at < length:
                part = file.read(max(_READ_BYTES, length))
                if part:
                    data = data[at:] + part
                    at = 0
                    continue
                if at == len(data):
                    return
            frame = data[at : at + length]
            if is_whole_reading(frame):
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
    ahead = b""
    begun, offset, passed = outbox.found
    try:
        for first, _ in segments[i:]:
            if first != begun or seq < passed:
                offset = 0
            walk = frames(outbox.path_of(first), offset)
            try:
                for offset, frame in walk:
                    if ahead or seq_of(frame) >= seq:
                        ahead += frame
                        offset += len(frame)
                        if len(ahead) + len(frame) > _READ_BYTES:
                            break
            finally:
                walk.close()
            if ahead:
                outbox.ahead = ahead
                outbox.found = (first, offset, seq_of(frame) + 1)
                return ahead[: frame_length(ahead)]
    except OSError as error:
        raise StorageError("flash failed (error %s)" % error.errno)
    return None


def readings(outbox):
    """Yield the waiting readings, oldest first (`Outbox.readings`)."""
    frame = outbox.find(0, find)
    while frame:
        yield outbox.reading(frame)
        frame = outbox.find(seq_of(frame) + 1, find)


def newest(outbox):
    """Return the newest waiting reading, or None (`Outbox.newest`)."""
    for seq in range(outbox.next_seq - 1, outbox.acked, -1):
        frame = outbox.find(seq, find)
        if frame:
            return outbox.reading(frame)
    return None


# -- quarantine -----------------------------------------------------------------------------------


def quarantine(outbox, seq: int, reason: str) -> None:
    """Keep the outbox's oldest reading apart, and go on behind it (`Outbox.quarantine`)."""
    frame = outbox.oldest_frame()
    if frame is None or seq <= outbox.acked:
        return
    if seq_of(frame) != seq:
        raise ValueError("not the oldest")
    # Its first 100 characters, under "", a name no value can have. A reading that leaves no room
    # for them stays as it is: a character is up to 4 bytes.
    if reason and len(frame) + 500 <= READING_MAX:
        payload = bytearray(frame[3:-4])
        add_value(payload, "", reason[:100])
        frame = encode_frame(frame[0], payload)
    try:
        is_kept = _keep(outbox, seq, frame)
    except OSError as error:
        raise StorageError("flash failed (error %s)" % error.errno)
    if not is_kept:
        outbox.warn("no room to quarantine", "seq", seq)
    outbox.quarantined += 1
    outbox.acknowledge(seq)
    outbox.sync()  # the count, where acknowledging wrote nothing


def _keep(outbox, seq, frame):
    # Returns False where the flash has no room even for that.
    kept = load("storage.opening").listed(outbox, _KIND)
    # There already, where the power was cut before the outbox went on behind it.
    if kept and last_seq(outbox.path_of(kept[-1][0], _KIND)) == seq:
        return True
    if not kept or kept[-1][1] + len(frame) > _FILE_BYTES:
        kept.append([seq, 0])
    for files in (_FILES, 1):  # on a full flash the older one goes sooner
        while len(kept) > files:
            os.remove(outbox.path_of(kept.pop(0)[0], _KIND))
        try:
            with open(outbox.path_of(kept[-1][0], _KIND), "ab") as file:
                file.write(frame)
            return True
        except OSError:
            pass
    return False
