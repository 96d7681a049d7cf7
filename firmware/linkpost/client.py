"""`Client`: messages to the platform over verified TLS, with the token it keeps.

    from linkpost import Client, Config

    with Client(Config.load()) as client:
        client.report({"temperature": 21.5})                   # joins the Wi-Fi of the config
        client.publish("/pk/dn/user/update", {"door": True})   # where there is a network already

The policy stands in `publishing`, top to bottom. It and all it calls are generators that yield
what they wait for, a mask to poll for or minus the ms of a pause, and know nothing of how: `drive`
waits blocking, `linkpost.aio` beside other tasks. Whatever is raised, a deadline or Ctrl-C too,
leaves the connection closed, except a refusal that was read whole.
"""

from micropython import const

from .errors import NetworkError, ServiceError, StorageError
from .loader import load, sweep
from .log import Log
from .net import Connection
from .protocol import id_of, parse, read

# A request up to this, head and body, leaves in one write, so one TLS record.
_REQUEST_BYTES = const(2048)
_REPLY_BYTES = const(512)  # read at once; the platform's replies are shorter
_PAYLOAD_MAX_BYTES = const(131_072)  # the platform's limit; source: the vendor's page
# At most this long between two looks at deadline and watchdog, ms. rp2's watchdog ends at 8388.
_SLICE_MS = const(200)
# Pause before a message that met 30001 is sent once more, ms.
_RETRY_PAUSE_MS = const(2000)

# The codes that decide here; `protocol.refusals` has the others.
_TOKEN_EXPIRED = const(20001)
_TOKEN_UNKNOWN = const(20003)
_PUBLISH_ERROR = const(30001)


class Client:
    """Publishes messages for one device, one at a time; usable in `with`, which closes it.

    Args: config; port, tokens (`load`/`save`), connection and log are found where not given.
    Memory: 0.4 KB beside the connection; while a message is sent, its request and 0.5 KB.
    """

    def __init__(self, config, port=None, tokens=None, connection=None, log=None):
        if port is None:
            from .ports import detect

            port = detect()
        self.port = port
        self.config = config
        self.log = log or Log(port)
        self._tokens = tokens
        self._connection = connection or Connection(
            config.host, config.port_number, port, _anchors
        )
        self._token = self._store().load()
        self._topic = config.topic  # checked with the config; then the one checked last
        self._date = None
        self._replaced = self._warned = False
        self.link = None

    # -- for callers; `linkpost.aio` has each of these with `await` -------------------------------

    def publish(self, topic: str, payload, deadline_ms: int = 30_000):
        """Publish one message; return its id: a str of all digits, or None if none was given.

        Args: topic, with a leading slash; payload, 1 to 131072 bytes, or a str (UTF-8), a dict or
        list (JSON), or an object with `readinto` and a length (`len()`, or `seek` and `tell`) that
        streams from flash. A message may have to be sent twice (a dead token), so the object needs
        `seek(0)` for that. deadline_ms bounds all of it: connection, authentication, re-send.

        Raises: ConfigError before anything is sent; else the LinkpostError whose `retry` says
        what to do with the message.
        """
        return self._run(self.publishing(topic, payload), deadline_ms)

    def report(self, values: dict, deadline_ms: int = 60_000):
        """Send one reading to the config's topic, in its format; return as `publish` does.

        On a board that has just started it joins the config's Wi-Fi first, and sets the clock, by
        NTP where that answers: certificates have dates. The time of the reading is now, null while
        the clock is not known to be right; there is no seq and no stream, and with `alink` the
        message's id is random.

        Nothing is stored: a reading that was not accepted is gone unless the caller keeps it.
        `App` is for those who want it kept.

        Raises: ConfigError for a name or value that a reading cannot carry; else as `publish`.
        """
        return self._run(load("reporting").steps(self, values), deadline_ms)

    def publish_file(self, topic: str, path: str, deadline_ms: int = 60_000):
        """Publish a file on flash, 1 to 131072 bytes, as one message; return as `publish` does.

        Memory: one chunk of 2816 bytes, whatever the file's size. Raises: as `publish`, and
        StorageError where the file cannot be read.
        """
        with load("storage.files").open_file(path) as file:
            return self.publish(topic, file, deadline_ms)

    def open(self, deadline_ms: int = 30_000) -> None:
        """Open the connection, unless one that is kept is still alive.

        `publish` does this by itself. Done before a payload is built, it finds the heap whole:
        the TLS buffers need a contiguous 17 KB on rp2. Raises: NetworkError, TLSError.
        """
        self._run(self._opening(), deadline_ms)

    def close(self) -> None:
        """Close the connection, if one is kept. The next publish opens a new one."""
        self._connection.close()

    def date(self):
        """Return the Date header of the last reply (over verified TLS), or None."""
        return self._date

    def __enter__(self):
        return self

    def __exit__(self, *details):
        self.close()

    # -- the policy -------------------------------------------------------------------------------

    def publishing(self, topic, payload):
        """Return the steps of one message, which was checked. Raises: ConfigError."""
        if topic not in (self.config.topic, self._topic):
            load("protocol.messages").check_topic(topic)
            self._topic = topic
        length = 0
        streams = hasattr(payload, "readinto")
        if streams and not hasattr(payload, "__len__"):
            payload.seek(0, 2)
            length = payload.tell()
        elif streams or isinstance(payload, bytes):
            length = len(payload)
        if not 0 < length <= _PAYLOAD_MAX_BYTES:
            payload, length = load("protocol.messages").measured(payload, length)
        return self._publishing(topic, payload, length)

    def _publishing(self, topic, payload, length):
        """Yield what is waited for until a message is accepted; return its id.

        Rules (docs/protocol.md, "What a board does with each answer"):
          1. A dead token (20001, 20002, 20003) is dropped; then one authentication and one
             re-send. Where the fresh token is refused as well it is kept: it is no deader than
             the next.
          2. 30001 is tried once more, after a pause.
          3. A kept connection that fails before the first byte of the reply is replaced, once. The
             peer may close an idle one at any time, and did not read a request that met its close.
          4. Everything else that is not code 0 is raised, with the token kept.
        So a message costs at most two authentications and four requests on topics, in any world.
        """
        renewed = retried = self._replaced = False
        try:
            while True:
                if self._token is None:
                    yield from self.authenticating()
                tree = yield from self._exchanging(
                    "topic" + topic,
                    "octet-stream\r\npassword: " + self._token,
                    payload,
                    length,
                )
                code = tree["code"]
                if code == 0:
                    return id_of(tree)
                if _TOKEN_EXPIRED <= code <= _TOKEN_UNKNOWN and not renewed:
                    renewed = True
                    self._token = None
                elif code == _PUBLISH_ERROR and not retried:
                    retried = True
                    yield -_RETRY_PAUSE_MS
                else:
                    raise load("protocol.refusals").of_code(tree, topic)
        except ServiceError:
            raise  # the connection is in step
        except BaseException:
            self._connection.close()
            raise

    def authenticating(self):
        """Yield what is waited for until the platform has given a token."""
        body = load("protocol.signing").encode_auth_body(self.config)
        tree = yield from self._exchanging("auth", "json", body, len(body))
        self._token = load("protocol.refusals").token_of(tree, self.config.device_secret)
        try:
            self._store().save(self._token)
        except StorageError as error:
            # It is in RAM: this boot goes on with it, the next one authenticates.
            self.log.warning("store", "token not kept", "error", error)

    def _exchanging(self, path, kind, body, length):
        """Send a request; return the reply. Args: kind, the end of its Content-Type, and what is
        behind that; body, bytes or an object with readinto."""
        request = (
            "POST /%s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/%s\r\n"
            "Content-Length: %d\r\n\r\n" % (path, self.config.host_header, kind, length)
        ).encode()
        if not hasattr(body, "readinto") and len(request) + length <= _REQUEST_BYTES:
            request += body
            body = None
        connection = self._connection
        while True:
            reused = connection.alive() and connection.kept
            try:
                if not connection.phase:
                    yield from self._opening()
                if hasattr(body, "seek"):
                    body.seek(0)
                yield from connection.request(request)
                if body is not None:
                    yield from load("net.streaming").send(connection, body, length)
                yield 0  # a peer may be faster than we are: others have their turn all the same
                status, keeps, self._date, data = yield from read(
                    connection.receive, bytearray(_REPLY_BYTES)
                )
                break
            except NetworkError as error:
                connection.close()
                # Not another class: a deadline has passed for the next try as well.
                if (
                    not reused
                    or connection.answered
                    or self._replaced
                    or type(error) is not NetworkError
                ):
                    raise
                self._replaced = True
        connection.done(keeps)
        if status != 200:
            raise load("protocol.refusals").of_status(status)
        return parse(data)

    def _opening(self):
        connection = self._connection
        if connection.alive():
            return
        yield from connection.connect()
        tight = connection.tight
        if tight and not self._warned:
            self.log.warning("send", "little memory for TLS", "free", tight[0], "block", tight[1])
        self._warned = bool(tight)

    def _store(self):
        config = self.config
        return self._tokens or load("storage.tokens").TokenStore(
            "token",
            (config.product_key, config.device_name, config.device_secret, config.endpoint),
        )

    def _run(self, steps, deadline_ms):
        return drive(steps, self._connection, self.port, deadline_ms)


def drive(steps, connection, port, deadline_ms):
    """The blocking driver: wait for what a generator yields, until it returns; return that.

    It feeds the watchdog. One deadline is over all of it: a slow peer or a retry cannot reset it.
    Raises: what the generator raises, and DeadlineError, with the connection closed.
    """
    end_ms = port.uptime_ms() + deadline_ms
    try:
        while True:
            port.feed()
            left_ms = end_ms - port.uptime_ms()
            if left_ms <= 0:
                raise connection.late(deadline_ms)
            sweep()
            want = next(steps)
            if want > 0:
                connection.poll(want, min(left_ms, _SLICE_MS))
            want = -min(-want, left_ms)
            while want < 0:
                port.feed()
                port.sleep_ms(min(-want, _SLICE_MS))
                want += _SLICE_MS
    except StopIteration as stop:
        return stop.value
    finally:
        steps.close()


def _anchors():
    return load("storage.files")
