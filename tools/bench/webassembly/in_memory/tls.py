"""TLS without TLS, and the platform behind it: replies to each request from bytes made before.

`platform.reply` and `platform.auth_reply` may be replaced by a scenario.
"""

PROTOCOL_TLS_CLIENT = 0
CERT_REQUIRED = 2

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n%s"


def reply_of(body, closes=False):
    """Return a reply with that body; `closes`: the last one of its connection."""
    return _HEAD % (b"Connection: close\r\n" if closes else b"", len(body), body)


class Platform:
    """What answers, and counts."""

    def __init__(self):
        self.auth_reply = reply_of(
            b'{"code":0,"message":"success","info":{"token":"6944e5bfb92e4d4ea3918d1eda3942f6"}}'
        )
        self.reply = reply_of(
            b'{"code":0,"message":"success","info":{"messageId":1024687529142341632}}'
        )
        self.requests = 0
        self.handshakes = 0


platform = Platform()


class SSLContext:
    def __init__(self, protocol):
        self.verify_mode = 0

    def load_verify_locations(self, der):
        pass

    def wrap_socket(self, sock, server_hostname=None, do_handshake_on_connect=True):
        platform.handshakes += 1
        return _Connection()


class _Connection:
    def __init__(self):
        self._answer = b""
        self._at = 0
        self._expected = 0

    def write(self, data, start, count):
        if self._expected <= 0:
            # "POST /auth" or "POST /topic..."; a body that streams comes in writes of its own.
            is_auth = data[start + 6] == 97
            self._answer = platform.auth_reply if is_auth else platform.reply
            self._at = 0
            platform.requests += 1
        return count

    def readinto(self, buffer, count=None):
        if self._at == len(self._answer):
            return None
        piece = self._answer[self._at : self._at + (len(buffer) if count is None else count)]
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def close(self):
        pass
