"""`await client.publish(...)`: the client for programs that run on asyncio.

    from linkpost import Config
    from linkpost.aio import Client

    async def main():
        async with Client(Config.load()) as client:
            await client.report({"temperature": 21.5})
            await client.publish("/pk/dn/user/update", {"door": True})

The blocking client's policy, connection and token, and so every decision, are used as they are;
here stands only how to wait. Other tasks go on meanwhile, except in what cannot be cut into steps:

    the name    `getaddrinfo` blocks until a name server has answered; with two that are silent,
                up to 14 s on rp2. An endpoint that is an address needs none.
    handshake   a few calls into mbedTLS, each whole: 0.8 s on an RP2040.
    NTP         in `report`, where the clock is not known to be right: 6 s at most.
    flash       roots (certificates) at the first connection, a new token, each chunk of a file.

How it waits: it looks after the socket, sleeps, and looks again, 1, 3, 7, 15, then every 20 ms.
So it learns of a reply at most 20 ms late, and at most as late as it had waited already. Waiting
for the socket itself would need `asyncio.core._io_queue` on MicroPython, which is internal, and
on a TLS socket asks mbedTLS and not the network; and `add_reader` on CPython, which Windows' own
loop has not.

It is loaded where it is imported, never by `import linkpost`.
"""

import asyncio

from micropython import const

from .client import Client as BlockingClient
from .loader import load

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

    def __init__(self, config, port=None, tokens=None, connection=None, log=None):
        super().__init__(config, port, tokens, connection, log)
        self._turn = asyncio.Lock()

    async def publish(self, topic: str, payload, deadline_ms: int = 30_000):
        """Publish one message; return its id: a str of all digits, or None if none was given.

        Args: as the blocking client's. The payload has to stay as it is until this is done.
        deadline_ms counts from the message's turn on: waiting for others is not part of it.

        Raises: as the blocking client's, and `asyncio.CancelledError`.
        """
        steps = self.publishing(topic, payload)
        async with self._turn:
            return await self._run(steps, deadline_ms)

    async def report(self, values: dict, deadline_ms: int = 60_000):
        """Send one reading to the config's topic; see the blocking client.

        Raises: as the blocking client's, and `asyncio.CancelledError`.
        """
        async with self._turn:
            return await self._run(load("reporting").steps(self, values), deadline_ms)

    async def publish_file(self, topic: str, path: str, deadline_ms: int = 60_000):
        """Publish a file on flash, 1 to 131072 bytes, as one message; return as `publish` does.

        Raises: as the blocking client's, and `asyncio.CancelledError`. Reading it blocks, a chunk
        of 2816 bytes at a time.
        """
        with load("storage.files").open_file(path) as file:
            return await self.publish(topic, file, deadline_ms)

    async def open(self, deadline_ms: int = 30_000) -> None:  # type: ignore[override]
        """Open the connection, unless one that is kept is still alive; see the blocking client.

        Raises: NetworkError, TLSError; `asyncio.CancelledError`.
        """
        async with self._turn:
            await self._run(self._opening(), deadline_ms)

    async def close(self) -> None:  # type: ignore[override]
        """Close the connection, if one is kept, once the publish that is going on is done.

        The next publish opens a new one. To end one at once, cancel its task.
        """
        async with self._turn:
            self._connection.close()

    def __enter__(self):
        raise TypeError("use: async with")

    async def __aenter__(self):
        return self

    async def __aexit__(self, *details):
        await self.close()

    async def _run(self, steps, deadline_ms):
        port = self.port
        connection = self._connection
        end_ms = port.uptime_ms() + deadline_ms
        slept_ms = 0
        try:
            # Where the peer is faster than we are, nothing ever waits: a task that publishes in a
            # loop would keep the others out for good.
            await self._sleep(0)
            while True:
                port.feed()
                left_ms = end_ms - port.uptime_ms()
                if left_ms <= 0:
                    raise connection.late(deadline_ms)
                want = next(steps)
                if want <= 0:
                    await self._pause(min(-want, left_ms))
                    slept_ms = 0
                    continue
                # What is there already waits for one round of the others, however fast it comes.
                slept_ms = 0 if connection.poll(want, 0) else min(2 * slept_ms + 1, _SLICE_MS)
                await self._sleep(min(slept_ms, left_ms))
        except StopIteration as stop:
            return stop.value
        finally:
            steps.close()

    async def _pause(self, ms):
        while True:
            await self._sleep(min(ms, _SLICE_MS))
            ms -= _SLICE_MS
            if ms <= 0:
                return
            self.port.feed()

    async def _sleep(self, ms):
        # MicroPython has `sleep_ms` as well, CPython has not.
        await asyncio.sleep(ms / 1000)
