"""Request bodies that are too large for the heap, cut into records through one buffer.

Loaded when one is sent (`loader`).
"""

from ..errors import StorageError

# One chunk is one TLS record, in two full TCP segments of lwIP's 1440 bytes less what TLS adds (29
# with GCM, up to 57 with CBC): as few packets as the 4096 that mbedTLS puts in a record at most,
# from a buffer 1280 bytes smaller.
CHUNK_BYTES = 2816


def send(connection, body, length: int):
    """Yield until `body` is sent, `length` bytes of it.

    Args: body, bytes, or an object whose `readinto` has to give exactly `length` bytes.
    Raises: as `connection.send`; StorageError where the body cannot be read, or is longer or
    shorter than it said; whatever else its `readinto` raises. Memory: 2.9 KB meanwhile.
    """
    yield 0
    # mbedTLS cuts what lies in the heap into records itself.
    pieces = _read(body, length) if hasattr(body, "readinto") else ((body, length),)
    yield from connection.send(pieces)


def _read(body, left):
    chunk = memoryview(bytearray(CHUNK_BYTES + 1))
    while left:
        # Of the last chunk one byte more is asked for: that the body is too long must be found out
        # before the platform has a request that looks complete.
        wanted = left + 1 if left <= CHUNK_BYTES else CHUNK_BYTES
        got = 0
        try:
            while got < wanted:
                count = body.readinto(chunk[got:wanted])
                if not count or count < 0:
                    break  # its end; a negative number, which some drivers return, is no progress
                got += count
        except OSError as error:
            raise StorageError("The payload cannot be read: %s" % error)
        if got != min(left, wanted):
            raise StorageError("The payload has another length")
        left -= got
        yield chunk, got
