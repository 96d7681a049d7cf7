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
        is_kept = _keep(outbox.path + "/backlog/", seq, frame)
    except OSError as error:
        raise StorageError("cannot quarantine a reading (error %s)" % error.errno)
    if not is_kept:
        outbox.warn("no room to quarantine", "seq", seq)
    outbox.quarantined += 1
    outbox.acknowledge(seq)
    outbox.sync()  # the count, where acknowledging wrote nothing


def readings(outbox):
    """Yield the readings that were quarantined and are still kept, oldest first."""
    folder = outbox.path + "/backlog/"
    for name in _names(folder):
        # All of a file at once: it may go while this waits.
        for _, frame in list(load("storage.segments").frames(folder + name)):
            yield outbox.reading(frame)


def _names(folder):
    names = [name for name in os.listdir(folder) if name[0] == "q" and len(name) == 9]
    return sorted(name for name in names if not name[1:].strip("0123456789abcdef"))


def _keep(folder, seq, frame):
    # Returns False where the flash has no room even for that.
    while True:
        names = _names(folder)
        size = _FILE_BYTES
        if names:
            path = folder + names[-1]
            size = os.stat(path)[6]
            last = load("storage.segments").last_seq(path)
            if last == seq:
                # There already: the power was cut before the outbox went on behind it.
                return True
            if not last:
                os.remove(path)
                continue
        try:
            if size + len(frame) > _FILE_BYTES:
                path = "%sq%08x" % (folder, seq)
                if len(names) == _FILES:
                    os.remove(folder + names.pop(0))
            with open(path, "ab") as file:
                file.write(frame)
            return True
        except OSError:
            if not names:
                return False
            os.remove(folder + names[0])
