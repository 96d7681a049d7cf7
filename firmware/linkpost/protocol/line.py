"""One line of a reply, collected byte by byte and compared in place."""

from micropython import const

from ..errors import ProtocolError

CR = 13
_LF = const(10)
_KEPT = const(128)  # bytes of a line; longer ones are of headers that do not matter


class Line:
    """A line of bounded length. Strings in arguments are lower case; case does not matter.

    bytes     what is kept of it, 128 bytes, allocated once
    length    of the line so far, more than are kept where it was cut
    previous  the byte before the next one
    """

    def __init__(self):
        self.bytes = bytearray(_KEPT)
        self.start()

    def start(self) -> None:
        """Begin a line."""
        self.length = 0
        self.previous = 0

    def take(self, byte: int, limit: int) -> bool:
        """Take the next byte; return True at the line's end.

        Only CR LF ends a line, and it holds no control bytes: lone ones are how one reply is made
        to look like two (RFC 9112 section 2.2). Raises: ProtocolError.
        """
        if byte == _LF:
            if self.previous != CR:
                raise ProtocolError("the reply has a line end without CR")
            self.previous = _LF
            return True
        if self.previous == CR or (byte < 32 and byte != CR and byte != 9):
            raise ProtocolError("the reply has a control character in its head")
        self.previous = byte
        if byte != CR:
            if self.length < _KEPT:
                self.bytes[self.length] = byte
            self.length += 1
            if self.length > limit:
                raise ProtocolError("the reply has a line over %d bytes" % limit)
        return False

    def starts(self, lower: bytes) -> bool:
        """Tell whether the line starts with that."""
        return self.length >= len(lower) and self._matches(0, lower)

    def value_start(self, at: int) -> int:
        """Return the first index from `at` on that is no space."""
        end = self.value_end()
        while at < end and (self.bytes[at] == 32 or self.bytes[at] == 9):
            at += 1
        return at

    def value_end(self) -> int:
        """Return the index behind the last character that is no space."""
        if self.length > _KEPT:
            raise ProtocolError("the reply has a header over %d bytes" % _KEPT)
        end = self.length
        while end and (self.bytes[end - 1] == 32 or self.bytes[end - 1] == 9):
            end -= 1
        return end

    def value_is(self, at: int, lower: bytes) -> bool:
        """Tell whether the value behind `at` is that."""
        at = self.value_start(at)
        return self.value_end() - at == len(lower) and self._matches(at, lower)

    def value_has(self, at: int, lower: bytes) -> bool:
        """Tell whether the comma-separated value behind `at` has a word that starts with that."""
        end = self.value_end()
        while at < end:
            at = self.value_start(at)
            stop = at
            while stop < end and self.bytes[stop] != 44:
                stop += 1
            if stop - at >= len(lower) and self._matches(at, lower):
                return True
            at = stop + 1
        return False

    def integer(self, at: int, end: int) -> int:
        """Return the decimal number between two indices, -1 where there is something else."""
        number = 0
        while at < end:
            digit = self.bytes[at] - 48
            if not 0 <= digit <= 9:
                return -1
            number = number * 10 + digit
            at += 1
        return number

    def chunk_size(self) -> int:
        """Return the size that the line of a chunk begins with; extensions mean nothing here."""
        size = 0
        i = 0
        while i < self.length:
            byte = self.bytes[i]
            if 48 <= byte <= 57:
                digit = byte - 48
            elif 97 <= byte | 32 <= 102:
                digit = (byte | 32) - 87
            else:
                break
            size = size * 16 + digit
            i += 1
            if i > 6:
                raise ProtocolError("the reply has a chunk over 16 MB")
        if i == 0 or (i < self.length and self.bytes[i] not in b"; \t"):
            raise ProtocolError("the reply has a chunk without a size")
        return size

    def _matches(self, at, lower):
        for byte in lower:
            have = self.bytes[at]
            if have != byte and (not 65 <= have <= 90 or have + 32 != byte):
                return False
            at += 1
        return True
