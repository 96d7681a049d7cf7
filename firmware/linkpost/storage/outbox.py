"""The outbox: readings on flash until the platform has accepted them.

    outbox/stream               the stream's id, written once
    outbox/r0/a .. outbox/r3/f  the ring: the newest readings, one small file each (ring.py)
    outbox/acked/cursor         what was acknowledged, and the counts (position.py)
    outbox/backlog/s0000001a .. segments: older readings that still wait (segments.py)
    outbox/backlog/q0000001a .. readings set aside

Each has folders of its own: littlefs reads and rewrites a folder as a whole, so what changes often
must not lie beside what grows.

Rules
  1. A reading is on flash before `append` returns: one overwrite of the slot `seq % SLOTS`.
  2. A slot is overwritten only when its reading no longer needs it: it was acknowledged, or is in
     a segment. When a slot that still waits comes round, all slots that wait are appended to the
     last segment at once. Where a seq is in a segment, its slot is not looked at.
  3. The acknowledged position rides in the next reading's frame. The cursor is written only where
     no such frame follows before the next request: while readings still wait, before the last
     segment is removed (its readings are still in slots), and before sleep or a clean stop. So a
     cut repeats one request's worth at most.
  4. `next` is the highest seq present plus one. A reading stays in its slot until a newer one
     takes its place, so `next` is there when everything was acknowledged. A seq below the oldest
     present never counts as waiting. A slot that cannot be read counts as used.
  5. What is full drops its oldest segment, and the count is on flash, in the same write as the
     position, before the segment goes.
  6. What cannot be known is never guessed low: where the position is lost (the cursor lies far
     beyond all readings, or no whole slot is left), the stream gets a new id, and all that can be
     read waits. A receiver tells duplicates by (stream, seq), so a seq is never used twice.

What is true at each cut (each write is atomic on littlefs; where it is not, the CRC tells)
  first boot        no stream, or a stream and no readings: made again, nothing was promised
  append            the slot holds the old reading (acknowledged or in a segment) or the new one
  slots to segment  the segment ends as before, and the slots still wait; or it holds them, and
                    rule 2 hides the slots
  a new segment     is empty at first: removed when the outbox opens, and the slots still wait
  acknowledge       the position is the old one: those readings are sent again. Or the new one
  segment removal   the cursor is beyond it: what is left of it is removed at opening
  drop oldest       as removal; the position and the count are one write
  quarantine        the reading is set aside and still waits: it is set aside again, once, because
                    its seq is the last one there. Or position and count are written
  set_time          readings without time stay so. Or their boot's time is known
"""

from micropython import const

from ..errors import StorageError
from ..loader import load
from .backlog import Backlog
from .budget import Budget
from .position import Position, make_folder
from .quarantine import Quarantine
from .readings import (
    encode_reading,
    reading_payload,
    reading_seq,
    reading_time,
    reading_values,
    with_reason,
)
from .ring import SLOTS, Ring
from .segments import BLOCK_BYTES, Segments, list_files

_ENOSPC = const(28)


class Outbox:
    """Keeps readings in order until they are acknowledged, over any power cut.

    A reading, as it comes out, is (seq, Unix ms or None, values).

    Args: path of the folder, relative to the current directory; max_bytes that waiting and set
        aside readings may take, 16,384 or more, None for half of what is free. Beside them, up to
        16 blocks of 4096 bytes for the ring and the folders; random_bytes(n), for the stream's id;
        log or None.
    Attributes: stream (8 hex digits); newest_unix_ms, the newest time found at opening, or 0.
    Raises: StorageError where the flash fails. Whatever else is there opens to a correct state.
    Memory: about 1 KB kept. An append 1.6 KB; every 24th in an outage the buffers of 25 files, one
        after the other. None of it kept.
    """

    def __init__(self, path: str, max_bytes, random_bytes, log=None):
        self._log = log
        self._untimed = 0  # the last reading of this boot whose time is not known
        folder = path + "/backlog"
        try:
            self._position = position = Position(path)
            self._ring = Ring(path)
            make_folder(folder)
            files = list_files(folder)
            self._quarantine = Quarantine(folder, files)
            self._segments = segments = Segments(folder, "s", BLOCK_BYTES, files)
            self._budget = Budget(path, max_bytes, segments.used_bytes)
            segments.segment_bytes = self._budget.segment_bytes
            self._backlog = Backlog(self._ring, segments, position)
            if load("storage.recovery").recover(self._ring, segments, position):
                position.keep_stream(random_bytes)
            else:
                position.new_stream(random_bytes)
                self._warn("position lost, new stream", "next", position.next_seq)
                self._write()
            self._remove_acknowledged()
        except OSError as error:
            raise StorageError("cannot open %s (error %s)" % (path, error.errno))
        self.stream = position.stream
        self.newest_unix_ms = self._ring.newest_unix_ms
        self._boot = position.next_seq  # names this boot

    @property
    def next_seq(self) -> int:
        """The seq of the next reading, from 1."""
        return self._position.next_seq

    @property
    def max_bytes(self) -> int:
        """What waiting readings may take on flash, bytes."""
        return self._budget.max_bytes

    @property
    def pending(self) -> int:
        """How many wait; until it is met, one that cannot be read counts too."""
        return self._position.next_seq - 1 - self._position.acked

    @property
    def dropped(self) -> int:
        """How many were lost to a full flash or a corrupt record since the stream began."""
        return self._position.dropped

    @property
    def quarantined(self) -> int:
        """How many were set aside since the stream began."""
        return self._position.quarantined

    def append(self, values: dict, unix_ms, uptime_ms=None) -> int:
        """Store one reading; return its seq. It is on flash when this returns.

        Args: values, {name: number | text | bool}, and "error" with a dict of texts; unix_ms, when
            it was taken, or None while the clock is not right; uptime_ms, ms since boot, so that
            the time can be filled in after `set_time`.
        Raises: StorageError where the flash fails, or is full and has nothing of ours to drop; and
            for a value that cannot be stored.
        """
        position = self._position
        seq = position.next_seq
        if seq - SLOTS > max(position.acked, self._segments.last_seq):
            self._empty_ring()
        length = encode_reading(
            self._ring.buffer, seq, position.acked, self._boot, unix_ms, uptime_ms, values
        )
        try:
            self._store(seq, length)
        except OSError as error:
            # It may be there all the same; then its seq is used.
            if self._ring.load(seq) != seq:
                raise StorageError("cannot store a reading (error %s)" % error.errno)
        position.next_seq = seq + 1
        if unix_ms is None and uptime_ms is not None:
            self._untimed = seq
        return seq

    def _store(self, seq, length):
        while True:
            try:
                self._ring.store(seq, length)
                return
            except OSError as error:
                if error.errno != _ENOSPC or not self._drop_oldest():
                    raise

    def _empty_ring(self):
        # All slots that wait go to the last segment. What is full loses its oldest segment first.
        segments = self._segments
        while True:
            try:
                while segments.firsts and self._budget.is_full(segments):
                    self._drop_oldest()
                segments.append(self._backlog.only_in_slots(), self._budget.max_bytes)
                return
            except OSError as error:
                if error.errno != _ENOSPC:
                    raise StorageError("cannot store readings (error %s)" % error.errno)
            if not self._drop_oldest():
                # The flash is full of other things. The ring goes on alone.
                self._lose(self._position.next_seq - SLOTS, "flash full, oldest dropped")
                self._write()
                return

    def _drop_oldest(self):
        segments = self._segments
        if not segments.firsts:
            return False
        self._lose(segments.last_of_first(), "full, oldest dropped")
        # First the count, then the loss. A flash too full even for this has room afterwards.
        written = self._write()
        try:
            segments.remove_first()
        except OSError as error:
            raise StorageError("cannot remove readings (error %s)" % error.errno)
        if not written:
            self._write()
        return True

    def _lose(self, seq, phrase):
        # Counts what waits up to seq as dropped. Not written yet.
        position = self._position
        count = seq - position.acked
        if count > 0:
            position.dropped += count
            position.acked = seq
            self._warn(phrase, "count", count, "dropped", position.dropped)

    def set_time(self, unix_ms_at_boot: int) -> None:
        """Say when this boot was, so that its readings without time get theirs.

        It is kept on flash where such readings wait, for they may be sent by a later boot.
        """
        self._position.set_boot_time(self._boot, unix_ms_at_boot)
        if self._untimed > self._position.acked:
            self._write()

    def oldest(self):
        """Return the oldest waiting reading, (seq, Unix ms or None, values), or None."""
        frame = self._settle()
        return None if frame is None else self._reading(frame)

    def newest(self):
        """Return the newest waiting reading, or None."""
        frame = self._backlog.newest()
        return None if frame is None else self._reading(frame)

    def readings(self):
        """Yield the waiting readings, oldest first; the outbox may change meanwhile."""
        return self._all(self._backlog.find)

    def quarantined_readings(self):
        """Yield the readings that were set aside and are still kept, oldest first."""
        return self._all(self._quarantine.find)

    def _all(self, find):
        seq = 0
        while True:
            frame = find(seq + 1)
            if frame is None:
                return
            reading = self._reading(frame)
            frame = None  # its buffer must be free to grow while this waits
            seq = reading[0]
            yield reading

    def _reading(self, frame):
        payload = reading_payload(frame)
        unix_ms, boot = reading_time(frame[0], payload)
        if boot:
            started = self._position.boot_time(boot)
            unix_ms = None if started is None else started + unix_ms
        return reading_seq(payload), unix_ms, reading_values(payload)

    def _settle(self):
        # Returns the oldest waiting frame. What is missing before it was lost to a corrupt record:
        # counted as dropped, so that nothing goes in silence and `pending` comes to an end.
        if not self.pending:
            return None
        frame = self._backlog.find(0)
        found = self.next_seq if frame is None else reading_seq(reading_payload(frame))
        self._lose(found - 1, "unreadable, dropped")
        if frame is None:
            self._write()
            self._remove_acknowledged()
        return frame

    def acknowledge(self, seq: int) -> None:
        """Forget all readings up to and including seq: the platform has accepted them."""
        seq = min(seq, self.next_seq - 1)
        if seq > self._position.acked:
            self._position.acked = seq
            # Rule 3: not written where all is well, which is nearly always.
            if self.pending or self._segments.firsts:
                self._write()
            self._remove_acknowledged()

    def quarantine(self, seq: int, reason: str = "") -> None:
        """Set the oldest waiting reading aside: the platform refuses it for its own sake.

        About 60 are kept, the oldest go first; `quarantined` counts all, also where there was no
        room to keep one. A reason, the platform's code and words, is kept among the values, as "".
        Raises: ValueError where seq waits but is not the oldest.
        """
        frame = self._settle()
        if frame is None or seq <= self._position.acked:
            return
        if reading_seq(reading_payload(frame)) != seq:
            raise ValueError("%d is not the oldest waiting reading" % seq)
        if reason:
            frame = with_reason(frame, reason)
        if not self._quarantine.set_aside(seq, frame):
            self._warn("no room to set aside", "seq", seq)
        self._position.quarantined += 1
        self._position.acked = seq
        self._write()
        self._remove_acknowledged()

    def _remove_acknowledged(self):
        segments = self._segments
        while segments.firsts and segments.last_of_first() <= self._position.acked:
            try:
                segments.remove_first()
            except OSError as error:  # it is removed at the next opening
                self._warn("not removed", "errno", error.errno)
                return

    def sync(self) -> None:
        """Write the position, so that nothing is sent twice and the next opening is quick.

        For a clean stop and before deep sleep. No readings depend on it.
        """
        self._write()

    close = sync  # no file is held open

    def _write(self):
        if self._position.write():
            return True
        self._warn("position not written")
        return False

    def _warn(self, phrase, *pairs):
        if self._log:
            self._log.warning("store", phrase, *pairs)
