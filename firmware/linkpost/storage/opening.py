"""Opening an outbox: from what lies on flash to the state it stands for. Loaded for a moment."""

import os
import struct

from micropython import const

from ..errors import StorageError
from ..loader import load
from .outbox import CURSOR, SLOTS
from .readings import encode_frame, parse_frame, seq_of, time_of

_STREAM = const(0x53)
_COUNTS_BYTES = const(16)
_FOLDERS = const(4)  # of the ring
# In a reading's frame (readings.py).
_LAG = const(7)
_LAG_MAX = const(255)


def open_outbox(outbox, random_bytes) -> str:
    """Set an outbox' attributes by what is on flash, and that in order; return the stream's id.

    Raises: StorageError.
    """
    stream_path = outbox.path + "/stream"
    try:
        _read_cursor(outbox)
        # A segment without a single whole reading is removed.
        found = listed(outbox)
        while found and not outbox.last_in_segments:
            path = outbox.path_of(found[-1][0])
            outbox.last_in_segments = load("storage.segments").last_seq(path)
            if not outbox.last_in_segments:
                os.remove(path)
                found.pop()
        outbox.segments = found
        is_sure = _recover(outbox)
        stream = None
        if is_sure:
            stream = parse_frame(_STREAM, _read(stream_path))
        else:
            outbox.warn("cursor lost, new id", "next", outbox.next_seq)
        if stream is None or len(stream) != 4:
            stream = random_bytes(4)
            outbox.write(stream_path, encode_frame(_STREAM, stream))
            if not is_sure:
                outbox.sync()
    except OSError as error:
        raise StorageError("cannot open %s (error %s)" % (outbox.path, error.errno))
    if outbox.segments and outbox.last_of_first() <= outbox.acked:
        load("storage.growing").remove_acknowledged(outbox)
    return "%08x" % int.from_bytes(stream, "little")


def _read_cursor(outbox):
    outbox.cursor = _read(outbox.path + "/acked/cursor")
    payload = parse_frame(CURSOR, outbox.cursor) or b""
    if len(payload) >= _COUNTS_BYTES:
        outbox.next_seq, outbox.acked, outbox.dropped, outbox.quarantined = struct.unpack_from(
            "<IIII", payload
        )
        outbox.boots = bytes(payload[_COUNTS_BYTES:])
    folders = ["/backlog"]
    if outbox.next_seq <= _FOLDERS:  # no cursor, or the ring has not been in all of them yet
        folders[:0] = "", "/acked", "/r0", "/r1", "/r2", "/r3"
    for folder in folders:
        try:
            os.mkdir(outbox.path + folder)
        except OSError:
            pass  # it is there


def listed(outbox, kind: str = "s") -> list:
    """Return [first seq, bytes] of each segment, or of the quarantine's files ("q"), in order."""
    folder = outbox.path + "/backlog"
    found = []
    # MicroPython lists sizes of littlefs at no further cost; a stat looks for the name from the
    # folder's start again: some 200 block reads each behind a long backlog.
    for name, *details in os.ilistdir(folder):
        # Others' files stay alone.
        number = name[1:]
        if name.startswith(kind) and len(number) == 8 and not number.strip("0123456789abcdef"):
            size = details[2] if len(details) > 2 else os.stat(folder + "/" + name)[6]
            found.append([int(number, 16), size])
    found.sort()
    return found


def _recover(outbox):
    # Sets next_seq and acked. Returns False where some readings may be missing whose seqs cannot
    # be known: the stream then needs a new id, and all that can be read waits.
    wanted = next_seq = outbox.next_seq
    acked = outbox.acked
    sure = acked < wanted
    outbox.acked = 0  # now what slots tell of it
    # A cursor that is as new as the ring, after a clean stop, is all: its last reading is there.
    if wanted == 1 or _look(outbox, wanted - 1) < wanted - 1:
        found = [_look(outbox, slot) for slot in range(SLOTS)]
        if max(found) <= 0 and (wanted > 1 or min(found) < 0 or outbox.segments):
            sure = False
        next_seq = max(max(found), outbox.last_in_segments) + 1
    # The ring goes on for as long as slots hold what can only be newer. One that cannot be read
    # counts as newer: its seq may have been used.
    unreadable = []
    while len(unreadable) < SLOTS:
        newer = _look(outbox, next_seq)
        if newer >= next_seq:
            next_seq = newer
            unreadable = []
        elif newer >= 0:
            break
        else:
            unreadable.append(next_seq)
        next_seq += 1
    # The cursor may know of readings that cannot be found: the newest ones, lost to damage, or so
    # many that it cannot be believed.
    if wanted - next_seq > SLOTS:
        sure = False
    else:
        next_seq = max(next_seq, wanted)
    # A seq below the oldest present never waits. Nothing is inferred from the ring where there
    # are segments: a slot that cannot be read would make it look further on than it is.
    oldest = outbox.segments[0][0] if outbox.segments else next_seq - SLOTS
    outbox.next_seq = next_seq
    outbox.acked = max(acked if sure else 0, outbox.acked, oldest - 1)
    if unreadable and outbox.sync():
        # Passed over once, and not at each boot again.
        for seq in unreadable:
            os.remove(outbox.slot_path(seq))
    return sure


def _look(outbox, seq):
    # Returns the seq found in the slot of that seq, 0: nothing there, -1: no reading. Notes what
    # the slot tells of time, and up to where all was acknowledged when it was written.
    frame = outbox.read_slot(seq)
    if not frame:
        return -1 if frame is None else 0
    found = seq_of(frame)
    lag = frame[_LAG]
    if lag < _LAG_MAX:
        outbox.acked = max(outbox.acked, found - 1 - lag)
    outbox.newest_unix_ms = max(outbox.newest_unix_ms, time_of(frame) or 0)
    return found


def _read(path):
    # Returns b"" for what cannot be read.
    try:
        with open(path, "rb") as file:
            return file.read(256)
    except OSError:
        return b""
