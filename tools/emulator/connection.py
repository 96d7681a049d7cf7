"""One connection: handshake, requests, replies, and the faults that someone asked for."""

from __future__ import annotations

import asyncio
import logging
import secrets
import sqlite3
import ssl
from dataclasses import dataclass, field

from tools.emulator import rules, wire
from tools.emulator.faults import Fault, FaultBook
from tools.emulator.platform import Answer, Platform, Request
from tools.emulator.store import Device
from tools.emulator.tls_stream import TLSStream

_log = logging.getLogger("linkpost.emulator")
_FILLER = 65536
_FILLER_LINE = b"X-Filler: " + b"x" * 68 + b"\r\n"
_GARBAGE = 512
_MIDDLE = 20
# The kinds that reach no decision of the platform.
_UNANSWERED = ("close_before", "stall", "garbage", "redirect", "status")
# A fault may hold a connection for as long as its peer stands it, but not for ever.
_FAULT_MAX_S = 900.0


@dataclass
class Service:
    """What all connections share."""

    context: ssl.SSLContext
    platform: Platform
    faults: FaultBook
    keep_alive: bool = False
    bounds: wire.Bounds = field(default_factory=wire.Bounds)
    most_connections: int = 200  # macOS gives a process 256 files


async def serve(stream: TLSStream, service: Service) -> None:
    """Serve one connection to its end. Raises nothing that a peer can cause."""
    try:
        await _shake_hands(stream, service)
    except (OSError, TimeoutError) as error:  # an SSLError is an OSError
        service.platform.totals.handshakes_failed += 1
        _log.info("handshake failed: %s", _name(error))
        await stream.drop()
        return
    try:
        await _serve_requests(stream, service)
    except (OSError, TimeoutError) as error:
        # In TLS 1.3 a client that refuses our certificate says so only now.
        _log.info("connection broke: %s", _name(error))
        await stream.drop()


def _name(error: BaseException) -> str:
    return getattr(error, "reason", None) or type(error).__name__


async def _shake_hands(stream: TLSStream, service: Service) -> None:
    fault = service.faults.take_handshake()
    if fault:
        async with asyncio.timeout(_FAULT_MAX_S):
            await stream.handshake(fault.interval_s)
    else:
        async with asyncio.timeout(service.bounds.request_s):
            await stream.handshake()
    service.platform.totals.handshakes += 1


async def _serve_requests(stream: TLSStream, service: Service) -> None:
    rest = b""
    while True:
        try:
            received = await wire.read_request(stream, rest, service.bounds)
        except wire.BadRequestError as error:
            service.platform.totals.malformed += 1
            _log.info("not a request: HTTP %d", error.status)
            await stream.write(wire.encode_head(error.status, 0, keep=False))
            break
        if received is None:
            break
        rest = received.rest
        keep = service.keep_alive and received.may_keep
        exchange = _Exchange(stream, service, received.request, keep)
        if not await exchange.run():
            return
        if not exchange.keep:
            break
    await stream.close()


class _Exchange:
    """One request and its reply. `run` tells whether the connection is still ours to close."""

    def __init__(self, stream: TLSStream, service: Service, request: Request, keep: bool):
        self._stream = stream
        self._service = service
        self._request = request
        self.keep = keep

    async def run(self) -> bool:
        try:
            return await self._run()
        except sqlite3.Error as error:  # a full disk: the device has to keep its message
            _log.error("the database failed: %s", error)
            await self._reply(Answer(code=rules.UNKNOWN_ERROR))
            return True

    async def _run(self) -> bool:
        device = self._service.platform.identify(self._request)
        fault = None
        if self._request.endpoint:
            key = device.key if device else None
            fault = self._service.faults.take(self._request.endpoint, key)
        if fault is None:
            async with asyncio.timeout(self._service.bounds.request_s):
                await self._reply(self._answer(device))
            return True
        _log.info("fault %d: %s", fault.id, fault.kind)
        async with asyncio.timeout(_FAULT_MAX_S):
            return await self._go_wrong(fault, device)

    def _answer(self, device: Device | None, code: int | None = None) -> Answer:
        answer = self._service.platform.answer(self._request, device, code)
        _log.info(
            "%s %s %s",
            device.key if device else "unknown device",
            self._request.path[:128].encode("ascii", "backslashreplace").decode(),
            answer.code if answer.code is not None else f"HTTP {answer.status}",
        )
        return answer

    async def _reply(self, answer: Answer) -> None:
        await self._stream.write(self._encode(answer))

    def _encode(self, answer: Answer) -> bytes:
        body = wire.encode_body(answer)
        return wire.encode_head(answer.status, len(body), keep=self.keep) + body

    async def _go_wrong(self, fault: Fault, device: Device | None) -> bool:
        """Do what faults.KINDS_TEXT says of the kind."""
        if fault.kind == "code":
            await self._reply(self._answer(device, fault.code))
            return True
        if fault.kind in _UNANSWERED:
            self._service.platform.count_only(self._request, device)
            return await self._leave_unanswered(fault)
        answer = self._answer(device)
        if fault.kind in ("close_after", "close_middle"):
            if fault.kind == "close_middle":
                cut = _MIDDLE if fault.bytes is None else fault.bytes
                await self._stream.write(self._encode(answer)[:cut])
            await self._stream.drop(reset=fault.reset)
            return False
        await self._spoil(fault, answer)
        return True

    async def _leave_unanswered(self, fault: Fault) -> bool:
        if fault.kind == "close_before":
            await self._stream.drop(reset=fault.reset)
            return False
        if fault.kind == "stall":
            await self._stream.wait_for_end()
            await self._stream.drop()
            return False
        if fault.kind == "garbage":
            size = _GARBAGE if fault.bytes is None else fault.bytes
            await self._stream.write(secrets.token_bytes(size))
        else:
            status = fault.status or 302
            extra: tuple[tuple[str, str], ...] = ()
            if fault.kind == "redirect":
                extra = (("Location", fault.location or self._request.target),)
            await self._stream.write(wire.encode_head(status, 0, keep=False, extra=extra))
        await self._stream.close()
        return False

    async def _spoil(self, fault: Fault, answer: Answer) -> None:
        """Send the reply, but not as the service does."""
        body = wire.encode_body(answer)
        head = wire.encode_head(answer.status, len(body), keep=self.keep)
        size = _FILLER if fault.bytes is None else fault.bytes
        if fault.kind == "delay":
            await asyncio.sleep((fault.ms or 0) / 1000)
        elif fault.kind == "drip":
            for byte in head + body:
                await self._stream.write(bytes((byte,)))
                await asyncio.sleep(fault.interval_s)
            return
        elif fault.kind == "drip_record":
            await self._stream.write(head + body, fault.interval_s)
            return
        elif fault.kind == "chunked":
            extra = (("Transfer-Encoding", "chunked"),)
            head = wire.encode_head(answer.status, None, keep=self.keep, extra=extra)
            # Two chunks, cut inside the JSON, and an extension and a trailer as RFC 9112 allows.
            half = len(body) // 2
            parts = (body[:half], body[half:])
            chunks = [b"%x;n=1\r\n%b\r\n" % (len(part), part) for part in parts if part]
            body = b"".join(chunks) + b"0\r\nX-Trailer: 1\r\n\r\n"
        elif fault.kind == "no_content_length":
            head = wire.encode_head(answer.status, None, keep=False)
            self.keep = False
        elif fault.kind == "oversize_head":
            lines = size // len(_FILLER_LINE) + 1
            head = head[:-2] + _FILLER_LINE * lines + b"\r\n"
        elif fault.kind == "oversize_body":
            body += b" " * max(0, size - len(body))
            head = wire.encode_head(answer.status, len(body), keep=self.keep)
        await self._stream.write(head + body)
