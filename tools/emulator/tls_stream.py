"""TLS on plain asyncio streams, so that each byte on its way out can be held up.

The event loop's own TLS hides the records. Here they are bytes in memory that `_flush` sends, all
at once or one at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import struct
import time

_CHUNK = 65536
# What a peer may still send after our last byte before the socket is closed under it. Closing
# with unread data would make TCP reset the connection and could take our reply with it.
_LINGER_S = 2.0
_LINGER_BYTES = 1024 * 1024


class TLSStream:
    """The server's side of one connection."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        context: ssl.SSLContext,
    ):
        self._reader = reader
        self._writer = writer
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        # Since when it waits for its peer's handshake or request; None: it is our turn.
        self.waits_since: float | None = time.monotonic()

    async def handshake(self, byte_interval_s: float = 0.0) -> None:
        """Shake hands; with an interval, our bytes leave one at a time.

        Raises ssl.SSLError or OSError where the peer is no TLS client, or went away.
        """
        while True:
            try:
                self._tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                await self._flush(byte_interval_s)
                if not await self._fill():
                    raise ConnectionResetError("closed during the handshake") from None
            except ssl.SSLError:
                await self._flush()  # the alert says to the peer what was wrong
                raise
        await self._flush(byte_interval_s)

    async def read(self) -> bytes:
        """Return what arrived, at least one byte; b"" at the end, clean or not."""
        while True:
            try:
                return self._tls.read(_CHUNK)
            except ssl.SSLWantReadError:
                await self._flush()
                if not await self._fill():
                    return b""
            except ssl.SSLZeroReturnError:
                return b""

    async def write(self, data: bytes, byte_interval_s: float = 0.0) -> None:
        """Send the data in as few records as TLS allows; the interval is between TCP bytes."""
        self._tls.write(data)
        await self._flush(byte_interval_s)

    async def close(self) -> None:
        """Say goodbye in TLS and TCP, wait a moment for the peer to do so too, then close."""
        with contextlib.suppress(OSError, asyncio.TimeoutError):
            with contextlib.suppress(ssl.SSLError):
                self._tls.unwrap()
            await self._flush()
            self._writer.write_eof()
            async with asyncio.timeout(_LINGER_S):
                seen = 0
                while seen < _LINGER_BYTES and (data := await self._reader.read(_CHUNK)):
                    seen += len(data)
        await self.drop()

    async def drop(self, *, reset: bool = False) -> None:
        """Close without a goodbye; `reset` makes TCP say that the connection broke."""
        if reset:
            raw = self._writer.get_extra_info("socket")
            linger = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
            with contextlib.suppress(OSError):
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self._writer.transport.abort()
        self._writer.close()
        try:
            async with asyncio.timeout(_LINGER_S):
                await self._writer.wait_closed()
        except OSError:  # broken already; or, a TimeoutError, a peer that does not read
            self._writer.transport.abort()

    async def wait_for_end(self) -> None:
        """Return when the peer has closed; what it sends until then is dropped."""
        while await self._reader.read(_CHUNK):
            pass

    async def _fill(self) -> bool:
        """Pass on what arrived; False at the end.

        The end is not passed on: OpenSSL takes one without a goodbye for an attack and would then
        not send the reply that a peer which only closed its own direction waits for.
        """
        data = await self._reader.read(_CHUNK)
        self._incoming.write(data)
        return bool(data)

    async def _flush(self, byte_interval_s: float = 0.0) -> None:
        data = self._outgoing.read()
        if not byte_interval_s:
            self._writer.write(data)
            await self._writer.drain()
            return
        for byte in data:
            self._writer.write(bytes((byte,)))
            await self._writer.drain()
            await asyncio.sleep(byte_interval_s)
