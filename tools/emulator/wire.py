"""HTTP on the wire: requests parsed by h11 within bounds, replies written as the service does."""

from __future__ import annotations

import asyncio
import email.utils
import json
import re
import secrets
import time
from dataclasses import dataclass

import h11

from . import registration, rules
from .request import Answer, Request
from .tls_stream import TLSStream

_HEAD_MAX_BYTES = 16384
_HEAD_END = re.compile(rb"\r?\n\r?\n")


@dataclass(frozen=True)
class Bounds:
    """How long a peer may take; seconds."""

    request_s: float = 30.0  # for a handshake; for a request from its first byte to its last
    idle_s: float = 60.0  # between the requests of a kept connection
    connection_s: float = 3600.0  # after which a kept connection is closed with its next reply


class BadRequestError(Exception):
    """What arrived is not HTTP, or took too long. `status` is the reply that says so."""

    def __init__(self, status: int):
        super().__init__(status)
        self.status = status


@dataclass
class Received:
    """A request, and what its connection may do next."""

    request: Request
    may_keep: bool  # the peer did not ask to close, and the whole body has arrived
    rest: bytes = b""  # what arrived after it


async def read_request(stream: TLSStream, rest: bytes, bounds: Bounds) -> Received | None:
    """Return the next request, or None where the peer closed before one.

    Args: rest is what arrived after the request before this one.
    Raises BadRequestError; OSError where the connection broke.
    """
    stream.waits_since = time.monotonic()
    try:
        return await _receive(stream, rest, bounds)
    except TimeoutError:
        raise BadRequestError(408) from None
    except h11.RemoteProtocolError as error:
        raise BadRequestError(error.error_status_hint) from error
    finally:
        stream.waits_since = None


async def _receive(stream: TLSStream, rest: bytes, bounds: Bounds) -> Received | None:
    http = h11.Connection(h11.SERVER, max_incomplete_event_size=_HEAD_MAX_BYTES)
    if not rest:
        try:
            async with asyncio.timeout(bounds.idle_s):
                rest = await stream.read()
        except TimeoutError:
            return None
        if not rest:
            return None
    http.receive_data(rest)
    async with asyncio.timeout(bounds.request_s):
        return await _read(http, stream, rest)


async def _read(http: h11.Connection, stream: TLSStream, seen: bytes) -> Received | None:
    """Args: seen is what `http` was given so far."""
    head: h11.Request | None = None
    raw = bytearray(seen)  # until the head is there
    body = bytearray()

    def flawed(why: str) -> Received:
        return Received(_request(head, None, raw, why), may_keep=False)

    while True:
        try:
            event = http.next_event()
        except h11.RemoteProtocolError:
            if head is None:
                raise
            return flawed(f"the connection ended after {len(body)} bytes of the body")
        if event is h11.NEED_DATA:
            if http.they_are_waiting_for_100_continue:
                http.send(h11.InformationalResponse(status_code=100, headers=[]))
                await stream.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            data = await stream.read()
            http.receive_data(data)
            if head is None:
                raw += data
        elif isinstance(event, h11.Request):
            head = event
            length = _declared_length(head)
            if length > rules.PAYLOAD_MAX_BYTES:
                return flawed(f"Content-Length is {length}, at most {rules.PAYLOAD_MAX_BYTES}")
            if not _has_header(head, b"content-length", b"transfer-encoding"):
                # HTTP/1.0 may end a body with the connection; the platform wants its length.
                return flawed("Content-Length is missing")
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > rules.PAYLOAD_MAX_BYTES:
                return flawed(f"the body has more than {rules.PAYLOAD_MAX_BYTES} bytes")
        elif isinstance(event, h11.EndOfMessage) and head is not None:
            keep = http.their_state is not h11.MUST_CLOSE
            request = _request(head, bytes(body), raw)
            return Received(request, keep, bytes(http.trailing_data[0]))
        else:  # the connection ended before a request
            return None


def _request(head: h11.Request | None, body: bytes | None, raw: bytearray, flaw="") -> Request:
    assert head is not None  # noqa: S101  for the type checker
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers}
    # h11 skips empty lines before a request, and takes a line feed alone for a line's end.
    raw_head = bytes(raw).lstrip(b"\r\n")
    end = _HEAD_END.search(raw_head)
    return Request(
        head.method.decode("latin-1"),
        head.target.decode("latin-1"),
        headers,
        body,
        raw_head[: end.end()] if end else raw_head,
        flaw,
    )


def _has_header(head: h11.Request, *names: bytes) -> bool:
    return any(name in names for name, _ in head.headers)


def _declared_length(head: h11.Request) -> int:
    return next((int(v) for n, v in head.headers if n == b"content-length"), 0)


def encode_body(answer: Answer) -> bytes:
    """Return the compact JSON of the reply, its fields in the order of the recorded ones."""
    if answer.code is None:
        return b""
    fields: dict[str, object] = {"code": answer.code}
    if answer.info is not None:
        fields["info"] = answer.info
    if answer.data is not None:
        fields["data"] = answer.data
    messages = {**registration.MESSAGES, **rules.MESSAGES}
    fields["message"] = messages.get(answer.code, "error")
    return json.dumps(fields, separators=(",", ":")).encode()


def encode_head(
    status: int, length: int | None, *, keep: bool, extra: tuple[tuple[str, str], ...] = ()
) -> bytes:
    """Return the head of a reply as recorded: no reason phrase, the service's set of headers.

    Args: length None leaves Content-Length out; extra headers come last.
    """
    headers = [
        ("Date", email.utils.formatdate(usegmt=True)),
        ("Content-Type", "application/json"),
        *([("Content-Length", str(length))] if length is not None else []),
        ("Connection", "keep-alive" if keep else "close"),
        ("Server", "Tengine"),
        ("EagleEye-TraceId", secrets.token_hex(15)),
        ("Timing-Allow-Origin", "*"),
        *([("Allow", "POST")] if status == 405 else []),
        *extra,
    ]
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
