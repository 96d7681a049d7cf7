"""Where the readings that wait lie: the older ones in segments, the newest in their slots only."""

from .ring import SLOTS


class Backlog:
    """Looks a reading up, wherever it lies. Args: ring, segments, position of the outbox."""

    def __init__(self, ring, segments, position):
        self._ring = ring
        self._segments = segments
        self._position = position

    def find(self, seq: int):
        """Return the frame of the first waiting reading at or above seq, or None.

        A memoryview, good until the next call. Raises: StorageError.
        """
        seq = max(seq, self._position.acked + 1)
        frame = self._segments.find(seq)
        if frame is not None:
            return frame
        for slot in self._slots_from(seq):
            if self._ring.load(slot) == slot:
                return self._ring.frame()
        return None

    def newest(self):
        """Return the frame of the newest waiting reading, or None."""
        newest = self._position.next_seq - 1
        for seq in range(newest, max(self._position.acked, newest - SLOTS), -1):
            if self._ring.load(seq) == seq:
                return self._ring.frame()
        # No whole slot is left.
        return self.find(self._segments.last_seq) if newest > self._position.acked else None

    def only_in_slots(self):
        """Yield (seq, frame) of the waiting readings that no segment has."""
        for seq in self._slots_from(self._position.acked + 1):
            if self._ring.load(seq) == seq:
                yield seq, self._ring.frame()

    def _slots_from(self, seq):
        # Rule 2 of the outbox: where a seq is in a segment, its slot is not looked at.
        next_seq = self._position.next_seq
        return range(max(seq, self._segments.last_seq + 1, next_seq - SLOTS), next_seq)
