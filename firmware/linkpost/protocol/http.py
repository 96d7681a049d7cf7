"""HTTP/1.1 as the platform speaks it: heads written in place, replies read within bounds.

Rules of the reply parser (RFC 9112):
  1. Nothing is read past the reply. `room()` never asks for more than the reply must still have,
     so a close after it is seen, and the next reply on the connection starts clean.
  2. Nothing grows. Head lines go through one short buffer, the body into another, both allocated
     once; a peer that sends more gets a ProtocolError.
  3. A head is refused when its parts contradict each other: two Content-Lengths, or one beside
     Transfer-Encoding. Guessing which one holds is how replies get mixed up.
"""

from micropython import const

from ..errors import ProtocolError

_HEAD_MAX = const(4096)  # bytes of status line and headers; the platform's are under 400
_LINE_MAX = const(128)  # bytes kept of one line; longer ones are of headers that do not matter
_CHUNK_LINE_MAX = const(64)  # size and extensions of one chunk
BODY_MAX_BYTES = const(1024)  # a token of 512 characters and its JSON; messages are under 100

_HEAD = const(0)
_BODY = const(1)  # of known length
_BODY_TO_CLOSE = const(2)
_CHUNK_SIZE = const(3)
_CHUNK_DATA = const(4)
_CHUNK_END = const(5)
_TRAILER = const(6)
_DONE = const(7)

_CR = const(13)
_LF = const(10)


def encode_head(path: bytes, host: str, fields: tuple) -> bytes:
    """Return a POST head up to and including `Content-Length: `; the number follows.

    Args: path as bytes without spaces; host as in the URL; fields of (name, value) strings. The
    caller has checked all of them: a CR or LF in a value would start a header of its own.
    """
    lines = [b"POST " + path + b" HTTP/1.1\r\nHost: " + host.encode()]
    for name, value in fields:
        lines.append((name + ": " + value).encode())
    lines.append(b"Content-Length: ")
    return b"\r\n".join(lines)


def finish_head(buffer, at: int, length: int) -> int:
    """Write the Content-Length number and the end of the head at `at`; return where it ends."""
    digits = 1
    while length >= 10**digits:
        digits += 1
    end = at + digits
    for i in range(end - 1, at - 1, -1):
        buffer[i] = 48 + length % 10
        length //= 10
    for byte in b"\r\n\r\n":
        buffer[end] = byte
        end += 1
    return end


class Reply:
    """One reply, fed as it comes in. Use it again with `clear()`.

    status      of the final reply (interim 1xx heads are skipped); 0 before it is known
    started     a byte of it has arrived
    keep_alive  the peer keeps the connection, and nothing came after the body
    body        bytearray of which the first `length` bytes count
    Memory: about 1.3 KB, once.
    """

    def __init__(self):
        self.body = bytearray(BODY_MAX_BYTES)
        self._line = bytearray(_LINE_MAX)
        self._date = bytearray(29)  # an IMF-fixdate is 29 characters, RFC 9110 section 5.6.7
        self.clear()

    def clear(self) -> None:
        """Make ready for the next reply."""
        self._state = _HEAD
        self._head_bytes = 0
        self.started = False
        self._clear_head()

    def _clear_head(self):
        self._line_length = 0  # of the line so far, more than _LINE_MAX where it was cut
        self._previous = 0  # the byte before this one
        self.status = 0
        self.length = 0
        self._expected = -1  # Content-Length, or what is left of a chunk
        self._chunked = False
        self._has_date = False
        self.keep_alive = False

    @property
    def done(self) -> bool:
        return self._state == _DONE

    def date(self):
        """Return the text of the Date header, or None."""
        return str(self._date, "ascii") if self._has_date else None

    def room(self) -> int:
        """Return how many bytes to read now, 0 when done: never more than the reply still has."""
        state = self._state
        if state == _HEAD:
            # What is missing of CR LF CR LF.
            if self._line_length:
                return 3 if self._previous == _CR else 4
            return 1 if self._previous == _CR else 2
        if state in (_BODY, _CHUNK_DATA):
            return self._expected
        if state == _DONE:
            return 0
        return 1

    def feed(self, data) -> bool:
        """Take bytes as they come, any number; return True when the reply is complete.

        Raises: ProtocolError where the peer breaks HTTP or passes a limit.
        """
        at = 0
        end = len(data)
        if end:
            self.started = True
        while at < end:
            state = self._state
            if state == _DONE:
                # Not asked for: whatever it is, the connection is not used again.
                self.keep_alive = False
                break
            if state in (_BODY, _CHUNK_DATA, _BODY_TO_CLOSE):
                at = self._take_body(data, at, end)
            else:
                byte = data[at]
                at += 1
                if state == _HEAD:
                    self._take_head(byte)
                else:
                    self._take_chunk_line(byte)
        return self._state == _DONE

    def eof(self) -> None:
        """Tell that the peer closed. Raises ProtocolError unless the close ends the reply."""
        if self._state == _BODY_TO_CLOSE:
            self._state = _DONE
        elif self._state != _DONE:
            raise ProtocolError("the peer closed in the middle of its reply")

    # -- head -----------------------------------------------------------------------------------

    def _take_head(self, byte):
        self._head_bytes += 1
        if self._head_bytes > _HEAD_MAX:
            raise ProtocolError("the head of the reply is over %d bytes" % _HEAD_MAX)
        if self._take_line(byte, _HEAD_MAX):
            if self.status == 0:
                self._take_status()
            elif self._line_length:
                self._take_header()
            else:
                self._end_head()
            self._line_length = 0

    def _take_line(self, byte, limit):
        # Collect one line; True at its end. Only CR LF ends a line, and no control bytes: lone
        # ones are how one reply is made to look like two.
        if byte == _LF:
            if self._previous != _CR:
                raise ProtocolError("the reply has a line end without CR")
            self._previous = _LF
            return True
        if self._previous == _CR or (byte < 32 and byte != _CR and byte != 9):
            raise ProtocolError("the reply has a control character in its head")
        self._previous = byte
        if byte != _CR:
            if self._line_length < _LINE_MAX:
                self._line[self._line_length] = byte
            self._line_length += 1
            if self._line_length > limit:
                raise ProtocolError("the reply has a line over %d bytes" % limit)
        return False

    def _take_status(self):
        # HTTP/1.x SP 3DIGIT [SP reason]: the platform leaves the reason out.
        line = self._line
        length = self._line_length
        if length < 12 or not self._line_starts(b"http/1.") or line[8] != 32:
            raise ProtocolError("the peer does not speak HTTP/1.1")
        if length > 12 and line[12] != 32:
            raise ProtocolError("the reply has no three-digit status")
        status = 0
        for i in range(9, 12):
            digit = line[i] - 48
            if not 0 <= digit <= 9:
                raise ProtocolError("the reply has no three-digit status")
            status = status * 10 + digit
        if status < 100:
            raise ProtocolError("the reply has no three-digit status")
        self.status = status
        self.keep_alive = line[7] != 48  # HTTP/1.0 closes unless it says otherwise

    def _take_header(self):
        if self._line_starts(b"content-length:"):
            self._take_content_length()
        elif self._line_starts(b"transfer-encoding:"):
            if not self._value_is(18, b"chunked") or self._chunked:
                raise ProtocolError("the reply has a Transfer-Encoding other than chunked")
            self._chunked = True
        elif self._line_starts(b"connection:"):
            if self._value_has(11, b"close"):
                self.keep_alive = False
            elif self._value_has(11, b"keep-alive"):
                self.keep_alive = True
        elif self._line_starts(b"date:"):
            start = self._skip_spaces(5)
            if self._value_end() - start == len(self._date):
                for i in range(len(self._date)):
                    self._date[i] = self._line[start + i] & 127
                self._has_date = True

    def _take_content_length(self):
        i = self._skip_spaces(15)
        end = self._value_end()
        if self._expected >= 0:
            raise ProtocolError("the reply has two Content-Lengths")
        if not 1 <= end - i <= 9:
            raise ProtocolError("the reply's Content-Length is no number within bounds")
        number = 0
        while i < end:
            digit = self._line[i] - 48
            if not 0 <= digit <= 9:
                raise ProtocolError("the reply's Content-Length is no number within bounds")
            number = number * 10 + digit
            i += 1
        self._expected = number

    def _end_head(self):
        if self._chunked and self._expected >= 0:
            raise ProtocolError("the reply has Content-Length and Transfer-Encoding")
        if self.status < 200:
            if self.status == 101:
                raise ProtocolError("the peer wants to switch protocols")
            self._clear_head()  # interim: the reply is still to come; the head limit goes on
            return
        if self.status != 200:
            # Business errors ride on 200, so the body of any other status is not ours to read.
            self.keep_alive = False
            self._state = _DONE
        elif self._chunked:
            self._start_chunk_line(_CHUNK_SIZE)
        elif self._expected < 0:
            self.keep_alive = False
            self._state = _BODY_TO_CLOSE
        elif self._expected > BODY_MAX_BYTES:
            self._refuse_body()
        else:
            self._state = _BODY if self._expected else _DONE

    # -- body -----------------------------------------------------------------------------------

    def _refuse_body(self):
        raise ProtocolError("the body of the reply is over %d bytes" % BODY_MAX_BYTES)

    def _take_body(self, data, at, end):
        state = self._state
        count = end - at
        if state != _BODY_TO_CLOSE and count > self._expected:
            count = self._expected
        if self.length + count > BODY_MAX_BYTES:
            self._refuse_body()
        body = self.body
        length = self.length
        for i in range(at, at + count):  # byte by byte: a slice would be a copy
            body[length] = data[i]
            length += 1
        self.length = length
        if state != _BODY_TO_CLOSE:
            self._expected -= count
            if self._expected == 0:
                if state == _BODY:
                    self._state = _DONE
                else:
                    self._start_chunk_line(_CHUNK_END)
        return at + count

    def _start_chunk_line(self, state):
        self._state = state
        self._line_length = 0
        self._previous = 0

    def _take_chunk_line(self, byte):
        if not self._take_line(byte, _CHUNK_LINE_MAX):
            return
        if self._state == _CHUNK_SIZE:
            self._expected = self._chunk_size()
            if self._expected > BODY_MAX_BYTES - self.length:
                self._refuse_body()
            self._start_chunk_line(_CHUNK_DATA if self._expected else _TRAILER)
        elif self._state == _CHUNK_END:
            if self._line_length:
                raise ProtocolError("the reply has a chunk longer than its size")
            self._start_chunk_line(_CHUNK_SIZE)
        elif self._line_length == 0:  # the empty line after the trailers
            self._state = _DONE
        else:
            self._head_bytes += self._line_length
            if self._head_bytes > _HEAD_MAX:
                raise ProtocolError("the trailers of the reply are over %d bytes" % _HEAD_MAX)
            self._start_chunk_line(_TRAILER)

    def _chunk_size(self):
        size = 0
        i = 0
        while i < self._line_length:
            byte = self._line[i]
            if 48 <= byte <= 57:
                digit = byte - 48
            elif 97 <= byte | 32 <= 102:
                digit = (byte | 32) - 87
            else:
                break
            size = size * 16 + digit
            i += 1
            if i > 6:
                self._refuse_body()
        # Behind the size only extensions, which mean nothing here.
        if i == 0 or (i < self._line_length and self._line[i] not in b"; \t"):
            raise ProtocolError("the reply has a chunk without a size")
        return size

    # -- one line, compared in place --------------------------------------------------------------

    def _line_starts(self, lower):
        if self._line_length < len(lower):
            return False
        return self._matches(0, lower)

    def _matches(self, at, lower):
        line = self._line
        for byte in lower:
            have = line[at]
            if have != byte and (not 65 <= have <= 90 or have + 32 != byte):
                return False
            at += 1
        return True

    def _skip_spaces(self, at):
        end = self._value_end()
        while at < end and (self._line[at] == 32 or self._line[at] == 9):
            at += 1
        return at

    def _value_end(self):
        if self._line_length > _LINE_MAX:
            raise ProtocolError("the reply has a header over %d bytes" % _LINE_MAX)
        end = self._line_length
        while end and (self._line[end - 1] == 32 or self._line[end - 1] == 9):
            end -= 1
        return end

    def _value_is(self, at, lower):
        at = self._skip_spaces(at)
        return self._value_end() - at == len(lower) and self._matches(at, lower)

    def _value_has(self, at, lower):
        # One word of a comma-separated list.
        end = self._value_end()
        while at < end:
            at = self._skip_spaces(at)
            stop = at
            while stop < end and self._line[stop] != 44:
                stop += 1
            if stop - at >= len(lower) and self._matches(at, lower):
                return True
            at = stop + 1
        return False
