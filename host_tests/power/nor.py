"""A NOR flash chip in RAM for MicroPython's VfsLfs2: strict, counting, and remembering.

Strict: an erase sets a block to 0xFF, a program only clears bits. Programming where a bit would
have to be set is an error of the file system, or of this harness, and stops the run.
Counting: programs, erases, programmed bytes, block reads, as the chip's driver would see them.
Remembering: with a journal, each program and erase is kept with the mark that the scenario set
last, so that the flash can be put together as it was before, in the middle of and after any of
them. That is the same as cutting the power there, without an exception thrown through littlefs'
C code, and one run of a scenario serves all its cuts.
"""

BLOCK_BYTES = 4096
_BLOCK_COUNT = 4
_BLOCK_SIZE = 5
_ERASE = 6

# Read, program and lookahead size on each chip (docs/porting.md, "Flash and littlefs").
CHIPS = {"esp32": 32, "rp2": 256}


class NorFlash:
    """A chip of `blocks` blocks, blank, or with a copy of `image`.

    `journal` is None or a list that takes (block, offset, data or None for an erase, mark).
    """

    def __init__(self, blocks=0, image=None, journal=None):
        if image is None:
            image = bytearray(b"\xff" * (blocks * BLOCK_BYTES))
        self.image = image
        self._view = memoryview(image)
        self.journal = journal
        self.mark = 0
        self.reset_counts()

    def reset_counts(self):
        self.programs = self.erases = self.programmed_bytes = self.reads = 0

    def readblocks(self, block, buffer, offset=0):
        self.reads += 1
        start = block * BLOCK_BYTES + offset
        buffer[:] = self._view[start : start + len(buffer)]

    def writeblocks(self, block, data, offset=0):
        self.programs += 1
        self.programmed_bytes += len(data)
        if self.journal is not None:
            self.journal.append((block, offset, bytes(data), self.mark))
        program(self.image, block, offset, data)

    def ioctl(self, operation, argument):
        if operation == _BLOCK_COUNT:
            return len(self.image) // BLOCK_BYTES
        if operation == _BLOCK_SIZE:
            return BLOCK_BYTES
        if operation == _ERASE:
            self.erases += 1
            if self.journal is not None:
                self.journal.append((argument, 0, None, self.mark))
            erase(self.image, argument, BLOCK_BYTES)
        return 0


_BLANK = b"\xff" * BLOCK_BYTES


def program(image, block, offset, data):
    """Program `data`; raise where that would set a bit: real NOR would keep it cleared."""
    start = block * BLOCK_BYTES + offset
    view = memoryview(image)[start : start + len(data)]
    if bytes(view) != _BLANK[: len(data)]:
        for i, new in enumerate(data):
            if view[i] & new != new:
                raise AssertionError("program over programmed flash: block %d" % block)
    view[:] = data


def erase(image, block, length):
    """Erase the first `length` bytes of a block; a whole erase is BLOCK_BYTES."""
    start = block * BLOCK_BYTES
    memoryview(image)[start : start + length] = memoryview(_BLANK)[:length]


def apply(image, operation, half=False):
    """Do a journaled operation to an image: all of it, or, with `half`, its first half only."""
    block, offset, data, _ = operation
    if data is None:
        erase(image, block, BLOCK_BYTES // 2 if half else BLOCK_BYTES)
    else:
        program(image, block, offset, data[: len(data) // 2] if half else data)
