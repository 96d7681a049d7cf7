"""The ring of slots: the newest readings, each in a small file of its own.

A file this small is inline on littlefs: it lies in its folder's own log, and overwriting it is one
atomic metadata commit without an erase. Slot and seq belong together (`seq % SLOTS`), and no
reading is ever removed from its slot, so the ring remembers the highest seq when all else is gone.

A folder's log is one block: when it is full, what is current is copied to another block, the one
erase of all that. Six slots a folder leave room for 12 commits between two copies on rp2, where a
commit takes 256 bytes; 12 slots a folder left 9, and littlefs' own way of splitting a folder gave
now one, now the other.
"""

import os

from micropython import const

from .readings import READING_MAX, reading_acked, reading_payload, reading_seq, reading_time

# Tried from 8 to 40 on both chips: fewer slots move to a segment too often in an outage, more only
# make opening slower.
SLOTS = const(24)
_FOLDERS = const(4)
_FIRST_BUFFER = const(160)


class Ring:
    """Slots in a folder, and the one buffer through which their frames pass.

    Attributes: buffer, which holds the frame last loaded; acked, the highest acknowledged seq, and
    newest_unix_ms, the newest time, that any frame loaded so far told of.
    """

    def __init__(self, folder: str):
        self._folder = folder
        self.buffer = bytearray(_FIRST_BUFFER)
        self._length = self.acked = self.newest_unix_ms = 0

    def _path(self, seq):
        slot = chr(97 + seq // _FOLDERS % (SLOTS // _FOLDERS))
        return "%s/r%d/%s" % (self._folder, seq % _FOLDERS, slot)

    def store(self, seq: int, length: int) -> None:
        """Write buffer[:length] to that seq's slot; on flash when this returns. Raises OSError."""
        try:
            self._write(seq, length)
        except OSError as error:
            if error.errno != 2:  # ENOENT: the folder, on the first lap
                raise
            os.mkdir("%s/r%d" % (self._folder, seq % _FOLDERS))
            self._write(seq, length)

    def _write(self, seq, length):
        with open(self._path(seq), "wb") as file:
            file.write(memoryview(self.buffer)[:length])

    def remove(self, seq: int) -> None:
        """Remove what lies in that seq's slot and is no reading. Raises OSError."""
        os.remove(self._path(seq))

    def load(self, seq: int) -> int:
        """Read the slot that seq belongs to. Return the seq found there.

        0: nothing there, or an empty file, which is what a cut leaves at a slot's first write.
        -1: something that is no reading.
        """
        self._length = 0
        try:
            with open(self._path(seq), "rb") as file:
                length = file.readinto(self.buffer)
                if length == len(self.buffer):
                    # Longer than the buffer. A new one: the old one may still be looked at.
                    self.buffer = bytearray(READING_MAX)
                    file.seek(0)
                    length = file.readinto(self.buffer)
        except OSError as error:
            if error.errno == 2:  # ENOENT
                return 0
            return -1
        if length == 0:
            return 0
        payload = reading_payload(memoryview(self.buffer)[:length])
        if payload is None or reading_seq(payload) % SLOTS != seq % SLOTS:
            return -1
        self._length = length
        self.acked = max(self.acked, reading_acked(payload))
        unix_ms, boot = reading_time(self.buffer[0], payload)
        if unix_ms and not boot:
            self.newest_unix_ms = max(self.newest_unix_ms, unix_ms)
        return reading_seq(payload)

    def frame(self):
        """Return the frame last loaded: a memoryview, good until the next load or store."""
        return memoryview(self.buffer)[: self._length]
