"""Fakes under a `Client`, blocking or asyncio: transport, tokens, clock, and what a peer says."""

from linkpost.config import Config
from linkpost.errors import StorageError
from linkpost.net import transport as transport_module

TOPIC = "/pk1/dev1/user/update"
CONFIG = Config(
    {
        "endpoint": "platform.example",
        "product_key": "pk1",
        "device_name": "dev1",
        "device_secret": "canary-secret",
    }
)


def json_reply(body, more=b""):
    return b"HTTP/1.1 200\r\n%sContent-Length: %d\r\n\r\n" % (more, len(body)) + body


ACCEPTED = json_reply(b'{"code":0,"message":"success","info":{"messageId":1207967842654323713}}')
CLOSING = ACCEPTED.replace(b"200\r\n", b"200\r\nConnection: close\r\n")
TOKEN = json_reply(b'{"code":0,"message":"success","info":{"token":"fresh"}}')
EXPIRED = json_reply(b'{"code":20001,"message":"token is expired"}')
REFUSED = json_reply(b'{"code":20000,"message":"auth check error"}')
PUBLISH_ERROR = json_reply(b'{"code":30001,"message":"publish message error"}')


class Port:
    """A fake clock: sleeping takes no time, and is counted."""

    def __init__(self):
        self.now = 0
        self.fed = 0

    def ticks_ms(self):
        return self.now

    def ticks_diff(self, later, earlier):
        return later - earlier

    def uptime_ms(self):
        return self.now

    def sleep_ms(self, ms):
        self.now += ms

    def feed(self):
        self.fed += 1


class Tokens:
    def __init__(self, token=None, fails=False):
        self.token = token
        self.fails = fails
        self.writes = 0

    def load(self):
        return self.token

    def save(self, token):
        self.writes += 1
        if self.fails:
            raise StorageError("flash is full")
        self.token = token


class Transport:
    """Takes one reply (bytes) or error per request; keeps what was sent.

    Each step waits first, `waits` times; `is_ready` is what a look at the socket then says. A
    `port` given has its time go by while a look waits.
    """

    host = "platform.example"
    phase = 0

    def __init__(self, *replies, waits=0, is_ready=True, port=None):
        self.replies = list(replies)
        self.sent = []
        self.connects = 0
        self.connected = False
        self.reused = False
        self.dies_idle = False
        self.looks = 0
        self._waits = waits
        self._left = waits
        self._is_ready = is_ready
        self._port = port
        self._used = False

    def _waited(self):
        self._left -= 1
        if self._left >= 0:
            return False
        self._left = self._waits
        return True

    def connect_step(self):
        if not self._waited():
            return transport_module.WANT_WRITE
        self.connects += 1
        self.connected = True
        self._used = False
        return transport_module.READY

    def begin(self, head, length, body, body_bytes=0):
        assert self.connected, "sent over a connection that is closed"
        self.reused = self._used
        self._used = True
        sent = bytes(head[:length])
        if body is not None:
            chunk = bytearray(1000)
            left = body_bytes
            while left:
                count = body.readinto(memoryview(chunk)[: min(left, len(chunk))])
                assert count, "the body ended short"
                sent += bytes(chunk[:count])
                left -= count
        self.sent.append(sent)

    def write_step(self):
        return transport_module.READY if self._waited() else transport_module.WANT_WRITE

    def read_step(self, reply):
        if not self._waited():
            return transport_module.WANT_READ
        answer = self.answer()
        if isinstance(answer, BaseException):
            self.close()
            raise answer
        reply.feed(answer)
        return transport_module.READY

    def answer(self):
        """Return the reply to what was sent last."""
        return self.replies.pop(0)

    def alive(self):
        self.connected = self.connected and not self.dies_idle
        return self.connected

    def poll(self, want, ms):
        self.looks += 1
        if self._port is not None:
            self._port.now += ms
        return self._is_ready

    def wait_for_nothing(self):
        """Let no further step wait."""
        self._left = self._waits = 0

    def feed(self):
        if self._port is not None:
            self._port.feed()

    def close(self):
        self.connected = False
        self._left = self._waits


class Platform(Transport):
    """Answers as the platform does: a token for /auth, and messages only with the newest one."""

    def __init__(self, waits=0, is_ready=True):
        super().__init__(waits=waits, is_ready=is_ready)
        self.tokens_given = 0
        self.accepted = []

    def answer(self):
        head, _, body = self.sent[-1].partition(b"\r\n\r\n")
        if head.startswith(b"POST /auth"):
            self.tokens_given += 1
            return json_reply(
                b'{"code":0,"message":"success","info":{"token":"token-%d"}}' % self.tokens_given
            )
        if b"password: token-%d\r\n" % self.tokens_given not in head:
            return EXPIRED
        self.accepted.append(body)
        return ACCEPTED


class Log:
    def warning(self, *arguments):
        pass


class Stream:
    """A file as a payload: `readinto`, `seek`, `tell`."""

    def __init__(self, data):
        self._data = data
        self._at = 0

    def seek(self, at, whence=0):
        self._at = len(self._data) + at if whence == 2 else at
        return self._at

    def tell(self):
        return self._at

    def readinto(self, buffer):
        count = min(len(buffer), len(self._data) - self._at)
        buffer[:count] = self._data[self._at : self._at + count]
        self._at += count
        return count


def raised_by(kind, function, *arguments):
    try:
        function(*arguments)
    except kind as error:
        return error
    raise AssertionError("no %s" % kind.__name__)
