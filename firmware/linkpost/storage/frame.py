"""A record on flash that knows whether it is whole: kind, length, payload, CRC.

    byte 0        kind: what the payload is, and in which layout; a new layout gets a new kind
    bytes 1, 2    length of the payload, little-endian
    ...           payload
    last 4        CRC-32 of all before it, little-endian

The length comes first, so that in a file of many a corrupt frame can be stepped over and a torn
tail is known as one. The CRC covers kind and length too: a frame of another layout never passes.
"""

import struct
from binascii import crc32

from micropython import const

HEADER_BYTES = 3
FRAME_BYTES = 7  # what a frame adds to its payload
_CRC_BYTES = const(4)


def seal_frame(kind: int, buffer, length: int) -> int:
    """Make a frame, in place, of a payload that lies at buffer[HEADER_BYTES:].

    Args: kind, 0 to 255; buffer, a bytearray with room for FRAME_BYTES more than the payload;
        length of the payload, 0 to 65535. Returns: the length of the frame, from buffer[0].
    """
    struct.pack_into("<BH", buffer, 0, kind, length)
    end = HEADER_BYTES + length
    struct.pack_into("<I", buffer, end, crc32(memoryview(buffer)[:end]))
    return end + _CRC_BYTES


def encode_frame(kind: int, payload: bytes) -> bytes:
    """Return one frame around the payload, FRAME_BYTES longer than it."""
    frame = bytearray(len(payload) + FRAME_BYTES)
    frame[HEADER_BYTES : HEADER_BYTES + len(payload)] = payload
    seal_frame(kind, frame, len(payload))
    return bytes(frame)


def frame_length(data, offset: int = 0) -> int:
    """Return the length of the frame that begins at data[offset], as its header says.

    Returns 0 where the header is not whole. Nothing is checked yet.
    """
    if len(data) - offset < HEADER_BYTES:
        return 0
    return (data[offset + 1] | data[offset + 2] << 8) + FRAME_BYTES


def parse_frame(kind: int, data):
    """Return the payload, a memoryview into `data`, or None.

    None for anything but exactly one whole frame of that kind: too short, longer than the header
    says, another kind, a wrong CRC.
    """
    if len(data) < FRAME_BYTES or data[0] != kind or frame_length(data) != len(data):
        return None
    view = memoryview(data)
    end = len(data) - _CRC_BYTES
    if crc32(view[:end]) != struct.unpack_from("<I", data, end)[0]:
        return None
    return view[HEADER_BYTES:end]
