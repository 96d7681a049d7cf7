"""The ring of slots: the newest readings, each in a small file of its own.

A file this small is inline on littlefs: it lies in the directory's own log, and overwriting it is
one atomic metadata commit without an erase. Slot and seq belong together (`seq % SLOTS`), and no
slot is ever removed, so the ring remembers the highest seq when all else is gone.
"""

from micropython import const

from .readings import READING_MAX, reading_acked, reading_payload, reading_seq, reading_time

# Tried from 8 to 40 on both chips: 24 is the smallest with under 0.10 erases a reading on rp2, and
# under 0.20 in an outage; more slots only make opening slower. The directory's log splits by
# itself when it is half full.
SLOTS = const(24)
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
        return "%s/%s" % (self._folder, chr(97 + seq % SLOTS))

    def store(self, seq: int, length: int) -> None:
        """Write buffer[:length] to that seq's slot; on flash when this returns. Raises OSError."""
        with open(self._path(seq), "wb") as file:
            file.write(memoryview(self.buffer)[:length])

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
