"""`await client.publish(...)`: the client for programs that run on asyncio.

    from linkpost import Config
    from linkpost.aio import Client

    async def main():
        async with Client(Config.load("config.json")) as client:
            await client.publish("/pk/dn/user/update", b'{"door":true}')

Session, parser, transport and token are those of the blocking client, so is every decision; here
stands only how to wait. Other tasks go on meanwhile, except in what cannot be cut into steps:

    the name    `getaddrinfo` blocks until a name server has answered; with two that are silent,
                up to 14 s on rp2. An endpoint that is an address needs none.
    handshake   a few calls into mbedTLS, each whole: 0.8 s on an RP2040.
    flash       the anchors at the first connection, a token that is new, each chunk of a file.

How it waits: it looks after the socket, sleeps, and looks again, 1, 3, 7, 15, then every 20 ms.
So it learns of a reply at most 20 ms late, and at most as late as it had waited already. Waiting
for the socket itself would need `asyncio.core._io_queue` on MicroPython, which is internal, and
on a TLS socket asks mbedTLS and not the network; and `add_reader` on CPython, which Windows' own
loop has not.

It is loaded where it is imported, never by `import linkpost`.
"""

import asyncio
import gc

from micropython import const

from .client import Client as BlockingClient
from .client import length_of
from .clock import Deadline
from .errors import LinkpostError
from .net.blocking import time_left
from .net.transport import READY
from .protocol.session import DONE, SEND_AUTH, SEND_TOPIC
from .storage.files import open_file

# The longest sleep between two looks at the socket, at deadline and watchdog.
_SLICE_MS = const(20)


class Client(BlockingClient):
    """Publishes messages for one device, one at a time: tasks that publish at once take turns.

    Args and Memory: as the blocking client, from which only `date()` may be called without
    `await`. All calls of one client belong to one event loop.

    Whoever cancels a task in one of these calls (`task.cancel()`, `asyncio.wait_for`) closes the
    connection, if it was that task's turn, and nothing else: the token stays, the next call works.
    The message may have arrived all the same, as after a deadline.
    """

    def __init__(self, config, port=None, tokens=None, transport=None, log=None):
        super().__init__(config, port, tokens, transport, log)
        self._turn = asyncio.Lock()

    async def publish(self, topic: str, payload, deadline_ms: int = 30_000):
        """Publish one message; return its id: a str of all digits, or None if none was given.

        Args: as the blocking client's. The payload has to stay as it is until this is done.
        deadline_ms counts from the message's turn on: waiting for others is not part of it.

        Raises: as the blocking client's, and `asyncio.CancelledError`.
        """
        length = length_of(payload)
        async with self._turn:
            session = self._session
            action = session.publish(topic, length)
            deadline = Deadline(self._port, deadline_ms)
            try:
                while action == SEND_AUTH or action == SEND_TOPIC:  # noqa: SIM109
                    action = await self._perform(action, payload, length, deadline)
            except BaseException:
                self._transport.close()
                raise
            if action != DONE:
                raise session.error
            return session.message_id

    async def publish_file(self, topic: str, path: str, deadline_ms: int = 60_000):
        """Publish a file on flash, 1 to 131072 bytes, as one message; return as `publish` does.

        Raises: as the blocking client's, and `asyncio.CancelledError`. Reading it blocks, a chunk
        of 2816 bytes at a time.
        """
        with open_file(path) as file:
            return await self.publish(topic, file, deadline_ms)

    async def open(self, deadline_ms: int = 30_000) -> None:  # type: ignore[override]
        """Open the connection, unless one that is kept is still alive; see the blocking client.

        Raises: NetworkError, TLSError; `asyncio.CancelledError`.
        """
        async with self._turn:
            try:
                await self._open(Deadline(self._port, deadline_ms))
            except BaseException:
                self._transport.close()
                raise

    async def close(self) -> None:  # type: ignore[override]
        """Close the connection, if one is kept, once the publish that is going on is done.

        The next publish opens a new one. To end one at once, cancel its task.
        """
        async with self._turn:
            self._transport.close()

    async def __aenter__(self):
        return self

    async def __aexit__(self, *details):
        await self.close()

    async def _perform(self, action, payload, length, deadline):
        reply = self._reply
        transport = self._transport
        reply.clear()
        try:
            if self._session.wait_ms:
                await self._pause(self._session.wait_ms, deadline)
            await self._open(deadline)
            end, body = self._request(action, payload, length)
            transport.begin(self._buffer, end, body, length)
            await self._drive(deadline, transport.write_step)
            await self._drive(deadline, transport.read_step, reply)
            return self._answered()
        except LinkpostError as error:
            return self._failed(error)

    async def _open(self, deadline):
        transport = self._transport
        if not transport.alive():
            gc.collect()
            # Not begun when the time is over: the name alone may take 14 s, which nothing ends.
            time_left(transport, deadline, transport.feed)
            await self._drive(deadline, transport.connect_step)

    async def _pause(self, ms, deadline):
        end = Deadline(self._port, min(ms, deadline.left_ms()))
        while True:
            left_ms = end.left_ms()
            if not left_ms:
                return
            self._port.feed()
            await self._sleep(min(left_ms, _SLICE_MS))

    async def _drive(self, deadline, step, *arguments):
        """Take a step again and again until it is READY; before each, other tasks go on."""
        transport = self._transport
        # Where the peer is faster than we are, no step ever waits: a fresh report was three of
        # them, and a task that publishes in a loop would have kept the others out for good.
        await self._sleep(0)
        ms = 0
        want = step(*arguments)
        while want != READY:
            left_ms = time_left(transport, deadline, transport.feed)
            # What is there already waits for one round of the others, however fast the peer is.
            ms = 0 if transport.poll(want, 0) else min(2 * ms + 1, _SLICE_MS)
            await self._sleep(min(ms, left_ms))
            want = step(*arguments)

    async def _sleep(self, ms):
        # MicroPython has `sleep_ms` as well, CPython has not.
        await asyncio.sleep(ms / 1000)
