"""The virtual board's flash: a block device for MicroPython's littlefs, backed by an image file.

Each operation is in the file before the next begins (the file is not buffered), so that a killed
process leaves what a chip without power leaves. Erasing fills with 0xFF, as NOR flash does.
"""

import virtual_control

_BLOCK_COUNT = 4
_BLOCK_SIZE = 5
_ERASE = 6


class FileFlash:
    """A flash chip of `block_count` blocks; counts what wears it.

    With `cut_at` not 0, the power is cut in the middle of that program or erase: half of it is
    done. `operations` counts programs and erases together, over all lives of one run.
    """

    def __init__(self, path, block_size, block_count, cut_at=0, wear=(0, 0, 0)):
        self._file = open(path, "r+b")  # noqa: SIM115  as long as the power is on
        self._block_size = block_size
        self._block_count = block_count
        self._cut_at = cut_at
        self.erases, self.programs, self.programmed_bytes = wear

    def readblocks(self, block, buffer, offset=0):
        self._file.seek(block * self._block_size + offset)
        self._file.readinto(buffer)

    def writeblocks(self, block, data, offset=0):
        self.programs += 1
        self.programmed_bytes += len(data)
        self._write(block * self._block_size + offset, data)

    def ioctl(self, operation, argument):
        if operation == _BLOCK_COUNT:
            return self._block_count
        if operation == _BLOCK_SIZE:
            return self._block_size
        if operation == _ERASE:
            self.erases += 1
            # In pieces: a whole block of 0xFF would be a large object on a small heap.
            piece = b"\xff" * 256
            start = argument * self._block_size
            for done in range(0, self._block_size, len(piece)):
                if done == self._block_size // 2:
                    self._cut(0)
                self._file.seek(start + done)
                self._file.write(piece)
        return 0

    def _write(self, position, data):
        self._file.seek(position)
        self._cut(len(data) // 2, data)
        self._file.write(data)

    def _cut(self, length, data=b""):
        number = self.erases + self.programs
        if number == self._cut_at:
            if length:
                self._file.write(memoryview(data)[:length])
            virtual_control.end("power cut", operation=number)
