"""One connection: handshake, requests, replies, and the faults that someone asked for."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import sqlite3
import ssl
from dataclasses import dataclass, field

from . import rules, wire
from .faults import Fault, FaultList
from .masking import mask_reply, mask_text
from .platform import Platform
from .request import Answer, Request
from .store import Device
from .tls_stream import TLSStream

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
    faults: FaultList
    keep_alive: bool = False
    bounds: wire.Bounds = field(default_factory=wire.Bounds)
    most_connections: int = 1000
    legacy_ciphers: bool = False  # `context` takes them


async def serve(stream: TLSStream, service: Service) -> None:
    """Serve one connection to its end. Raises nothing that a peer can cause."""
    try:
        await _shake_hands(stream, service)
    except (OSError, TimeoutError) as error:  # an SSLError is an OSError
        service.platform.totals.handshakes_failed += 1
        _log.info("handshake failed: %s", _name(error, service.legacy_ciphers))
        await stream.drop()
        return
    try:
        await _serve_requests(stream, service)
    except (OSError, TimeoutError) as error:
        # In TLS 1.3 a client that refuses our certificate says so only now.
        _log.info("connection broke: %s", _name(error))
        await stream.drop()


def _name(error: BaseException, legacy_ciphers: bool = True) -> str:
    name: str = getattr(error, "reason", None) or type(error).__name__
    if name == "NO_SHARED_CIPHER" and not legacy_ciphers:
        name += (
            ": who connects offers old cipher suites only, as the vendor's C SDKs do. They are "
            "taken with: linkpost emulator --legacy-ciphers"
        )
    if name == "UNSUPPORTED_PROTOCOL":
        name += ": who connects speaks no TLS 1.2"
    if name == "TLSV1_ALERT_UNKNOWN_CA":
        name += ": who connects does not trust this emulator's CA. A board: linkpost deploy --ca"
    return name


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
    clock = asyncio.get_running_loop()
    end_s = clock.time() + service.bounds.connection_s
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
        keep = service.keep_alive and received.may_keep and clock.time() < end_s
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
        self._reply = b""

    async def run(self) -> bool:
        try:
            return await self._run()
        except sqlite3.Error as error:  # a full disk: the device has to keep its message
            _log.error("the database failed: %s", error)
            self._encode(Answer(code=rules.UNKNOWN_ERROR))
            await self._stream.write(self._reply)
            return True

    async def _run(self) -> bool:
        device = self._service.platform.identify(self._request)
        fault = None
        if self._request.endpoint:
            key = device.key if device else None
            fault = self._service.faults.take(self._request.endpoint, key)
        if fault is None:
            self._decide(device)
            async with asyncio.timeout(self._service.bounds.request_s):
                await self._stream.write(self._reply)
            return True
        _log.info("fault %d: %s", fault.id, fault.kind)
        async with asyncio.timeout(_FAULT_MAX_S):
            return await self._go_wrong(fault, device)

    def _decide(self, device: Device | None, fault: Fault | None = None) -> None:
        """Let the platform answer; its reply, as the fault spoils it, is then in `_reply`."""
        answer = self._service.platform.answer(
            self._request,
            device,
            fault.code if fault and fault.kind == "code" else None,
            fault=fault.kind if fault else None,
            encode=lambda answer: self._encode(answer, fault),
        )
        _log.info(
            "%s %s %s%s",
            device.key if device else "unknown device",
            self._shown_path(device),
            answer.code if answer.code is not None else f"HTTP {answer.status}",
            f" ({answer.reason})" if answer.reason and self._request.endpoint is None else "",
        )

    def _shown_path(self, device: Device | None) -> str:
        path = self._request.path.encode("ascii", "backslashreplace").decode()
        secrets = [self._request.headers.get("password", ""), device.secret if device else ""]
        return mask_text(path, sorted(secrets, key=len, reverse=True))[:128]

    def _encode(self, answer: Answer, fault: Fault | None = None) -> bytes:
        """Set `_reply` to what is sent; return it with the token masked, for people to see."""
        body = wire.encode_body(answer)
        head = wire.encode_head(answer.status, len(body), keep=self.keep)
        self._reply = self._spoil(fault, answer, head, body)
        # The body is masked before it is spoiled: that may cut the token in two.
        return self._spoil(fault, answer, head, mask_reply(body, answer.given_out))

    async def _go_wrong(self, fault: Fault, device: Device | None) -> bool:
        """Do what faults.KINDS_TEXT says of the kind."""
        if fault.kind in _UNANSWERED:
            return await self._leave_unanswered(fault, device)
        self._decide(device, fault)
        if fault.kind in ("close_after", "close_middle"):
            if self._reply:
                await self._stream.write(self._reply)
            await self._stream.drop(reset=fault.reset)
            return False
        if fault.kind == "delay":
            await asyncio.sleep((fault.ms or 0) / 1000)
        if fault.kind == "drip":
            for byte in self._reply:
                await self._stream.write(bytes((byte,)))
                await asyncio.sleep(fault.interval_s)
        elif fault.kind == "drip_record":
            await self._stream.write(self._reply, fault.interval_s)
        else:
            await self._stream.write(self._reply)
        return True

    async def _leave_unanswered(self, fault: Fault, device: Device | None) -> bool:
        reply = b""
        if fault.kind == "garbage":
            reply = secrets.token_bytes(_GARBAGE if fault.bytes is None else fault.bytes)
        elif fault.kind in ("redirect", "status"):
            extra: tuple[tuple[str, str], ...] = ()
            if fault.kind == "redirect":
                extra = (("Location", fault.location or self._request.target),)
            reply = wire.encode_head(fault.status or 302, 0, keep=False, extra=extra)
        self._service.platform.count_only(self._request, device, fault=fault.kind, reply=reply)
        if fault.kind == "close_before":
            await self._stream.drop(reset=fault.reset)
            return False
        if fault.kind == "stall":
            await self._stream.wait_for_end()
            await self._stream.drop()
            return False
        await self._stream.write(reply)
        await self._stream.close()
        return False

    def _spoil(self, fault: Fault | None, answer: Answer, head: bytes, body: bytes) -> bytes:
        """Return the reply, not as the service sends it where there is a fault."""
        kind = fault.kind if fault else None
        wanted = fault.bytes if fault else None
        if kind == "close_after":
            return b""
        if kind == "close_middle":
            return (head + body)[: _MIDDLE if wanted is None else wanted]
        size = _FILLER if wanted is None else wanted
        if kind == "chunked":
            head = _replace_length(head, b"Transfer-Encoding: chunked\r\n")
            # Two chunks, cut inside the JSON, and an extension and a trailer as RFC 9112 allows.
            half = len(body) // 2
            parts = (body[:half], body[half:])
            chunks = [b"%x;n=1\r\n%b\r\n" % (len(part), part) for part in parts if part]
            body = b"".join(chunks) + b"0\r\nX-Trailer: 1\r\n\r\n"
        elif kind == "no_content_length":
            self.keep = False
            head = wire.encode_head(answer.status, None, keep=False)
        elif kind == "oversize_head":
            lines = size // len(_FILLER_LINE) + 1
            head = head[:-2] + _FILLER_LINE * lines + b"\r\n"
        elif kind == "oversize_body":
            body += b" " * max(0, size - len(body))
            head = _replace_length(head, b"Content-Length: %d\r\n" % len(body))
        return head + body


def _replace_length(head: bytes, line: bytes) -> bytes:
    return re.sub(rb"Content-Length: [0-9]+\r\n", lambda found: line, head)
