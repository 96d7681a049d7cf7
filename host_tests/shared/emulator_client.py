"""A raw TLS client for tests of the emulator: it sends exactly the bytes it is given."""

from __future__ import annotations

import contextlib
import hmac
import json
import socket
import ssl
from dataclasses import dataclass

# The device of the SDKs' requests, one with every character that a name may have, and a topic.
DEV1 = ("pk1", "dev1", "secret1")
OTHER = ("a1B2c3D4e5F", "other.device@1:x-y", "0123456789abcdef0123456789abcdef")
TOPIC = "/pk1/dev1/user/update"
_TIMEOUT_S = 20.0


@dataclass
class Reply:
    """A reply as it came: nothing decoded but the JSON.

    `ended` is how the connection did: "goodbye" as TLS wants it, or "cut".
    """

    raw: bytes
    ended: str = ""

    @property
    def status_line(self) -> bytes:
        return self.raw.partition(b"\r\n")[0]

    @property
    def status(self) -> int:
        return int(self.status_line.split()[1])

    @property
    def headers(self) -> dict[str, str]:
        """Header values by name, in the order and case they came in."""
        lines = self.raw.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
        return dict(line.split(": ", 1) for line in lines)

    @property
    def body(self) -> bytes:
        return self.raw.partition(b"\r\n\r\n")[2]

    @property
    def json(self) -> dict:
        return json.loads(self.body)

    @property
    def code(self) -> int:
        return self.json["code"]


def client_context(emulator, **settings) -> ssl.SSLContext:
    """Return a verifying context that trusts the emulator's CA; settings are its attributes."""
    context = ssl.create_default_context(cafile=emulator.ca)
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF  # some builds of Python hide a torn end
    for name, value in settings.items():
        setattr(context, name, value)
    return context


def is_torn(error: OSError) -> bool:
    """Tell whether the connection ended without a goodbye of TLS."""
    # Before Python 3.11.4 that is an SSLError of no class of its own.
    reason = getattr(error, "reason", None)
    torn = (ssl.SSLEOFError, ConnectionResetError)
    return isinstance(error, torn) or reason == "UNEXPECTED_EOF_WHILE_READING"


class RawClient:
    """One verified TLS connection; use it in a `with` block."""

    def __init__(self, emulator, context=None):
        raw = socket.create_connection(("127.0.0.1", emulator.port), timeout=_TIMEOUT_S)
        try:
            context = context or client_context(emulator)
            self.tls = context.wrap_socket(
                raw, server_hostname="localhost", suppress_ragged_eofs=False
            )
        except BaseException:
            raw.close()
            raise

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, *details) -> None:
        self.tls.close()

    def send(self, *parts: bytes) -> None:
        """Send the parts, each as a TLS record of its own."""
        for part in parts:
            self.tls.sendall(part)

    def read_to_end(self) -> Reply:
        """Return all that comes until the peer closes."""
        data = b""
        while True:
            try:
                part = self.tls.recv(65536)
            except (ssl.SSLError, ConnectionResetError) as error:
                if is_torn(error):
                    return Reply(data, "cut")
                raise
            if not part:
                return Reply(data, "goodbye")
            data += part

    def read_reply(self) -> Reply:
        """Return one reply of a kept connection, by its Content-Length."""
        data = b""
        while b"\r\n\r\n" not in data:
            part = self.tls.recv(65536)
            assert part, f"closed after {data!r}"
            data += part
        length = int(Reply(data).headers["Content-Length"])
        while len(Reply(data).body) < length:
            part = self.tls.recv(65536)
            assert part, f"closed after {data!r}"
            data += part
        return Reply(data)


def exchange(emulator, *parts: bytes, context=None) -> Reply:
    """Send the parts on a new connection; return what came until it was closed."""
    with RawClient(emulator, context) as client:
        client.send(*parts)
        return client.read_to_end()


def exchange_half_closed(emulator, data: bytes, *, goodbye: bool) -> Reply:
    """Send the data, end our direction (in TLS too with `goodbye`), and return what comes back.

    Python's SSLSocket cannot read after it has said goodbye; TLS in memory can.
    """
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = client_context(emulator).wrap_bio(incoming, outgoing, server_hostname="localhost")
    with socket.create_connection(("127.0.0.1", emulator.port), timeout=_TIMEOUT_S) as raw:

        def run(step):
            while True:
                try:
                    return step()
                except ssl.SSLWantReadError:
                    if outgoing.pending:
                        raw.sendall(outgoing.read())
                    part = raw.recv(65536)
                    if part:
                        incoming.write(part)
                    else:
                        incoming.write_eof()

        run(tls.do_handshake)
        tls.write(data)
        if goodbye:
            with contextlib.suppress(ssl.SSLError):
                tls.unwrap()
        raw.sendall(outgoing.read())
        raw.shutdown(socket.SHUT_WR)
        found = b""
        with contextlib.suppress(ssl.SSLZeroReturnError):
            while part := run(lambda: tls.read(65536)):
                found += part
        return Reply(found)


def sign(secret: str, fields: dict, digest="md5") -> str:
    content = "".join(
        f"{key}{fields[key]}"
        for key in sorted(fields)
        if key not in ("version", "sign", "signmethod")
    )
    return hmac.new(secret.encode(), content.encode(), digest).hexdigest()


def auth_fields(triple, digest="md5", **more) -> dict:
    """Return the signed fields of an authentication."""
    product_key, device_name, secret = triple
    fields = {"clientId": "test", "productKey": product_key, "deviceName": device_name, **more}
    return {"sign": sign(secret, fields, digest), **fields}


def encode_auth(fields, content_type=b"application/json", target=b"/auth") -> bytes:
    body = fields if isinstance(fields, bytes) else json.dumps(fields).encode()
    return encode_request(target, {b"Content-Type": content_type}, body)


def encode_publish(
    topic: str, token: str | None, payload=b"{}", content_type=b"application/octet-stream", **more
) -> bytes:
    headers = {b"Content-Type": content_type}
    if token is not None:
        headers[b"password"] = token.encode()
    headers |= {name.replace("_", "-").encode(): value for name, value in more.items()}
    return encode_request(b"/topic" + topic.encode(), headers, payload)


def encode_request(target: bytes, headers: dict, body: bytes, method=b"POST") -> bytes:
    headers = {b"Host": b"localhost", **headers, b"Content-Length": str(len(body)).encode()}
    lines = [b"%b %b HTTP/1.1" % (method, target)]
    lines += [b"%b: %b" % (name, value) for name, value in headers.items() if value is not None]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def authenticate(emulator, triple) -> str:
    """Return a new token of the device."""
    reply = exchange(emulator, encode_auth(auth_fields(triple)))
    assert reply.code == 0, reply.raw
    return reply.json["info"]["token"]
