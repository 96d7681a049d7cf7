"""The firmware's asyncio client, for a thousand boards in one loop."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
from collections.abc import Iterable, Iterator
from typing import Any

from .. import firmware
from ..client.authenticate import NoTokens

firmware.enable_imports()

import tls  # noqa: E402
from linkpost.aio import Client  # noqa: E402
from linkpost.errors import LinkpostError  # noqa: E402, F401  for the boards
from linkpost.net import Connection, connecting  # noqa: E402

_READ = 1  # what the client yields: select.POLLIN


def make_context(roots: Iterable[bytes]) -> Any:
    """Return a context for all boards: a board has one root at a time, here all fit at once."""
    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    context.verify_mode = tls.CERT_REQUIRED
    for der in roots:
        context.load_verify_locations(der)
    return context


@functools.lru_cache(maxsize=16)
def _resolved(host: str, port_number: int) -> tuple[Any, ...]:
    return tuple(socket.getaddrinfo(host, port_number, 0, socket.SOCK_STREAM))


class _OneRoot:
    """The roots of a connection whose context is made already: there is no other to try."""

    def read(self, k: int) -> None:
        return None


class _Connection(Connection):
    """The connection of one board of many: they share a context, and a name is resolved once."""

    def __init__(self, host: str, port_number: int, context: Any, port: Any):
        super().__init__(host, port_number, port, _OneRoot)
        self._shared = context
        self.opened = 0

    def connect(self, untrusted: Exception | None = None) -> Iterator[int]:
        self.opened += 1
        self.context = self._shared
        return super().connect(untrusted)

    def fileno(self) -> int:
        return self.socket.fileno()


_resolve_as_a_board = connecting.resolve


def _resolve(connection: Any) -> list[Any]:
    # A board asks at each connect, and waits; a thousand in one loop must not.
    if isinstance(connection, _Connection):
        with contextlib.suppress(OSError):  # then the board's own error
            return list(_resolved(connection.host, connection.port_number))
    return _resolve_as_a_board(connection)


connecting.resolve = _resolve


class Publisher(Client):
    """The asyncio client of one simulated device; it waits for its socket instead of polling it.

    Args: config, a checked Config; context, from `make_context`; port, a `HostPort`.
    Attributes: authentications, connections: how many were tried.
    """

    def __init__(self, config: Any, context: Any, port: Any):
        connection = _Connection(config.host, config.port_number, context, port)
        super().__init__(config, port, NoTokens(), connection)
        self.authentications = 0

    @property
    def connections(self) -> int:
        return self._connection.opened

    def cut(self) -> None:
        """Close the connection at once, from outside the loop too."""
        self._connection.close()

    def authenticating(self) -> Iterator[int]:
        self.authentications += 1
        return super().authenticating()

    async def _run(self, steps: Iterator[int], deadline_ms: int) -> Any:
        port, connection = self.port, self._connection
        end_ms = port.uptime_ms() + deadline_ms
        try:
            while True:
                left_ms = end_ms - port.uptime_ms()
                if left_ms <= 0:
                    raise connection.late(deadline_ms)
                want = next(steps)
                if want > 0:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(left_ms / 1000):
                            await self._ready(want)
                elif want < 0:
                    await asyncio.sleep(min(-want, left_ms) / 1000)
        except StopIteration as stop:
            return stop.value
        finally:
            steps.close()  # type: ignore[attr-defined]

    async def _ready(self, want: int) -> None:
        loop = asyncio.get_running_loop()
        ready = loop.create_future()
        number = self._connection.fileno()
        add, remove = (
            (loop.add_reader, loop.remove_reader)
            if want == _READ
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
