"""Readings that the platform refuses for their own sake: kept for people to look at.

Two files of one block each, so about 60 readings; the older file goes when both are full. Loaded
for a moment.
"""

import os

from micropython import const

from ..errors import StorageError
from ..loader import load
from .readings import READING_MAX, add_value, encode_frame, parse_frame, seq_of

_FILES = const(2)
_FILE_BYTES = const(4096)
_KIND = "q"  # of `Outbox.path_of`


def quarantine(outbox, seq: int, reason: str) -> None:
    """Keep the outbox's oldest reading apart, and go on behind it (`Outbox.quarantine`)."""
    frame = outbox.oldest_frame()
    if frame is None or seq <= outbox.acked:
        return
    if seq_of(frame) != seq:
        raise ValueError("%d is not the oldest waiting reading" % seq)
    # Its first 100 characters, under "", a name no value can have. A reading that leaves no room
    # for them stays as it is: a character is up to 4 bytes.
    if reason and len(frame) + 500 <= READING_MAX:
        payload = bytearray(parse_frame(frame[0], frame))
        add_value(payload, "", reason[:100])
        frame = encode_frame(frame[0], payload)
    try:
        is_kept = _keep(outbox, seq, frame)
    except OSError as error:
        raise StorageError("cannot quarantine a reading (error %s)" % error.errno)
    if not is_kept:
        outbox.warn("no room to quarantine", "seq", seq)
    outbox.quarantined += 1
    outbox.acknowledge(seq)
    outbox.sync()  # the count, where acknowledging wrote nothing


def readings(outbox):
    """Yield the readings that were quarantined and are still kept, oldest first."""
    for first, _ in load("storage.opening").listed(outbox, _KIND):
        # All of a file at once: it may go while this waits.
        for _, frame in list(load("storage.segments").frames(outbox.path_of(first, _KIND))):
            yield outbox.reading(frame)


def _keep(outbox, seq, frame):
    # Returns False where the flash has no room even for that.
    kept = load("storage.opening").listed(outbox, _KIND)
    # There already, where the power was cut before the outbox went on behind it.
    if kept and load("storage.segments").last_seq(outbox.path_of(kept[-1][0], _KIND)) == seq:
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
