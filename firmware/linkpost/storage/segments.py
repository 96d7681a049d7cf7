"""Segments: files of readings, one frame after the other, in order of seq.

A segment is named by the seq of its first reading, so that a listing tells what lies where. Only
the last one grows; the first one goes as a whole. On littlefs an append is atomic; elsewhere, or
on failing flash, it may not be: a corrupt record is stepped over, to the next whole frame, and
nothing is appended behind a damaged tail.
"""

import os

from micropython import const

from ..errors import StorageError
from .frame import FRAME_BYTES, HEADER_BYTES, frame_length
from .readings import READING_MAX, reading_payload, reading_seq

BLOCK_BYTES = const(4096)
# Four readings or more at a time; kept, so that reading a backlog allocates no more.
_BUFFER = const(512)
_NO_SEQ = 1 << 40  # above every seq


class Segments:
    """The segments of one prefix, a letter, in a folder.

    Attributes: firsts, the first seq of each segment; last_seq, the highest seq in any of them;
    used_bytes, what they take on flash, in whole blocks.
    """

    def __init__(self, folder: str, prefix: str, segment_bytes: int, files: list):
        self._folder = folder
        self._prefix = prefix
        self.segment_bytes = segment_bytes
        self._buffer = bytearray(0)
        self._file = None
        self._sound = True
        self._seen = 0
        self.load(files)

    def load(self, files: list) -> None:
        """Find out what there is. A file without a single whole reading is removed.

        Args: files, what `list_files` says of the folder.
        """
        found = []
        for name, size in files:
            first = _parse_hex(name[1:])
            if name[0] == self._prefix and first:
                found.append((first, size))
        found.sort()
        self.firsts = [first for first, _ in found]
        self._sizes = [size for _, size in found]
        self.last_seq = 0
        self._forget()
        while self.firsts:
            self._sound = True
            self._seen = 0
            self._seek(self.firsts[-1], 0, _NO_SEQ)
            if self._seen:
                self.last_seq = self._seen
                break
            os.remove(self._path(self.firsts.pop()))
            self._sizes.pop()
        self._buffer = bytearray(0)  # not needed again where nothing waits
        self._forget()
        self.used_bytes = sum([whole_blocks(size) for size in self._sizes])

    def _forget(self):
        # The buffer holds _have bytes of segment _of, from offset _at; _at_end: up to its end.
        self._of = self._at = self._have = 0
        self._at_end = False
        # Where the reading found last lies; the next one is looked for from there.
        self._found_in = self._found_at = self._found_seq = 0

    def _path(self, first):
        return "%s/%s%08x" % (self._folder, self._prefix, first)

    def last_of_first(self) -> int:
        """Return the last seq of the first segment."""
        return self.firsts[1] - 1 if len(self.firsts) > 1 else self.last_seq

    def starts_new(self, length: int) -> bool:
        """Tell whether an append of that many bytes begins a new segment."""
        return not (self.firsts and self._sound and self._sizes[-1] + length <= self.segment_bytes)

    def append(self, records, max_bytes: int) -> None:
        """Append readings; on flash when this returns.

        Args: records, an iterable of (seq, frame), ascending and above last_seq; max_bytes that
            all segments may take.
        Raises: OSError, ENOSPC too where max_bytes is passed; some of them may then be there, and
            last_seq tells which.
        """
        self._forget()
        file = None
        done = False
        try:
            for seq, frame in records:
                new = self.starts_new(len(frame))
                size = 0 if new else self._sizes[-1]
                grown = whole_blocks(size + len(frame)) - whole_blocks(size)
                if self.used_bytes + grown > max_bytes:
                    raise OSError(28)  # ENOSPC
                self.used_bytes += grown
                if new:
                    if file is not None:
                        file.close()
                        file = None
                    self.firsts.append(seq)
                    self._sizes.append(0)
                    self._sound = True
                if file is None:
                    file = open(self._path(self.firsts[-1]), "ab")  # noqa: SIM115  see finally
                file.write(frame)
                self._sizes[-1] += len(frame)
                self.last_seq = seq
            if file is not None:
                file.close()
            done = True
        finally:
            if not done:
                # Closed now: left to the garbage collector it would be committed at any time.
                _close(file)
                self.load(list_files(self._folder))

    def find(self, seq: int):
        """Return the frame of the first reading at or above seq, or None.

        A memoryview, good until the next call. Raises: StorageError.
        """
        if seq > self.last_seq:
            return None
        i = len(self.firsts) - 1
        while i > 0 and self.firsts[i] > seq:
            i -= 1
        try:
            while i < len(self.firsts):
                first = self.firsts[i]
                start = 0
                if first == self._found_in and seq >= self._found_seq:
                    start = self._found_at
                frame = self._seek(first, start, seq)
                if frame is not None:
                    return frame
                i += 1
        except OSError as error:
            raise StorageError("cannot read readings (error %s)" % error.errno)
        return None

    def remove_first(self) -> None:
        """Remove the first segment. Raises: OSError."""
        os.remove(self._path(self.firsts[0]))
        if self._of == self.firsts[0]:
            self._forget()
        self.firsts.pop(0)
        self.used_bytes -= whole_blocks(self._sizes.pop(0))

    def _seek(self, first, offset, seq):
        # Returns the frame of the first reading at or above seq that lies at or behind offset.
        # Notes the highest seq passed, and whether anything but whole frames was met.
        try:
            while True:
                left = self._cover(first, offset, HEADER_BYTES)
                if left == 0:
                    return None
                length = frame_length(self._buffer, offset - self._at)
                payload = None
                whole = FRAME_BYTES <= length <= READING_MAX
                if whole and self._cover(first, offset, length) >= length:
                    start = offset - self._at
                    frame = memoryview(self._buffer)[start : start + length]
                    payload = reading_payload(frame)
                if payload is None:
                    # A torn tail, or a corrupt record. The next one may begin anywhere.
                    self._sound = False
                    offset += 1
                    continue
                found = reading_seq(payload)
                if found > self._seen:
                    self._seen = found
                if found >= seq:
                    self._found_in = first
                    self._found_at = offset
                    self._found_seq = found
                    return frame
                offset += length
        finally:
            _close(self._file)
            self._file = None

    def _cover(self, first, offset, length):
        # Has buffer[offset - _at:] hold that many bytes of a segment. Returns how many it holds,
        # fewer only where the segment ends.
        if self._of == first and self._at <= offset <= self._at + self._have:
            left = self._at + self._have - offset
            if left >= length or self._at_end:
                return left
        if self._file is None:
            self._file = open(self._path(first), "rb")  # noqa: SIM115  _seek closes it
        if length > len(self._buffer):
            # A new one: a frame handed out may still be looked at in the old one.
            self._buffer = bytearray(max(length, _BUFFER))
        self._file.seek(offset)
        self._have = self._file.readinto(self._buffer)
        self._of = first
        self._at = offset
        self._at_end = self._have < len(self._buffer)
        return self._have


def list_files(folder: str) -> list:
    """Return (name, size) of each file."""
    # MicroPython lists sizes at no further cost. A stat looks for the name from the folder's start
    # again: some 200 block reads each behind a long backlog.
    if hasattr(os, "ilistdir"):
        entries = list(os.ilistdir(folder))
        # A laptop's own file system is listed without sizes there too.
        if not entries or len(entries[0]) > 3:
            return [(entry[0], entry[3]) for entry in entries]
    return [(name, os.stat(folder + "/" + name)[6]) for name in os.listdir(folder)]


def _parse_hex(text):
    # Returns 0 for what is not the name of a segment.
    if len(text) != 8:
        return 0
    try:
        return int(text, 16)
    except ValueError:
        return 0


def whole_blocks(size: int) -> int:
    """Return the bytes that a file of that size takes on flash."""
    return (size + BLOCK_BYTES - 1) // BLOCK_BYTES * BLOCK_BYTES


def _close(file):
    if file is not None:
        try:
            file.close()
        except OSError:  # what it could not write is not there, and is looked for again
            pass
