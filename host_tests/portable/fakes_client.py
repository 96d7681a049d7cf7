"""Fakes under a `Client`, blocking or asyncio: connection, tokens, clock, and what a peer says."""

from linkpost.config import Config
from linkpost.errors import DeadlineError, StorageError

# As `net.connection` has them: phases, and what is yielded.
CLOSED, CONNECTING, HANDSHAKE, SENDING, SENT = range(5)
READ, WRITE = 1, 4

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


class Connection:
    """Takes one reply (bytes) or error per request, or both in turn; keeps what was sent.

    Connecting, sending and receiving wait first, `waits` times each; `is_ready` is what a look at
    the socket then says. A `port` given has its time go by while a look waits.
    """

    def __init__(self, *replies, waits=0, is_ready=True, port=None):
        self.replies = list(replies)
        self.sent = []
        self.connects = 0
        self.phase = CLOSED
        self.kept = self.answered = False
        self.tight = None
        self.dies_idle = False
        self.looks = 0
        self._waits = waits
        self._is_ready = is_ready
        self._port = port
        self._sending = b""
        self._coming = b""
        self._then = None  # what is raised behind it

    @property
    def connected(self):
        return self.phase > CONNECTING

    def connect(self):
        self.phase = CONNECTING
        try:
            for _ in range(self._waits):
                yield WRITE
        except BaseException:
            self.close()
            raise
        self.connects += 1
        self.phase = HANDSHAKE

    def request(self, data):
        self.answered = False
        self._sending = self._coming = b""
        if self.phase == CLOSED:
            yield from self.connect()
        yield from self.send(((data, len(data)),))

    def send(self, pieces):
        for source, length in pieces:
            assert self.connected, "sent over a connection that is closed"
            for _ in range(self._waits):
                yield WRITE
            self.phase = SENDING
            self._sending += bytes(source[:length])

    def receive(self, view):
        self.phase = SENT
        if self._sending:
            self.sent.append(self._sending)
            self._sending = b""
            for _ in range(self._waits):
                yield READ
            self._coming = self.answer()
            if isinstance(self._coming, tuple):
                self._coming, self._then = self._coming
            elif isinstance(self._coming, BaseException):
                self._coming, self._then = b"", self._coming
        if not self._coming and self._then is not None:
            then, self._then = self._then, None
            self.close()
            raise then
        self.answered = True
        piece = self._coming[: len(view)]
        self._coming = self._coming[len(piece) :]
        view[: len(piece)] = piece
        return len(piece)

    def answer(self):
        """Return the reply to what was sent last."""
        return self.replies.pop(0)

    def done(self, keeps):
        self.kept = keeps
        if not keeps:
            self.close()

    def alive(self):
        if self.kept and self.dies_idle:
            self.close()
        return self.connected

    def poll(self, want, ms):
        self.looks += 1
        if self._port is not None:
            self._port.now += ms
        return self._is_ready

    def wait_for_nothing(self):
        """Let nothing wait any more."""
        self._waits = 0

    def late(self, ms):
        self.close()
        return DeadlineError("not within %d ms" % ms)

    def close(self):
        self.phase = CLOSED
        self.kept = False


class Platform(Connection):
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
    def __init__(self):
        self.warnings = []

    def warning(self, *arguments):
        self.warnings.append(arguments)

    def info(self, *arguments):
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
