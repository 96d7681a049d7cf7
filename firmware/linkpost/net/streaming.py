"""Request bodies that are too large for the heap, cut into records through one buffer."""

from micropython import const

from ..errors import StorageError

# One chunk is one TLS record, in two full TCP segments of lwIP's 1440 bytes less what TLS adds (29
# with GCM, up to 57 with CBC): as few packets as the 4096 that mbedTLS puts in a record at most,
# from a buffer 1280 bytes smaller.
CHUNK_BYTES = const(2816)


class Stream:
    """The body of one request after the other.

    chunk   memoryview of the bytes to send next, of which `fill()` tells how many count
    left    bytes of the body that are still to be read
    Memory: 2.9 KB. It is kept from request to request: a free block of that size is hard to find
    again in a heap that has aged, and a board that streamed once will again.
    """

    def __init__(self):
        self.chunk = memoryview(bytearray(CHUNK_BYTES + 1))
        self._whole = self.chunk[:CHUNK_BYTES]  # made once: nearly every chunk is one
        self.left = self._length = 0
        self._body = None

    def begin(self, body, length: int) -> None:
        """Take an object with `readinto`, which has to give exactly `length` bytes."""
        self._body = body
        self._length = self.left = length

    def fill(self) -> int:
        """Read the next chunk; return its length, 1 to 2816.

        Raises: StorageError where the body cannot be read, or is longer or shorter than it said.
        """
        # Of the last chunk one byte more is asked for: that the body is too long must be found
        # out before the platform has a request that looks complete.
        left = self.left
        wanted = left + 1 if left <= CHUNK_BYTES else CHUNK_BYTES
        got = 0
        try:
            while got < wanted:
                whole = got == 0 and wanted == CHUNK_BYTES
                count = self._body.readinto(self._whole if whole else self.chunk[got:wanted])
                if not count:
                    break
                got += count
        except OSError as error:
            raise StorageError("The payload could not be read: errno %s" % error.errno)
        if got != min(left, wanted):
            total = self._length
            raise StorageError(
                "The payload of %d bytes gave %s"
                % (total, "more" if got > left else total - left + got)
            )
        self.left = left - got
        return got

    def end(self) -> None:
        """Let go of the body, of which nothing more is wanted."""
        self._body = None
        self.left = 0
