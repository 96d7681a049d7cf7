"""What the platform says in a reply's body: code, message, token, message id.

The JSON is read in place. `json.loads` would allocate the whole tree for two numbers, round a
19-digit id on builds without long integers, and recurse as deep as a peer likes.
"""

import json

from micropython import const

from ..errors import ProtocolError
from ..loader import load

_DEPTH_MAX = const(8)  # the platform's own replies have two levels
_ID_MAX = const(64)  # characters of a message id; the platform's have 19
TOKEN_MAX = const(512)  # characters; the vendor's SDKs make room for 192


class Answer:
    """The fields of one reply; use it again with `parse`.

    code (int), message (str), token (str or None), message_id (str of all its digits, or None).
    """

    def __init__(self):
        self._buffer = b""
        self._clear()

    def _clear(self):
        self.code = None
        self.message_id = None
        self._message = 0
        self._message_end = 0
        self._token = 0
        self._token_end = 0

    def parse(self, buffer, length: int) -> None:
        """Read the first `length` bytes of `buffer`, which must be one JSON object.

        Raises: ProtocolError for anything else, without `code`, or with a field given twice.
        """
        self._clear()
        self._buffer = buffer
        at = self._object(0, length, False)
        if self._skip_space(at, length) != length:
            raise ProtocolError("the reply has something after its JSON")
        if self.code is None:
            raise ProtocolError("the reply has no code")

    @property
    def message(self) -> str:
        """The platform's words for people, "" where there are none."""
        if not self._message_end:
            return ""
        return load("protocol.advice").words(
            memoryview(self._buffer)[self._message : self._message_end]
        )

    @property
    def token(self):
        """The token, or None. Raises ProtocolError unless it is 1 to 512 printable ASCII."""
        if not self._token_end:
            return None
        token = self._text(self._token, self._token_end)
        if not 1 <= len(token) <= TOKEN_MAX:
            raise ProtocolError("the token has %d characters" % len(token))
        for character in token:
            if not "!" <= character <= "~":
                raise ProtocolError("the token has a character that no header can carry")
        return token

    def _text(self, at, end):
        # At most one string of bounded length; json knows the escapes.
        try:
            text = json.loads(str(memoryview(self._buffer)[at:end], "utf-8"))
        except ValueError:  # UnicodeError is one
            text = None
        if not isinstance(text, str):
            raise ProtocolError("the reply has a string that is none")
        return text

    def _object(self, at, end, inside):
        # The members of the reply's object, or (`inside`) of its "info".
        buffer = self._buffer
        at = self._skip_space(at, end)
        if at >= end or buffer[at] != 123:  # {
            raise ProtocolError("the reply is no JSON object")
        at = self._skip_space(at + 1, end)
        if at < end and buffer[at] == 125:  # }
            return at + 1
        while True:
            name = self._skip_space(at, end)
            name_end = self._string(name, end)
            at = self._skip_space(name_end, end)
            if at >= end or buffer[at] != 58:  # :
                raise ProtocolError("the reply's JSON is broken")
            at = self._skip_space(at + 1, end)
            at = self._member(name, name_end, at, end, inside)
            at = self._skip_space(at, end)
            if at >= end or (buffer[at] != 44 and buffer[at] != 125):
                raise ProtocolError("the reply's JSON is broken")
            if buffer[at] == 125:
                return at + 1
            at += 1

    def _member(self, name, name_end, at, end, inside):
        after = end
        if inside:
            if self._is(name, name_end, b'"messageId"'):
                after = self._value(at, end)
                self._take_message_id(at, after)
                return after
            if self._is(name, name_end, b'"token"'):
                after = self._value(at, end)
                if self._token_end:
                    self._twice("token")
                if self._buffer[at] != 110:  # null
                    self._token = at
                    self._token_end = after
                return after
        elif self._is(name, name_end, b'"code"'):
            after = self._value(at, end)
            if self.code is not None:
                self._twice("code")
            self.code = self._integer(at, after)
            return after
        elif self._is(name, name_end, b'"message"'):
            after = self._value(at, end)
            if self._message_end:
                self._twice("message")
            if self._buffer[at] == 34:
                self._message = at
                self._message_end = after
            return after
        elif self._is(name, name_end, b'"info"') and at < end and self._buffer[at] == 123:
            return self._object(at, end, True)
        return self._value(at, end)

    def _twice(self, name):
        raise ProtocolError("the reply has two of %s" % name)

    def _take_message_id(self, at, after):
        buffer = self._buffer
        if buffer[at] == 110:  # null
            return
        if self.message_id is not None:
            self._twice("messageId")
        if buffer[at] == 34:  # one client of the vendor expects a string
            at += 1
            after -= 1
        if not 1 <= after - at <= _ID_MAX:
            raise ProtocolError("the message id has %d characters" % (after - at))
        for i in range(at, after):
            if not (48 <= buffer[i] <= 57 or 97 <= buffer[i] | 32 <= 122 or buffer[i] == 45):
                raise ProtocolError("the message id is no number")
        self.message_id = str(memoryview(buffer)[at:after], "ascii")

    def _integer(self, at, after):
        if not 1 <= after - at <= 9:
            raise ProtocolError("the reply's code is no number")
        number = 0
        for i in range(at, after):
            digit = self._buffer[i] - 48
            if not 0 <= digit <= 9:
                raise ProtocolError("the reply's code is no number")
            number = number * 10 + digit
        return number

    # -- JSON, passed over ------------------------------------------------------------------------

    def _is(self, at, end, wanted):
        if end - at != len(wanted):
            return False
        for byte in wanted:
            if self._buffer[at] != byte:
                return False
            at += 1
        return True

    def _skip_space(self, at, end):
        buffer = self._buffer
        while at < end and (buffer[at] == 32 or 9 <= buffer[at] <= 10 or buffer[at] == 13):
            at += 1
        return at

    def _string(self, at, end):
        # Returns the index behind the closing quote.
        buffer = self._buffer
        if at < end and buffer[at] == 34:
            at += 1
            while at < end and buffer[at] >= 32:
                if buffer[at] == 34:
                    return at + 1
                at += 2 if buffer[at] == 92 else 1
        raise ProtocolError("the reply's JSON is broken")

    def _value(self, at, end):
        # Returns the index behind one value. Brackets are counted, not recursed into.
        buffer = self._buffer
        depth = 0
        while at < end:
            byte = buffer[at]
            if byte == 34:
                at = self._string(at, end)
            elif byte in (123, 91):  # { [
                depth += 1
                if depth > _DEPTH_MAX:
                    raise ProtocolError("the reply's JSON is too deep")
                at += 1
                continue
            elif byte in (125, 93):  # } ]
                depth -= 1
                at += 1
                if depth < 0:
                    break
            elif depth and (byte in (44, 58) or byte <= 32):
                at += 1
                continue
            else:
                at = self._word(at, end)
            if depth == 0:
                return at
        raise ProtocolError("the reply's JSON is broken")

    def _word(self, at, end):
        # A number, true, false or null: letters, digits, sign, point.
        start = at
        buffer = self._buffer
        while at < end:
            byte = buffer[at]
            if not (48 <= byte <= 57 or 97 <= byte | 32 <= 122 or byte in b"+-."):
                break
            at += 1
        if at == start:
            raise ProtocolError("the reply's JSON is broken")
        return at
