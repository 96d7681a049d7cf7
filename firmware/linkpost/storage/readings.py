"""What a board stores is in frames; a reading is one frame.

A frame knows whether it is whole: kind, length, payload, CRC.

    byte 0        kind: what the payload is, and in which layout; a new layout gets a new kind
    bytes 1, 2    length of the payload, little-endian
    ...           payload
    last 4        CRC-32 of all before it, little-endian

The length comes first, so that in a file of many a corrupt frame can be stepped over and a torn
tail is known as one. The CRC covers kind and length too: a frame of another layout never passes.

A reading's payload:

    seq       4 bytes
    lag       1 byte: how many readings before this one were not acknowledged when it was written;
              255: that many or more. So the highest acknowledged seq rides along at no write
    time      6 bytes; the kind says what it is:
              R  Unix ms
              U  2 bytes: seq less the first seq of that boot; 4 bytes: ms since that boot.
                 A reading taken before the clock was right; its time is filled in later
              N  nothing is known
    values    for each: 1 byte of type (high 3 bits) and length of the name (31: one byte more
              follows), name, value

Binary, not JSON text: a float comes back bit by bit, and a reading whose values are 119 bytes of
JSON, in three values or more, fits the 128 bytes that an esp32 writes without an erase.
"""

import json
import struct
from binascii import crc32
from io import BytesIO

from micropython import const

from ..errors import StorageError

READING_MAX = const(2048)  # bytes of one frame; a reading is values, not a document

_FRAME_BYTES = const(7)  # what a frame adds to its payload
_HEADER_BYTES = const(3)
# In a reading's frame, from its first byte.
_TIME = const(8)
_VALUES = const(14)

_TIMED = const(0x52)
_UPTIME = const(0x55)
_TIMELESS = const(0x4E)
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


def encode_frame(kind: int, payload) -> bytes:
    """Return one frame around the payload, 7 bytes longer than it."""
    frame = struct.pack("<BH", kind, len(payload)) + payload
    return frame + _crc(frame)


def _crc(data):
    return crc32(data).to_bytes(4, "little")


def frame_length(data, offset: int = 0) -> int:
    """Return the length of the frame that begins at data[offset], as its header says.

    Returns 0 where the header is not whole. Nothing is checked yet.
    """
    if len(data) - offset < _HEADER_BYTES:
        return 0
    return (data[offset + 1] | data[offset + 2] << 8) + _FRAME_BYTES


def parse_frame(kind: int, data):
    """Return the payload, a memoryview into `data`, or None.

    None for anything but exactly one whole frame of that kind: too short, longer than the header
    says, another kind, a wrong CRC.
    """
    if not data or data[0] != kind or frame_length(data) != len(data):
        return None
    view = memoryview(data)
    if _crc(view[:-4]) != view[-4:]:
        return None
    return view[_HEADER_BYTES:-4]


def is_whole_reading(data) -> bool:
    """Tell whether the bytes are exactly one whole reading."""
    return (
        len(data) >= _VALUES + 4 and data[0] in b"RUN" and parse_frame(data[0], data) is not None
    )


def seq_of(frame) -> int:
    return struct.unpack_from("<I", frame, _HEADER_BYTES)[0]


def time_of(frame, boots=b""):
    """Return when a reading was taken, Unix ms, or None where it is not known.

    Args: boots, for each boot whose time is known its first seq, 4 bytes, and Unix ms at its
        start, 6.
    """
    if frame[0] == _TIMED:
        return int.from_bytes(frame[_TIME:_VALUES], "little")
    if frame[0] == _UPTIME:
        since_boot, uptime_ms = struct.unpack_from("<HI", frame, _TIME)
        boot = (seq_of(frame) - since_boot & 0xFFFF_FFFF).to_bytes(4, "little")
        for at in range(0, len(boots) - 9, 10):
            if boots[at : at + 4] == boot:
                return int.from_bytes(boots[at + 4 : at + 10], "little") + uptime_ms
    return None


def encode_reading(frame, seq, acked, boot, unix_ms, uptime_ms, values) -> None:
    """Make a bytearray one reading's frame, whatever is in it: what it has takes no new memory.

    Args: seq and acked, the highest acknowledged; boot, the first seq of this boot; unix_ms or
        None; uptime_ms or None; values, {name: number | text | bool} and, under "error", a dict
        of texts.
    Raises: StorageError for a value that JSON cannot carry, or a reading over READING_MAX.
    """
    kind = _TIMELESS
    time = b"\0\0\0\0\0\0"
    if unix_ms is not None:
        kind = _TIMED
        time = unix_ms.to_bytes(6, "little")
    elif uptime_ms is not None and uptime_ms >> 32 == 0 and (seq - boot) >> 16 == 0:
        kind = _UPTIME
        time = struct.pack("<HI", seq - boot, uptime_ms)
    frame[:] = struct.pack("<BHIB", kind, 0, seq, min(seq - 1 - acked, _LAG_MAX))
    frame.extend(time)
    for name in values:
        add_value(frame, name, values[name])
        if len(frame) > READING_MAX - 4:
            raise StorageError("a reading of over %d bytes" % READING_MAX)
    length = len(frame) - _HEADER_BYTES
    frame[1] = length & 255
    frame[2] = length >> 8
    frame.extend(_crc(frame))


def add_value(frame, name: str, value) -> None:
    """Append one value to what there is of a reading, a bytearray. Raises: StorageError."""
    label = name.encode()
    length = len(label)
    is_bad = length > 255
    number = -1  # what is stored in 7 bits a byte: a whole number, or a text's length
    data = b""
    if isinstance(value, bool):
        kind = _TRUE if value else _FALSE
    elif isinstance(value, int):
        kind = _NATURAL if value >= 0 else _NEGATIVE
        number = value if value >= 0 else ~value
    elif isinstance(value, float):
        is_bad = is_bad or value - value != 0  # NaN, and infinity minus infinity is NaN
        kind = _FLOAT32
        if abs(value) < 3e38:  # above this, packing into 32 bits may be an error
            data = struct.pack("<f", value)
        if not data or struct.unpack("<f", data)[0] != value:
            kind = _FLOAT64
            data = struct.pack("<d", value)
    elif isinstance(value, (bytes, bytearray)):
        is_bad = True
    else:
        kind = _TEXT
        if not isinstance(value, str):
            kind = _JSON
            value = json.dumps(value)
        data = value.encode()
        number = len(data)
    if is_bad:
        raise StorageError("%s: no finite number, text or bool, or too long" % name)
    frame.append(kind << 5 | min(length, _LONG))
    if length >= _LONG:
        frame.append(length)
    frame.extend(label)
    if number >= 0:
        while number > 127:
            frame.append(number & 127 | 128)
            number >>= 7
        frame.append(number)
    frame.extend(data)


def values_of(frame) -> dict:
    """Return the values; of what has a good CRC and makes no sense, those before it and an error.

    Whatever it is, it does not stop those that wait behind it.
    """
    values = {}
    read = BytesIO(frame[_VALUES:-4]).read
    try:
        while head := read(1):
            kind = head[0] >> 5
            length = head[0] & _LONG
            if length == _LONG:
                length = read(1)[0]
            name = str(read(length), "utf-8")
            if kind <= _TRUE:
                value = kind == _TRUE
            elif _FLOAT32 <= kind <= _FLOAT64:
                short = kind == _FLOAT32
                value = struct.unpack("<f" if short else "<d", read(4 if short else 8))[0]
                if value - value != 0:
                    raise ValueError  # no number that was ever stored
            else:
                # A number in 7 bits a byte, low ones first: the value itself, or a text's length.
                shift = value = 0
                more = 128
                while more:
                    byte = read(1)[0]
                    more = byte & 128
                    value |= (byte & 127) << shift
                    shift += 7
                if kind == _NEGATIVE:
                    value = ~value
                elif kind >= _TEXT:
                    value = str(read(min(value, READING_MAX)), "utf-8")
                    if kind == _JSON:
                        value = json.loads(value)
            values[name] = value
    except MemoryError:
        raise
    except Exception:  # IndexError, ValueError, struct.error, too deep: by runtime and by piece
        values["error"] = {"store": "damaged"}
    return values
