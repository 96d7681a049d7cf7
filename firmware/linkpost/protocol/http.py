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
from .line import CR, Line

_HEAD_MAX = const(4096)  # bytes of status line and headers; the platform's are under 400
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
        self._line = Line()
        self._date = bytearray(29)  # an IMF-fixdate is 29 characters, RFC 9110 section 5.6.7
        self.clear()

    def clear(self) -> None:
        """Make ready for the next reply."""
        self._state = _HEAD
        self._head_bytes = 0
        self.started = False
        self._clear_head()

    def _clear_head(self):
        self._line.start()
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
            line = self._line
            if line.length:
                return 3 if line.previous == CR else 4
            return 1 if line.previous == CR else 2
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
        if self._line.take(byte, _HEAD_MAX):
            if self.status == 0:
                self._take_status()
            elif self._line.length:
                self._take_header()
            else:
                self._end_head()
                return
            self._line.length = 0

    def _take_status(self):
        # HTTP/1.x SP 3DIGIT [SP reason]: the platform leaves the reason out.
        line = self._line
        text = line.bytes
        if line.length < 12 or not line.starts(b"http/1.") or text[8] != 32:
            raise ProtocolError("the peer does not speak HTTP/1.1")
        status = line.integer(9, 12)
        if status < 100 or (line.length > 12 and text[12] != 32):
            raise ProtocolError("the reply has no three-digit status")
        self.status = status
        self.keep_alive = text[7] != 48  # HTTP/1.0 closes unless it says otherwise

    def _take_header(self):
        line = self._line
        if line.starts(b"content-length:"):
            if self._expected >= 0:
                raise ProtocolError("the reply has two Content-Lengths")
            start = line.value_start(15)
            end = line.value_end()
            self._expected = line.integer(start, end) if 1 <= end - start <= 9 else -1
            if self._expected < 0:
                raise ProtocolError("the reply's Content-Length is no number within bounds")
        elif line.starts(b"transfer-encoding:"):
            if not line.value_is(18, b"chunked") or self._chunked:
                raise ProtocolError("the reply has a Transfer-Encoding other than chunked")
            self._chunked = True
        elif line.starts(b"connection:"):
            if line.value_has(11, b"close"):
                self.keep_alive = False
            elif line.value_has(11, b"keep-alive"):
                self.keep_alive = True
        elif line.starts(b"date:"):
            start = line.value_start(5)
            if line.value_end() - start == len(self._date):
                for i in range(len(self._date)):
                    self._date[i] = line.bytes[start + i] & 127
                self._has_date = True

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
        self._line.start()

    def _take_chunk_line(self, byte):
        if not self._line.take(byte, _CHUNK_LINE_MAX):
            return
        if self._state == _CHUNK_SIZE:
            self._expected = self._line.chunk_size()
            if self._expected > BODY_MAX_BYTES - self.length:
                self._refuse_body()
            self._start_chunk_line(_CHUNK_DATA if self._expected else _TRAILER)
        elif self._state == _CHUNK_END:
            if self._line.length:
                raise ProtocolError("the reply has a chunk longer than its size")
            self._start_chunk_line(_CHUNK_SIZE)
        elif self._line.length == 0:  # the empty line after the trailers
            self._state = _DONE
        else:
            self._head_bytes += self._line.length
            if self._head_bytes > _HEAD_MAX:
                raise ProtocolError("the trailers of the reply are over %d bytes" % _HEAD_MAX)
            self._start_chunk_line(_TRAILER)
