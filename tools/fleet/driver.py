"""The firmware's transport and session, driven by asyncio: the twin of `Client`, which blocks."""

from __future__ import annotations

import asyncio
import functools
from typing import Any

from tools import firmware

firmware.enable_imports()

from linkpost.errors import LinkpostError  # noqa: E402
from linkpost.net import transport as net_transport  # noqa: E402
from linkpost.net.failures import deadline_error  # noqa: E402
from linkpost.net.transport import READY, WANT_READ, Transport  # noqa: E402
from linkpost.net.trust import make_context  # noqa: E402, F401  for those who make boards
from linkpost.protocol.http import Reply  # noqa: E402
from linkpost.protocol.replies import TOKEN_MAX  # noqa: E402
from linkpost.protocol.session import (  # noqa: E402
    DONE,
    SEND_AUTH,
    SEND_TOPIC,
    Session,
    head_max_bytes,
)
from linkpost.protocol.topics import TOPIC_MAX_BYTES  # noqa: E402

_READ_BYTES = 4096
_BODY_MAX_BYTES = 1024  # a reading goes with its head, in one record
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


class Publisher:
    """Publishes one message after the other for one device.

    Args: credentials; host, port_number, of the endpoint; context, from `net.trust.make_context`;
    port, a `HostPort`; deadline_s, of one message.
    """

    def __init__(
        self,
        credentials: Any,
        host: str,
        port_number: int,
        context: Any,
        port: Any,
        deadline_s: float = 30.0,
    ):
        net_transport.resolve = _resolve_once
        self.session = Session(credentials)
        self._transport = _Transport(host, port_number, context, port)
        self._reply = Reply()
        self._buffer = bytearray(
            head_max_bytes(credentials, TOPIC_MAX_BYTES, TOKEN_MAX) + _BODY_MAX_BYTES
        )
        self._deadline_s = deadline_s
        self.authentications = 0
        self.connections = 0

    async def publish(self, topic: str, payload: bytes) -> LinkpostError | None:
        """Publish one message; return None where it was accepted, else why it was not."""
        session = self.session
        action = session.publish(topic, len(payload))
        end_s = asyncio.get_running_loop().time() + self._deadline_s
        try:
            while action in (SEND_AUTH, SEND_TOPIC):
                action = await self._perform(action, payload, end_s)
        except BaseException:
            self._transport.close()
            raise
        return None if action == DONE else session.error

    def close(self) -> None:
        self._transport.close()

    async def _perform(self, action: int, payload: bytes, end_s: float) -> int:
        session, transport, reply = self.session, self._transport, self._reply
        reply.clear()
        try:
            async with asyncio.timeout_at(end_s):
                await asyncio.sleep(session.wait_ms / 1000)
                await self._connect()
                length = session.request_into(action, self._buffer)
                if action == SEND_TOPIC:
                    self._buffer[length : length + len(payload)] = payload
                    length += len(payload)
                else:
                    self.authentications += 1
                transport.begin(self._buffer, length)
                while (want := transport.write_step()) != READY:
                    await self._wait(want)
                while (want := transport.read_step(reply)) != READY:
                    await self._wait(want)
            action = session.answer(reply)
        except (LinkpostError, TimeoutError) as error:
            if isinstance(error, TimeoutError):
                ms = int(self._deadline_s * 1000)
                error = deadline_error(transport.host, transport.phase, ms)
            reused = transport.reused
            transport.close()
            return session.failed(error, reply.started, reused)
        if not reply.keep_alive:
            transport.close()
        session.token_changed = False
        return action

    async def _connect(self) -> None:
        transport = self._transport
        if transport.connected and not transport.alive():
            transport.close()
        if not transport.connected:
            self.connections += 1
            while (want := transport.connect_step()) != READY:
                await self._wait(want)

    async def _wait(self, want: int) -> None:
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
