"""The outbox's position and what goes with it: the cursor file, and the stream's id.

The cursor is one small file, overwritten in one atomic commit: next, acknowledged, dropped,
quarantined, then the boots whose readings were stored without time, and when those boots were.
The stream's id is in a file of its own that is written once: whatever happens to the cursor, the
readings keep the stream that they were numbered in.
"""

import os
import struct

from micropython import const

from ..errors import StorageError
from .files import read_bytes
from .frame import encode_frame, parse_frame

_STREAM = const(0x53)
_CURSOR = const(0x43)
_HEAD = "<IIII"
_HEAD_BYTES = const(16)
_BOOT_BYTES = const(10)  # first seq of a boot, 4; Unix ms at its start, 6
_BOOTS_MAX = const(4)


class Position:
    """What the cursor file in an outbox's folder holds; the folders are made where missing.

    Attributes: next_seq and acked, 1 and 0 where `found` is False; dropped; quarantined; stream, 8
    hex digits, after `keep_stream`.
    """

    def __init__(self, folder: str):
        self._folder = folder
        self._path = folder + "/acked/cursor"
        self._boots = []  # [first seq of a boot, Unix ms at its start]
        self.next_seq = 1
        self.acked = self.dropped = self.quarantined = 0
        self._written = data = _read(self._path)
        payload = parse_frame(_CURSOR, data)
        self.found = payload is not None and len(payload) >= _HEAD_BYTES
        if self.found:
            self.next_seq, self.acked, self.dropped, self.quarantined = struct.unpack_from(
                _HEAD, payload
            )
            for at in range(_HEAD_BYTES, len(payload) - _BOOT_BYTES + 1, _BOOT_BYTES):
                first = struct.unpack_from("<I", payload, at)[0]
                unix_ms = int.from_bytes(payload[at + 4 : at + _BOOT_BYTES], "little")
                self._boots.append([first, unix_ms])
        else:
            make_folder(folder)
            make_folder(folder + "/acked")

    def write(self) -> bool:
        """Write the cursor, if it is not there like this; return whether it is there now.

        Never fatal: without it some readings are sent twice.
        """
        payload = struct.pack(_HEAD, self.next_seq, self.acked, self.dropped, self.quarantined)
        for first, unix_ms in self._boots:
            payload += struct.pack("<I", first) + unix_ms.to_bytes(6, "little")
        data = encode_frame(_CURSOR, payload)
        if data != self._written:
            try:
                _write(self._path, data)
            except OSError:
                return False
            self._written = data
        return True

    def keep_stream(self, make) -> None:
        """Find the stream's id; `make`, which returns 4 bytes, is called where there is none."""
        payload = parse_frame(_STREAM, _read(self._folder + "/stream"))
        if payload is None or len(payload) != 4:
            self.new_stream(make)
        else:
            self.stream = "%08x" % struct.unpack("<I", payload)[0]

    def new_stream(self, make) -> None:
        """Give the stream a new id, and write it. Raises: OSError."""
        payload = make(4)
        _write(self._folder + "/stream", encode_frame(_STREAM, payload))
        self.stream = "%08x" % struct.unpack("<I", payload)[0]

    def set_boot_time(self, first_seq: int, unix_ms: int) -> None:
        """Note when the boot was whose first reading is `first_seq`; not written yet."""
        for boot in self._boots:
            if boot[0] == first_seq:
                boot[1] = unix_ms
                return
        self._boots = self._boots[1 - _BOOTS_MAX :]
        self._boots.append([first_seq, unix_ms])

    def boot_time(self, first_seq: int):
        """Return the Unix ms at the start of that boot, or None where it is not known."""
        for first, unix_ms in self._boots:
            if first == first_seq:
                return unix_ms
        return None


def make_folder(folder: str) -> None:
    """Make a folder where there is none. A file of that name is moved out of the way."""
    try:
        if os.stat(folder)[0] & 0x4000:
            return
        os.rename(folder, folder + ".old")
    except OSError as error:
        if error.errno != 2:  # ENOENT
            raise
    os.mkdir(folder)


def _read(path):
    # Returns b"" for what cannot be read.
    try:
        return read_bytes(path, 256) or b""
    except StorageError:
        return b""


def _write(path, data):
    with open(path, "wb") as file:
        file.write(data)
