"""The outbox: readings on flash until the platform has accepted them.

    outbox/stream           the stream's id, written once
    outbox/a .. outbox/x    the ring: the newest readings, one slot file each (ring.py)
    outbox/log/cursor       what was acknowledged, and the counts
    outbox/log/s000001a ..  segments: older readings that still wait (segments.py)
    outbox/log/q000001a ..  readings set aside

Rules
  1. A reading is on flash before `append` returns: one overwrite of the slot `seq % SLOTS`.
  2. A slot is overwritten only when its reading no longer needs it: it was acknowledged, or is in
     a segment. When a slot that still waits comes round, all slots that wait are appended to the
     last segment at once. Where a seq is in a segment, its slot is not looked at.
  3. The acknowledged position rides in the next reading's frame. The cursor is written only where
     no such frame follows before the next request: while readings still wait, before the last
     segment is removed (its readings are still in slots), and before sleep or a clean stop. So a
     cut repeats one request's worth at most.
  4. `next` is the highest seq present plus one. Slots are never removed, so it is there when
     everything was acknowledged. A seq below the oldest present never counts as waiting.
  5. What is full drops its oldest segment, and the count is on flash, in the same write as the
     position, before the segment goes.
  6. What cannot be known is never guessed low: where the position is lost (the cursor lies beyond
     all readings, or there is no whole slot left), the stream gets a new id, and all that can be
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

import os
import struct

from micropython import const

from ..errors import StorageError
from .files import read_bytes
from .frame import encode_frame, parse_frame
from .readings import encode_reading, reading_payload, reading_seq, reading_time, reading_values
from .ring import SLOTS, Ring
from .segments import BLOCK_BYTES, Segments

_STREAM = const(0x53)
_CURSOR = const(0x43)
_CURSOR_HEAD = "<IIII"  # next, acknowledged, dropped, quarantined; then boots and their times
_BOOT_BYTES = const(10)  # first seq of a boot, 4; Unix ms at its start, 6
_BOOTS_MAX = const(4)

_QUARANTINE_FILES = const(2)  # of one block each: 60 readings or more
# A full budget is this many segments: what one drop loses, and what is kept in RAM, depend on it.
_SEGMENTS = const(32)
_SEGMENTS_BYTES_MIN = const(8192)
# Left to the token, the config and littlefs' own needs when the flash gets full.
_RESERVE_BLOCKS = const(6)
_ENOSPC = const(28)


class Outbox:
    """Keeps readings in order until they are acknowledged, over any power cut.

    Args: path of the folder, relative to the current directory; max_bytes that waiting and set
        aside readings may take, 16,384 or more, None for half of what is free. Beside them, up to
        12 blocks of 4096 bytes for the ring and the folders; random_bytes(n), for the stream's id;
        log or None.
    Attributes: stream (8 hex digits); next_seq; pending, how many wait, give or take what cannot
        be read; dropped and quarantined, counted since the stream began; newest_unix_ms, the
        newest time found on flash at opening, or 0.
    Raises: StorageError where the flash fails. Whatever else is there opens to a correct state.
    Memory: about 1 KB kept; an append 1.6 KB, every 24th in an outage more, none of it kept.
    """

    def __init__(self, path: str, max_bytes, random_bytes, log=None):
        self._path = path
        self._logs = path + "/log"
        self._log = log
        self.dropped = self.quarantined = self.newest_unix_ms = 0
        self._boots = []  # [first seq of a boot, Unix ms at its start]
        self._untimed = 0  # the last reading of this boot whose time is not known
        try:
            self._make_folders()
            self._ring = Ring(path)
            self._quarantine = Segments(self._logs, "q", BLOCK_BYTES)
            # The size of a segment is not known yet: it may depend on what they take.
            self._segments = Segments(self._logs, "s", 0)
            if max_bytes is None:
                max_bytes = (self._free_bytes() + self._segments.used_bytes) // 2
            max_bytes -= _QUARANTINE_FILES * BLOCK_BYTES
            self._max_bytes = max(max_bytes, _SEGMENTS_BYTES_MIN)
            blocks = (self._max_bytes // _SEGMENTS + BLOCK_BYTES - 1) // BLOCK_BYTES
            self._segments.segment_bytes = blocks * BLOCK_BYTES
            self._recover(random_bytes)
        except OSError as error:
            raise StorageError("cannot open %s (error %s)" % (path, error.errno))
        self._boot = self.next_seq

    # Opening

    def _make_folders(self):
        for folder in (self._path, self._logs):
            try:
                if os.stat(folder)[0] & 0x4000:
                    continue
                # A file in our place: not ours to remove.
                os.rename(folder, folder + ".old")
            except OSError as error:
                if error.errno != 2:  # ENOENT
                    raise
            os.mkdir(folder)

    def _recover(self, random_bytes):
        cursor = self._read_cursor()
        wanted, acked = cursor or (1, 0)
        self._riding = 0
        sure = True
        next_seq = wanted
        if cursor is None or self._load(wanted - 1) < wanted - 1:
            # No cursor to start from, or the ring does not reach to where it points.
            highest = broken = 0
            for slot in range(SLOTS):
                found = self._load(slot)
                highest = max(highest, found)
                broken += found < 0
            if highest == 0:
                sure = not (wanted > 1 or broken or self._segments.firsts)
            next_seq = max(highest, self._segments.last_seq) + 1
        # The ring goes on for as long as a slot holds what can only be newer. One that cannot be
        # read counts as newer: its seq may have been used.
        steps = 0
        while steps < SLOTS:
            found = self._load(next_seq)
            if found >= next_seq:
                next_seq = found
            elif found >= 0:
                break
            else:
                steps += 1
            next_seq += 1
        if wanted > next_seq:
            sure = False
        if not sure:
            acked = 0
            self._log_warning("position lost, new stream", "next", next_seq)
        self.next_seq = next_seq
        firsts = self._segments.firsts
        oldest = firsts[0] if firsts else next_seq - SLOTS
        self._acked = max(acked, self._riding, oldest - 1)
        self._keep_stream(sure, random_bytes)
        if not sure:
            self._write_cursor()
        self._remove_acknowledged()

    def _load(self, seq):
        found = self._ring.load(seq)
        if found > 0:
            self._riding = max(self._riding, self._ring.acked())
            self.newest_unix_ms = max(self.newest_unix_ms, self._ring.unix_ms())
        return found

    def _keep_stream(self, keep, random_bytes):
        path = self._path + "/stream"
        payload = parse_frame(_STREAM, _read(path)) if keep else None
        if payload is None or len(payload) != 4:
            payload = random_bytes(4)
            with open(path, "wb") as file:
                file.write(encode_frame(_STREAM, payload))
        self.stream = "%08x" % struct.unpack("<I", payload)[0]

    def _read_cursor(self):
        # Returns (next, acknowledged), or None where there is no cursor to go by.
        data = _read(self._logs + "/cursor")
        self._written = data
        payload = parse_frame(_CURSOR, data)
        if payload is None or len(payload) < 16:
            return None
        next_seq, acked, self.dropped, self.quarantined = struct.unpack_from(_CURSOR_HEAD, payload)
        for at in range(16, len(payload) - _BOOT_BYTES + 1, _BOOT_BYTES):
            unix_ms = int.from_bytes(payload[at + 4 : at + _BOOT_BYTES], "little")
            self._boots.append([struct.unpack_from("<I", payload, at)[0], unix_ms])
        return (next_seq, acked) if acked < next_seq else None

    # Storing

    def append(self, values: dict, unix_ms, uptime_ms=None) -> int:
        """Store one reading; return its seq. It is on flash when this returns.

        Args: values, {name: number | text | bool}, and "error" with a dict of texts; unix_ms, when
            it was taken, or None while the clock is not right; uptime_ms, ms since boot, so that
            the time can be filled in after `set_time`.
        Raises: StorageError where the flash fails, or is full and has nothing of ours to drop; and
            for a value that cannot be stored.
        """
        seq = self.next_seq
        if seq - SLOTS > max(self._acked, self._segments.last_seq):
            self._empty_ring()
        length = encode_reading(
            self._ring.buffer, seq, self._acked, self._boot, unix_ms, uptime_ms, values
        )
        try:
            self._store(seq, length)
        except OSError as error:
            # It may be there all the same; then its seq is used.
            if self._ring.load(seq) != seq:
                raise StorageError("cannot store a reading (error %s)" % error.errno)
        self.next_seq = seq + 1
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
                while segments.firsts and self._is_full():
                    self._drop_oldest()
                segments.append(self._waiting_slots(), self._max_bytes)
                return
            except OSError as error:
                if error.errno != _ENOSPC:
                    raise StorageError("cannot store readings (error %s)" % error.errno)
            if not self._drop_oldest():
                # The flash is full of other things. The ring goes on alone.
                self.dropped += 1
                self._acked = self.next_seq - SLOTS
                self._log_warning("flash full, oldest dropped", "dropped", self.dropped)
                self._write_cursor()
                return

    def _is_full(self):
        segments = self._segments
        if segments.used_bytes + BLOCK_BYTES > self._max_bytes:
            return True
        # Asked only now and then: statvfs walks the whole file system.
        return (
            segments.starts_new(BLOCK_BYTES)
            and self._free_bytes() < segments.segment_bytes + _RESERVE_BLOCKS * BLOCK_BYTES
        )

    def _waiting_slots(self):
        ring = self._ring
        for seq in self._slots_from(self._acked + 1):
            if ring.load(seq) == seq:
                yield seq, ring.frame()

    def _slots_from(self, seq):
        return range(max(seq, self._segments.last_seq + 1, self.next_seq - SLOTS), self.next_seq)

    def _drop_oldest(self):
        segments = self._segments
        if not segments.firsts:
            return False
        last = segments.last_of_first()
        if last > self._acked:
            count = last - max(self._acked, segments.firsts[0] - 1)
            self.dropped += count
            self._acked = last
            self._log_warning("full, oldest dropped", "count", count, "dropped", self.dropped)
        # First the count, then the loss. A flash too full even for this has room afterwards.
        written = self._write_cursor()
        segments.remove_first()
        if not written:
            self._write_cursor()
        return True

    def set_time(self, unix_ms_at_boot: int) -> None:
        """Say when this boot was, so that its readings without time get theirs.

        It is kept on flash where such readings wait, for they may be sent by a later boot.
        """
        for boot in self._boots:
            if boot[0] == self._boot:
                boot[1] = unix_ms_at_boot
                break
        else:
            self._boots = self._boots[1 - _BOOTS_MAX :]
            self._boots.append([self._boot, unix_ms_at_boot])
        if self._untimed > self._acked:
            self._write_cursor()

    # Reading

    @property
    def pending(self) -> int:
        return self.next_seq - 1 - self._acked

    def oldest(self):
        """Return the oldest waiting reading, (seq, Unix ms or None, values), or None."""
        frame = self._settle()
        return None if frame is None else self._reading(frame)

    def newest(self):
        """Return the newest waiting reading, or None."""
        for seq in range(self.next_seq - 1, max(self._acked, self.next_seq - 1 - SLOTS), -1):
            if self._ring.load(seq) == seq:
                return self._reading(self._ring.frame())
        return None

    def readings(self):
        """Yield the waiting readings, oldest first; the outbox may change meanwhile."""
        seq = 0
        while True:
            frame = self._find(max(seq, self._acked) + 1)
            if frame is None:
                return
            reading = self._reading(frame)
            frame = None
            seq = reading[0]
            yield reading

    def quarantined_readings(self):
        """Yield the readings that were set aside and are still kept, oldest first."""
        seq = 0
        while True:
            frame = self._quarantine.find(seq + 1)
            if frame is None:
                return
            reading = self._reading(frame)
            frame = None
            seq = reading[0]
            yield reading

    def _reading(self, frame):
        payload = reading_payload(frame)
        unix_ms, boot = reading_time(frame[0], payload)
        if boot:
            started = [at for first, at in self._boots if first == boot]
            unix_ms = started[0] + unix_ms if started else None
        return reading_seq(payload), unix_ms, reading_values(payload)

    def _find(self, seq):
        # Returns the frame of the first reading at or above seq, or None.
        try:
            frame = self._segments.find(seq)
        except OSError as error:
            raise StorageError("cannot read readings (error %s)" % error.errno)
        if frame is not None:
            return frame
        for slot in self._slots_from(seq):
            if self._ring.load(slot) == slot:
                return self._ring.frame()
        return None

    def _settle(self):
        # Returns the oldest waiting frame. What is missing before it was lost to a corrupt record:
        # counted as dropped, so that nothing goes in silence and `pending` comes to an end.
        if not self.pending:
            return None
        frame = self._find(self._acked + 1)
        found = self.next_seq if frame is None else reading_seq(reading_payload(frame))
        lost = found - 1 - self._acked
        if lost:
            self.dropped += lost
            self._acked = found - 1
            self._log_warning("unreadable, dropped", "count", lost, "dropped", self.dropped)
            if frame is None:
                self._write_cursor()
                self._remove_acknowledged()
        return frame

    # Letting go

    def acknowledge(self, seq: int) -> None:
        """Forget all readings up to and including seq: the platform has accepted them."""
        seq = min(seq, self.next_seq - 1)
        if seq > self._acked:
            self._advance(seq, False)

    def _advance(self, seq, write):
        self._acked = seq
        firsts = self._segments.firsts
        if write or self.pending or firsts and self._segments.last_of_first() <= seq:
            self._write_cursor()
        self._remove_acknowledged()

    def quarantine(self, seq: int) -> None:
        """Set the oldest waiting reading aside: the platform refuses it for its own sake.

        About 60 are kept, the oldest go first; `quarantined` counts all.
        Raises: ValueError where seq waits but is not the oldest.
        """
        frame = self._settle()
        if frame is None or seq <= self._acked:
            return
        if reading_seq(reading_payload(frame)) != seq:
            raise ValueError("%d is not the oldest waiting reading" % seq)
        aside = self._quarantine
        # It is there already where the power was cut before the position moved.
        while aside.last_seq != seq:
            try:
                if aside.starts_new(len(frame)) and len(aside.firsts) >= _QUARANTINE_FILES:
                    aside.remove_first()
                aside.append([(seq, frame)], self._max_bytes)
            except OSError as error:
                if not aside.firsts:
                    self._log_warning("not set aside", "seq", seq, "errno", error.errno)
                    break
                aside.remove_first()
        self.quarantined += 1
        self._advance(seq, True)

    def _remove_acknowledged(self):
        segments = self._segments
        while segments.firsts and segments.last_of_first() <= self._acked:
            try:
                segments.remove_first()
            except OSError as error:  # it is removed at the next opening
                self._log_warning("not removed", "errno", error.errno)
                return

    def sync(self) -> None:
        """Write the position, so that nothing is sent twice and the next opening is quick.

        For a clean stop and before deep sleep. No readings depend on it.
        """
        self._write_cursor()

    def close(self) -> None:
        """Sync. The outbox holds no file open."""
        self.sync()

    def _write_cursor(self):
        # Never fatal: without it, some readings are sent twice.
        payload = struct.pack(
            _CURSOR_HEAD, self.next_seq, self._acked, self.dropped, self.quarantined
        )
        for first, unix_ms in self._boots:
            payload += struct.pack("<I", first) + unix_ms.to_bytes(6, "little")
        data = encode_frame(_CURSOR, payload)
        if data == self._written:
            return True
        try:
            with open(self._logs + "/cursor", "wb") as file:
                file.write(data)
        except OSError as error:
            self._log_warning("cursor not written", "errno", error.errno)
            return False
        self._written = data
        return True

    def _free_bytes(self):
        if not hasattr(os, "statvfs"):  # a laptop without it has room
            return 1 << 30
        stat = os.statvfs(self._path)
        # A full littlefs reports more free blocks than there are.
        return stat[0] * stat[3] if stat[3] <= stat[2] else 0

    def _log_warning(self, phrase, *pairs):
        if self._log:
            self._log.warning("store", phrase, *pairs)


def _read(path):
    # Returns b"" for what cannot be read.
    try:
        return read_bytes(path, 256) or b""
    except StorageError:
        return b""
