"""The firmware's asyncio client, for a thousand boards in one loop."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from typing import Any

from tools import firmware

firmware.enable_imports()

from linkpost.aio import Client  # noqa: E402
from linkpost.errors import LinkpostError  # noqa: E402, F401  for the boards
from linkpost.net import transport as net_transport  # noqa: E402
from linkpost.net.blocking import time_left  # noqa: E402
from linkpost.net.transport import READY, WANT_READ, Transport  # noqa: E402
from linkpost.net.trust import make_context  # noqa: E402, F401  for those who make boards
from linkpost.protocol.session import SEND_AUTH  # noqa: E402

_READ_BYTES = 4096
_resolve = net_transport.resolve


@functools.lru_cache(maxsize=16)
def _resolved(host: str, port_number: int, port: Any) -> tuple[Any, ...]:
    return tuple(_resolve(host, port_number, port))


def _resolve_once(host: str, port_number: int, port: Any) -> list[Any]:
    """A board asks for its name at each connect, and waits; a thousand in one loop must not."""
    return list(_resolved(host, port_number, port))


class _Transport(Transport):
    """The transport of one board of many: they share a context, and a name is resolved once."""

    def __init__(self, host: str, port_number: int, context: Any, port: Any):
        super().__init__(host, port_number, (), port)
        self._context = context

    def fileno(self) -> int:
        return self._socket.fileno()

    def read_step(self, reply: Any) -> int:
        """As the board's, but not byte by byte: only mbedTLS needs that, and here it is costly."""
        try:
            while True:
                try:
                    data = self._tls.recv(_READ_BYTES)
                except (OSError, ValueError) as error:
                    raise self._explained(error) from error
                if data is None:
                    return WANT_READ
                if not data:
                    # The end, which the board's own step knows what to make of.
                    return super().read_step(reply)
                if reply.feed(data):
                    self._used = True
                    return READY
        except BaseException:
            self.close()
            raise


class _NoFlash:
    """Where a light board keeps its token: nowhere but in its session."""

    def load(self) -> None:
        return None

    def save(self, token: str) -> None:
        pass


class Publisher(Client):
    """The asyncio client of one light board; it waits for the socket instead of looking after it.

    Args: config, a checked Config; context, from `net.trust.make_context`; port, a `HostPort`.
    Attributes: authentications, connections: how many were tried.
    """

    def __init__(self, config: Any, context: Any, port: Any):
        net_transport.resolve = _resolve_once
        transport = _Transport(config.host, config.port_number, context, port)
        super().__init__(config, port, _NoFlash(), transport)
        self.authentications = 0
        self.connections = 0

    def cut(self) -> None:
        """Close the connection at once, from outside the loop too."""
        self._transport.close()

    def _request(self, action: int, payload: Any, length: int) -> Any:
        self.authentications += action == SEND_AUTH
        return super()._request(action, payload, length)

    async def _open(self, deadline: Any) -> None:
        # The heap of a board is cleared before it connects; that of a thousand takes too long.
        if not self._transport.alive():
            self.connections += 1
            await self._drive(deadline, self._transport.connect_step)

    async def _drive(self, deadline: Any, step: Any, *arguments: Any) -> None:
        while (want := step(*arguments)) != READY:
            left_ms = time_left(self._transport, deadline, self._transport.feed)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left_ms / 1000):
                    await self._ready(want)

    async def _ready(self, want: int) -> None:
        loop = asyncio.get_running_loop()
        ready = loop.create_future()
        number = self._transport.fileno()
        add, remove = (
            (loop.add_reader, loop.remove_reader)
            if want == WANT_READ
            else (loop.add_writer, loop.remove_writer)
        )
        add(number, _settle, ready)
        try:
            await ready
        finally:
            remove(number)


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
