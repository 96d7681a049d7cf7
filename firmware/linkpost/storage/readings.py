"""One reading as one frame: what a slot of the ring holds, and what a segment holds many of.

    seq       4 bytes
    lag       1 byte: how many readings before this one were not acknowledged when it was written;
              255: that many or more. So the acknowledged position rides along at no write
    time      6 bytes; the kind says what it is:
              TIMED     Unix ms
              UPTIME    2 bytes: seq less the first seq of that boot; 4 bytes: ms since that boot.
                        A reading taken before the clock was right; its time is filled in later
              TIMELESS  nothing is known
    values    for each: 1 byte of type (high 3 bits) and length of the name (31: one byte more
              follows), name, value

Binary, not JSON text: a float comes back bit by bit, and a reading whose values are 119 bytes of
JSON, in three values or more, fits the 128 bytes that an esp32 writes without an erase.
"""

import json
import struct

from micropython import const

from ..errors import StorageError
from .frame import FRAME_BYTES, HEADER_BYTES, parse_frame, seal_frame

TIMED = const(0x52)
UPTIME = const(0x55)
TIMELESS = const(0x4E)

READING_MAX = const(2048)  # bytes of one frame; a reading is values, not a document

_HEAD = "<IB"
_TIME = const(5)
_VALUES = const(11)
_LAG_MAX = const(255)

_FALSE = const(0)
_TRUE = const(1)
_NATURAL = const(2)
_NEGATIVE = const(3)
_FLOAT32 = const(4)
_FLOAT64 = const(5)
_TEXT = const(6)
_JSON = const(7)
_LONG = const(31)

# A chip's floats have 32 bits: nothing to find out, and nothing allocated to find it out.
_ALL_FLOAT32 = float(16777217) == 16777216.0


def encode_reading(buffer, seq, acked, boot, unix_ms, uptime_ms, values) -> int:
    """Write one reading as a frame to the start of `buffer`, which grows where it is too short.

    Args: buffer, a bytearray; seq and acked, the highest acknowledged; boot, the first seq of this
        boot; unix_ms or None; uptime_ms or None; values, {name: number | text | bool} and, under
        "error", a dict of texts. Returns: the frame's length.
    Raises: StorageError for a value that JSON cannot carry, or a reading over READING_MAX.
    """
    _grow(buffer, HEADER_BYTES + _VALUES)
    struct.pack_into(_HEAD, buffer, HEADER_BYTES, seq, min(seq - 1 - acked, _LAG_MAX))
    at = HEADER_BYTES + _TIME
    kind = TIMELESS
    if unix_ms is not None:
        kind = TIMED
        buffer[at : at + 6] = unix_ms.to_bytes(6, "little")
    elif uptime_ms is not None and uptime_ms >> 32 == 0 and (seq - boot) >> 16 == 0:
        kind = UPTIME
        struct.pack_into("<HI", buffer, at, seq - boot, uptime_ms)
    else:
        buffer[at : at + 6] = b"\0\0\0\0\0\0"
    at = HEADER_BYTES + _VALUES
    for name in values:
        at = _put(buffer, at, name, values[name])
        if at + FRAME_BYTES > READING_MAX:
            raise StorageError("a reading of over %d bytes" % READING_MAX)
    _grow(buffer, at + FRAME_BYTES)
    return seal_frame(kind, buffer, at - HEADER_BYTES)


def with_reason(frame, reason: str):
    """Return a reading's frame with a text behind its values, under "", a name no value can have.

    The first 100 characters; a reading that leaves no room for them is returned as it is.
    """
    if len(frame) + 500 > READING_MAX:  # a character is up to 4 bytes
        return frame
    buffer = bytearray(frame)
    end = _put(buffer, len(frame) - FRAME_BYTES + HEADER_BYTES, "", reason[:100])
    length = seal_frame(buffer[0], buffer, end - HEADER_BYTES)
    return memoryview(buffer)[:length]


def reading_payload(frame):
    """Return the payload of a frame that is a whole reading, or None for anything else."""
    if len(frame) == 0 or frame[0] not in (TIMED, UPTIME, TIMELESS):
        return None
    payload = parse_frame(frame[0], frame)
    return None if payload is None or len(payload) < _VALUES else payload


def reading_seq(payload) -> int:
    return struct.unpack_from(_HEAD, payload)[0]


def reading_acked(payload) -> int:
    """Return a seq up to which all was acknowledged when this was written; 0: not known."""
    seq, lag = struct.unpack_from(_HEAD, payload)
    return 0 if lag == _LAG_MAX else seq - 1 - lag


def reading_time(kind: int, payload) -> tuple:
    """Return (Unix ms, 0), or (ms since boot, that boot's first seq), or (None, 0)."""
    if kind == TIMED:
        return int.from_bytes(payload[_TIME:_VALUES], "little"), 0
    if kind == UPTIME:
        since_boot, uptime_ms = struct.unpack_from("<HI", payload, _TIME)
        return uptime_ms, reading_seq(payload) - since_boot
    return None, 0


def reading_values(payload) -> dict:
    """Return the values; of what has a good CRC and makes no sense, those before it and an error.

    Whatever it is, it does not stop those that wait behind it.
    """
    values = {}
    try:
        _take_values(payload, values)
    except Exception:  # IndexError, ValueError, struct.error, too deep: by runtime and by piece
        values["error"] = {"store": "damaged"}
    return values


def _take_values(payload, values):
    at = _VALUES
    while at < len(payload):
        kind = payload[at] >> 5
        length = payload[at] & _LONG
        at += 1
        if length == _LONG:
            length = payload[at]
            at += 1
        name = str(payload[at : at + length], "utf-8")
        at += length
        if kind <= _TRUE:
            value = kind == _TRUE
        elif kind in (_FLOAT32, _FLOAT64):
            size = 4 if kind == _FLOAT32 else 8
            value = struct.unpack("<f" if size == 4 else "<d", payload[at : at + size])[0]
            if value - value != 0:
                raise ValueError  # no number that was ever stored
            at += size
        else:
            # A number in 7 bits a byte, low ones first: the value itself, or a text's length.
            value = shift = 0
            while payload[at] > 127:
                value |= (payload[at] & 127) << shift
                shift += 7
                at += 1
            value |= payload[at] << shift
            at += 1
            if kind == _NEGATIVE:
                value = -1 - value
            elif kind >= _TEXT:
                text = str(payload[at : at + value], "utf-8")
                at += value
                value = json.loads(text) if kind == _JSON else text
        values[name] = value


def _put(buffer, at, name, value):
    data = b""
    number = -1
    if isinstance(value, bool):
        kind = _TRUE if value else _FALSE
    elif isinstance(value, int):
        kind = _NATURAL if value >= 0 else _NEGATIVE
        number = value if value >= 0 else -1 - value
    elif isinstance(value, float):
        if value - value != 0:  # NaN differs from itself, infinity minus infinity is NaN
            raise StorageError("%s is not a finite number" % name)
        kind = _FLOAT32 if _ALL_FLOAT32 or _fits_float32(value) else _FLOAT64
    else:
        kind = _TEXT
        if not isinstance(value, str):
            kind = _JSON
            if isinstance(value, (bytes, bytearray)):
                raise StorageError("%s is bytes, not a number, text or bool" % name)
            value = json.dumps(value)
        data = value.encode()
        number = len(data)
    label = name.encode()
    length = len(label)
    if length > 255:
        raise StorageError("the name of a value is over 255 bytes")
    # 160 bits of a number are more than any that a sensor gives.
    if number >> 160 > 0:
        raise StorageError("%s is too large a number" % name)
    _grow(buffer, at + length + len(data) + 28)
    buffer[at] = kind << 5 | min(length, _LONG)
    at += 1
    if length >= _LONG:
        buffer[at] = length
        at += 1
    buffer[at : at + length] = label
    at += length
    if kind == _FLOAT32:
        struct.pack_into("<f", buffer, at, value)
        return at + 4
    if kind == _FLOAT64:
        struct.pack_into("<d", buffer, at, value)
        return at + 8
    if number >= 0:
        while number > 127:
            buffer[at] = number & 127 | 128
            number >>= 7
            at += 1
        buffer[at] = number
        at += 1
    buffer[at : at + len(data)] = data
    return at + len(data)


def _fits_float32(value):
    # Above this, packing into 32 bits may be an error.
    return -3e38 < value < 3e38 and struct.unpack("<f", struct.pack("<f", value))[0] == value


def _grow(buffer, length):
    if length > len(buffer):
        buffer.extend(bytes(length - len(buffer)))
