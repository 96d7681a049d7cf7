"""`Client.publish`: one message to the platform, over verified TLS, with the token it keeps."""

import gc

from .clock import Deadline
from .errors import RETRY_NEVER, ConfigError, LinkpostError, StorageError
from .log import Log
from .net.blocking import connect, exchange
from .net.transport import Transport
from .protocol.http import Reply
from .protocol.payloads import PAYLOAD_MAX_BYTES
from .protocol.replies import TOKEN_MAX
from .protocol.session import DONE, SEND_AUTH, SEND_TOPIC, Credentials, Session, head_max_bytes
from .protocol.topics import TOPIC_MAX_BYTES
from .storage.files import list_names, open_file, read_bytes
from .storage.tokens import TokenStore

# Bodies up to this leave in one write, so one TLS record, with their head.
_SMALL_BODY_BYTES = 1024
_ANCHOR_MAX_BYTES = 4096
# Where deploy puts them, and where `mip install` can.
ANCHOR_FOLDERS = ("certs", "lib/linkpost/certs")
# Waits are cut into slices of this, to feed the watchdog between them.
_SLICE_MS = 500


class Client:
    """Publishes messages for one device.

    Args: config; port, tokens (`load`/`save`), transport and log are found where not given.
    Memory: about 4 KB beside the TLS socket, allocated once.
    """

    def __init__(self, config, port=None, tokens=None, transport=None, log=None):
        if port is None:
            from .ports import detect

            port = detect()
        self._port = port
        self._log = log or Log(port)
        credentials = Credentials(
            config.host_header,
            config.product_key,
            config.device_name,
            config.device_secret,
            config.client_id,
            config.sign_method,
        )
        self._tokens = tokens or TokenStore(
            "token",
            (config.product_key, config.device_name, config.device_secret, config.endpoint),
        )
        self._session = Session(credentials, self._tokens.load())
        self._transport = transport or Transport(
            config.host, config.port_number, read_anchors, port
        )
        self._reply = Reply()
        head_max = head_max_bytes(credentials, TOPIC_MAX_BYTES, TOKEN_MAX)
        self._buffer = bytearray(head_max + _SMALL_BODY_BYTES)

    def publish(self, topic: str, payload, deadline_ms: int = 30_000):
        """Publish one message; return its id: a str of all digits, or None if none was given.

        Args: topic, with a leading slash; payload, bytes, 1 to 131072, or an object with
        `readinto` and a length (`len()`, or `seek` and `tell`) that streams from flash. A message
        may have to be sent twice (a dead token), so the object needs `seek(0)` for that.
        deadline_ms bounds all of it: connection, authentication, re-send.

        Raises: ConfigError before anything is sent; else the LinkpostError whose `retry` says
        what to do with the message.
        """
        length = length_of(payload)
        session = self._session
        action = session.publish(topic, length)
        deadline = Deadline(self._port, deadline_ms)
        try:
            while action == SEND_AUTH or action == SEND_TOPIC:  # noqa: SIM109
                action = self._perform(action, payload, length, deadline)
        except BaseException:
            self._transport.close()
            raise
        if action != DONE:
            raise session.error
        return session.message_id

    def open(self, deadline_ms: int = 30_000) -> None:
        """Open the connection, unless one that is kept is still alive.

        `publish` does this by itself. Done before a payload is built, it finds the heap whole:
        the TLS buffers need a contiguous 17 KB on rp2. Raises: NetworkError, TLSError.
        """
        self._open(Deadline(self._port, deadline_ms))

    def publish_file(self, topic: str, path: str, deadline_ms: int = 60_000):
        """Publish a file on flash, 1 to 131072 bytes, as one message; return as `publish` does.

        Memory: one chunk of 2816 bytes, whatever the file's size. Raises: as `publish`, and
        StorageError where the file cannot be read.
        """
        with open_file(path) as file:
            return self.publish(topic, file, deadline_ms)

    def date(self):
        """Return the Date header of the last reply (over verified TLS), or None."""
        return self._reply.date()

    def close(self) -> None:
        """Close the connection, if one is kept. The next publish opens a new one."""
        self._transport.close()

    # The asyncio client (`aio`) has `_perform`, `_open` and `_pause` of its own, which await; the
    # rest it shares.

    def _perform(self, action, payload, length, deadline):
        reply = self._reply
        reply.clear()
        try:
            if self._session.wait_ms:
                self._pause(self._session.wait_ms, deadline)
            self._open(deadline)
            end, body = self._request(action, payload, length)
            exchange(self._transport, self._buffer, end, body, length, reply, deadline)
            return self._answered()
        except LinkpostError as error:
            return self._failed(error)

    def _open(self, deadline):
        if not self._transport.alive():
            gc.collect()
            connect(self._transport, deadline)

    def _request(self, action, payload, length):
        # Returns how much of the buffer to send, and the body that streams behind it. A small body
        # joins its head in the buffer. A second send of the same message starts at the payload's
        # beginning again.
        end = self._session.request_into(action, self._buffer)
        body = None
        if action == SEND_TOPIC:
            if hasattr(payload, "readinto"):
                body = payload
                if hasattr(body, "seek"):
                    body.seek(0)
            elif length <= len(self._buffer) - end:
                self._buffer[end : end + length] = payload
                end += length
            else:
                body = _BytesBody(payload)
        return end, body

    def _answered(self):
        session = self._session
        action = session.answer(self._reply)
        if not self._reply.keep_alive:
            self._transport.close()
        if session.token_changed:
            session.token_changed = False
            try:
                self._tokens.save(session.token)
            except StorageError as error:
                # It is in RAM: this boot goes on with it, the next one authenticates.
                self._log.warning("store", "token not kept", "error", error)
        return action

    def _failed(self, error):
        transport = self._transport
        reused = transport.reused
        transport.close()
        return self._session.failed(error, self._reply.started, reused)

    def _pause(self, ms, deadline):
        port = self._port
        ms = min(ms, deadline.left_ms())
        while ms > 0:
            port.feed()
            port.sleep_ms(min(ms, _SLICE_MS))
            ms -= _SLICE_MS


class _BytesBody:
    """Bytes as a body that streams, without a copy of them."""

    def __init__(self, data):
        self._view = memoryview(data)
        self._at = 0

    def readinto(self, buffer):
        count = min(len(buffer), len(self._view) - self._at)
        buffer[:count] = self._view[self._at : self._at + count]
        self._at += count
        return count


def read_anchors():
    """Yield the trust anchors on flash, DER, one at a time."""
    for folder in ANCHOR_FOLDERS:
        for name in list_names(folder):
            if name.endswith(".der"):
                yield read_bytes(folder + "/" + name, _ANCHOR_MAX_BYTES)


def length_of(payload) -> int:
    """Return how many bytes a payload has. Raises: ConfigError where it cannot be published."""
    if hasattr(payload, "readinto"):
        if hasattr(payload, "__len__"):
            length = len(payload)
        else:
            payload.seek(0, 2)
            length = payload.tell()
    elif isinstance(payload, (bytes, bytearray, memoryview)):
        length = len(payload)
    else:
        raise _refused("must be bytes, or an object with readinto and a length")
    if not 1 <= length <= PAYLOAD_MAX_BYTES:
        raise _refused("has %d bytes; 1 to %d are possible" % (length, PAYLOAD_MAX_BYTES))
    return length


def _refused(message):
    error = ConfigError("payload", message)
    error.retry = RETRY_NEVER
    return error
