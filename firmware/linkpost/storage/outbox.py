"""The outbox: readings on flash until the platform has accepted them.

    outbox/stream               the stream's id, written once
    outbox/r0/a .. outbox/r3/f  the ring: the newest readings, each in a slot, a small file
    outbox/acked/cursor         the cursor: what was acknowledged, the counts, boots' times
    outbox/backlog/s0000001a .. segments: older readings that still wait (segments.py)
    outbox/backlog/q0000001a .. quarantined readings (segments.py)

Each has folders of its own: littlefs reads and rewrites a folder as a whole, so what changes often
must not lie beside what grows.

A slot is inline on littlefs: it lies in its folder's own log, and overwriting it is one atomic
metadata commit without an erase. A folder's log is one block: when it is full, what is current is
copied to another block, the one erase of all that. Six slots a folder leave room for 12 commits
between two copies on rp2, where a commit takes 256 bytes; 12 slots a folder left 9, and littlefs'
own way of splitting a folder gave now one, now the other. The cursor is such a file too. The
stream's id is written once: whatever happens to the cursor, the readings keep the stream that they
were numbered in.

This module is what a board without trouble needs. What is rare is loaded for a moment: opening
(opening.py), segments being read and readings being quarantined (segments.py), and segments being
grown, dropped and removed (growing.py). They work on the Outbox that they are handed.

Rules
  1. A reading is on flash before `append` returns: one overwrite of the slot `seq % SLOTS`.
  2. A slot is overwritten only when its reading no longer needs it: it was acknowledged, or is in
     a segment. When a slot that still waits comes round, all slots that wait are appended to the
     last segment at once. Where a seq is in a segment, its slot is not looked at.
  3. The highest acknowledged seq rides in the next reading's frame. The cursor is written only
     where no such frame follows before the next request: while readings still wait, before the
     last segment is removed (its readings are still in slots), and before sleep or a clean stop.
     So a cut repeats one request's worth at most.
  4. `next` is the highest seq present plus one. A reading stays in its slot until a newer one
     takes its place, so `next` is there when everything was acknowledged. A seq below the oldest
     present never counts as waiting. A slot that cannot be read counts as used.
  5. What is full drops its oldest segment, and the count is on flash, in the same write as the
     cursor's, before the segment goes.
  6. What cannot be known is never guessed low: where the cursor cannot be believed (it lies far
     beyond all readings, or no whole slot is left), the stream gets a new id, and all that can be
     read waits. A receiver tells duplicates by (stream, seq), so a seq is never used twice.

What is true at each cut (each write is atomic on littlefs; where it is not, the CRC tells)
  first boot        no stream, or a stream and no readings: made again, nothing was promised
  append            the slot holds the old reading (acknowledged or in a segment) or the new one
  slots to segment  the segment ends as before, and the slots still wait; or it holds them, and
                    rule 2 hides the slots
  a new segment     is empty at first: removed when the outbox opens, and the slots still wait
  acknowledge       the cursor is the old one: those readings are sent again. Or the new one
  segment removal   the cursor is beyond it: what is left of it is removed at opening
  drop oldest       as removal; cursor and count are one write
  quarantine        the reading is kept apart and still waits: it is not kept twice, because its
                    seq is the last one there. Or cursor and count are written
  set_time          readings without time stay so. Or their boot's time is known

Out of memory (any allocation, so also a module that cannot be loaded) is like a cut at the same
place, and the Outbox goes on: what is on flash comes first, attributes follow once it is there.
"""

import struct

from micropython import const

from ..loader import load
from .readings import (
    encode_frame,
    encode_reading,
    frame_length,
    is_whole_reading,
    seq_of,
    time_of,
    values_of,
)

# Tried from 8 to 40 on both chips: fewer slots move to a segment too often in an outage, more only
# make opening slower.
SLOTS = const(24)
CURSOR = const(0x43)  # the kind of the cursor's frame
_FOLDERS = const(4)
_ENOENT = const(2)


class Outbox:
    """Keeps readings in order until they are acknowledged, over any power cut.

    A reading, as it comes out, is (seq, Unix ms or None, values).

    Args: path of the folder, relative to the current directory; max_bytes that waiting and
        quarantined readings may take, 16,384 or more, None for half of what is free. Beside them,
        up to 16 blocks of 4096 bytes for the ring and the folders; random_bytes(n), for the
        stream's id; log or None.
    Attributes: stream (8 hex digits); next_seq, of the next reading, from 1; dropped, how many
        were lost to a full flash or a corrupt record since the stream began; quarantined, how many
        were since then; newest_unix_ms, the newest time found at opening, or 0. All others are
        for the modules of this room.
    Raises: StorageError where the flash fails, or a file has the name of a folder. Whatever else
        is there opens to a correct state. MemoryError; then also of each method, and it can be
        called again.
    Memory: 0.5 KB kept, and 0.5 KB while segments are read. An append 1.7 KB, 1.1 KB of it the
        file's; every 24th in an outage that of 25 files, one after the other. None of it kept.
    """

    def __init__(self, path: str, max_bytes, random_bytes, log=None):
        self.path = path
        self.granted_bytes = max_bytes
        self.log = log
        # What the cursor holds, and its frame as it is on flash. boots: see `time_of`.
        self.next_seq = 1
        self.acked = self.dropped = self.quarantined = 0
        self.boots = self.cursor = b""
        # The segments, [first seq, bytes]; up to which seq all is in one.
        self.segments = []
        self.last_in_segments = 0
        # Readings of a segment behind the one found last, and where there are more (segments.py).
        # In one piece: 24 small ones, for as long as they wait, cut the heap for what needs one.
        self.ahead = b""
        self.found = (0, 0, 0)
        self._frame = bytearray(192)  # each reading is made in it
        self._untimed = 0  # the last reading of this boot whose time is not known
        self.newest_unix_ms = 0
        # Before anything is loaded: what grows then lies behind it.
        self.stream = self._boot = None
        self.stream = load("storage.opening").open_outbox(self, random_bytes)
        self._boot = self.next_seq  # names this boot

    @property
    def max_bytes(self) -> int:
        """What waiting readings may take on flash, bytes. Without a grant: slow, once."""
        return load("storage.growing").max_bytes(self)

    @property
    def pending(self) -> int:
        """How many wait; until it is met, one that cannot be read counts too."""
        return self.next_seq - 1 - self.acked

    def append(self, values: dict, unix_ms, uptime_ms=None) -> int:
        """Store one reading; return its seq. It is on flash when this returns.

        Args: values, {name: number | text | bool}, and "error" with a dict of texts; unix_ms, when
            it was taken, or None while the clock is not right; uptime_ms, ms since boot, so that
            the time can be filled in after `set_time`.
        Raises: StorageError where the flash fails, or is full and has nothing of ours to drop; and
            for a value that cannot be stored.
        """
        seq = self.next_seq
        if seq - SLOTS > max(self.acked, self.last_in_segments):
            load("storage.growing").empty_ring(self)
        frame = self._frame
        encode_reading(frame, seq, self.acked, self._boot, unix_ms, uptime_ms, values)
        try:
            self.write(self.slot_path(seq), frame)
        except OSError as error:
            load("storage.growing").store_anyway(self, seq, frame, error)
        self.next_seq = seq + 1
        if unix_ms is None and uptime_ms is not None:
            self._untimed = seq
        return seq

    def write(self, path, data):
        with open(path, "wb") as file:
            file.write(data)

    def slot_path(self, seq):
        slot = chr(97 + seq // _FOLDERS % (SLOTS // _FOLDERS))
        return "%s/r%d/%s" % (self.path, seq % _FOLDERS, slot)

    def path_of(self, first, kind="s"):
        return "%s/backlog/%s%08x" % (self.path, kind, first)

    def read_slot(self, seq):
        """Return the frame of the reading in the slot that seq belongs to, whatever its seq.

        b"": nothing there, or an empty file, which is what a cut leaves at a slot's first write.
        None: something that is no reading.
        """
        try:
            with open(self.slot_path(seq), "rb") as file:
                frame = file.read(256)
                if len(frame) == 256:
                    frame += file.read(2048)
        except OSError as error:
            return b"" if error.errno == _ENOENT else None
        if frame and not (is_whole_reading(frame) and seq_of(frame) % SLOTS == seq % SLOTS):
            return None
        return frame

    def set_time(self, unix_ms_at_boot: int) -> None:
        """Say when this boot was, so that its readings without time get theirs.

        It is kept on flash where such readings wait, for they may be sent by a later boot. The
        last four such boots are.
        """
        boot = self._boot.to_bytes(4, "little")
        boots = self.boots
        if boots[-10:-6] == boot:
            boots = boots[:-10]
        self.boots = boots[-30:] + boot + unix_ms_at_boot.to_bytes(6, "little")
        if self._untimed > self.acked:
            self.sync()

    def oldest(self):
        """Return the oldest waiting reading, (seq, Unix ms or None, values), or None."""
        frame = self.oldest_frame()
        return frame and self.reading(frame)

    def oldest_frame(self):
        # What is missing before it was lost to a corrupt record: counted as dropped, so that
        # nothing goes in silence and `pending` comes to an end.
        if not self.pending:
            return None
        frame = self.find(0)
        if frame is None or seq_of(frame) > self.acked + 1:
            load("storage.growing").drop_unreadable(self, frame)
        return frame

    def newest(self):
        """Return the newest waiting reading, or None."""
        return load("storage.segments").newest(self)

    def readings(self):
        """Yield the waiting readings, oldest first; the outbox may change meanwhile."""
        return load("storage.segments").readings(self)

    def find(self, seq, find_in_segments=None):
        """Return the frame of the first waiting reading at or above seq, or None.

        Raises: StorageError.
        """
        seq = max(seq, self.acked + 1)
        if seq <= self.last_in_segments:
            ahead = self.ahead
            while ahead:
                frame = ahead[: frame_length(ahead)]
                if seq_of(frame) == seq:
                    return frame
                ahead = ahead[len(frame) :]
            frame = (find_in_segments or load("storage.segments").find)(self, seq)
            if frame:
                return frame
        for slot in range(max(seq, self.first_slot()), self.next_seq):
            frame = self.read_slot(slot)
            if frame and seq_of(frame) == slot:
                return frame
        return None

    def first_slot(self):
        """Return the first seq whose slot counts: rule 2."""
        return max(self.last_in_segments + 1, self.next_seq - SLOTS)

    def reading(self, frame):
        return seq_of(frame), time_of(frame, self.boots), values_of(frame)

    def acknowledge(self, seq: int) -> None:
        """Forget all readings up to and including seq: the platform has accepted them."""
        seq = min(seq, self.next_seq - 1)
        if seq > self.acked:
            self.acked = seq
            # Rule 3: not written where all is well, which is nearly always.
            if self.pending or self.segments:
                self.sync()
            if self.segments and self.last_of_first() <= seq:
                load("storage.growing").remove_acknowledged(self)

    def last_of_first(self):
        """Return the last seq of the first segment."""
        return self.segments[1][0] - 1 if len(self.segments) > 1 else self.last_in_segments

    def quarantine(self, seq: int, reason: str = "") -> None:
        """Keep the oldest waiting reading apart: the platform refuses it for its own sake.

        About 60 are kept, the oldest go first; `quarantined` counts all, also where there was no
        room to keep one. A reason, the platform's code and message, is kept among the values, as
        "".
        Raises: ValueError where seq waits but is not the oldest.
        """
        load("storage.segments").quarantine(self, seq, reason)

    def sync(self) -> bool:
        """Write the cursor, so that nothing is sent twice and the next opening is quick.

        For a clean stop and before deep sleep. No readings depend on it. Nothing is written where
        it is there already. Returns: whether it is there now.
        """
        counts = struct.pack("<IIII", self.next_seq, self.acked, self.dropped, self.quarantined)
        cursor = encode_frame(CURSOR, counts + self.boots)
        if cursor != self.cursor:
            try:
                self.write(self.path + "/acked/cursor", cursor)
            except OSError:  # never fatal: without it some readings are sent twice
                self.warn("cursor not written")
                return False
            self.cursor = cursor
        return True

    close = sync  # no file is held open

    def warn(self, phrase, *pairs):
        if self.log:
            self.log.warning("store", phrase, *pairs)
