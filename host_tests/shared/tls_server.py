"""TLS peers for tests of the transport: honest ones, and ones that drip, stall, cut and lie.

A `Peer` listens on a loopback port and hands each connection to a script, a plain function of one
`Connection`. TLS runs over memory buffers, so that a script decides when each byte of a record
leaves, and sees each record that arrives.
"""

from __future__ import annotations

import contextlib
import datetime
import socket
import ssl
import struct
import threading
import warnings
from collections.abc import Callable

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

APPLICATION_DATA = 23  # TLS record type, RFC 5246 section 6.2.1
_ACCEPT_S = 0.02  # how often a listening thread looks whether the test is over
_CHUNK = 65536
# Where a reply is cut: a prime, so that a client that reads n at a time meets a short read there.
_CUT = 61

REPLY_BODY = b'{"code":0,"message":"success","info":{"messageId":892687470447040000}}'


def reply(body: bytes = REPLY_BODY, *fields: bytes) -> bytes:
    """Return a reply as the platform writes it: no reason phrase, Content-Length."""
    head = [b"HTTP/1.1 200", b"Content-Length: %d" % len(body), *fields]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


class Gone(Exception):
    """The client closed, or the test is over."""


class Authority:
    """A certificate authority of one test run, and the server contexts it vouches for."""

    def __init__(self, key_type: trustme.KeyType = trustme.KeyType.ECDSA) -> None:
        self.ca = trustme.CA(key_type=key_type)
        self._key_type = key_type

    @property
    def der(self) -> bytes:
        """Return the CA's certificate as a board keeps it."""
        return ssl.PEM_cert_to_DER_cert(self.ca.cert_pem.bytes().decode())

    def context(
        self,
        *names: str,
        not_before: datetime.datetime | None = None,
        not_after: datetime.datetime | None = None,
    ) -> ssl.SSLContext:
        """Return a server's context with a certificate for those names (default: localhost)."""
        leaf = self.ca.issue_cert(
            *(names or ("localhost",)),
            not_before=not_before,
            not_after=not_after,
            key_type=self._key_type,
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        leaf.configure_cert(context)
        return context


def self_signed(tmp_path, name: str = "localhost") -> ssl.SSLContext:
    """Return a server's context whose certificate only it vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "self_signed.pem"
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


def tls_1_1_only(context: ssl.SSLContext) -> ssl.SSLContext:
    """Make that context speak nothing newer than TLS 1.1."""
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # which is the point
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


class Connection:
    """One accepted connection, as a script sees it.

    pace_s      None: bytes leave as they come; a number: one byte at a time, that far apart
    records     (type, length) of every TLS record that arrived
    requests    every request that was read, head and body
    """

    def __init__(self, raw: socket.socket, context: ssl.SSLContext, over: threading.Event):
        self.raw = raw
        self.pace_s: float | None = None
        self.records: list[tuple[int, int]] = []
        self.requests: list[bytes] = []
        self.sent_bytes = 0  # on TCP
        self.received_bytes = 0
        self._over = over
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._arrived = b""
        raw.settimeout(_ACCEPT_S)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    # -- TCP --------------------------------------------------------------------------------------

    def receive(self) -> bytes:
        """Return what arrives next on TCP; raise Gone at the end of connection or test."""
        while not self._over.is_set():
            try:
                data = self.raw.recv(_CHUNK)
            except TimeoutError:
                continue
            except OSError as error:
                raise Gone from error
            if not data:
                raise Gone
            self.received_bytes += len(data)
            return data
        raise Gone

    def send_tcp(self, data: bytes) -> None:
        """Send on TCP, below TLS, at the connection's pace."""
        step = len(data) if self.pace_s is None else 1
        for at in range(0, len(data), step or 1):
            if self.pace_s:
                self.pause(self.pace_s)
            try:
                self.raw.sendall(data[at : at + step])
            except OSError as error:
                raise Gone from error
            self.sent_bytes += step

    def pause(self, seconds: float) -> None:
        """Do nothing for that long, or until the test is over."""
        if self._over.wait(seconds):
            raise Gone

    def reset(self) -> None:
        """End with RST."""
        self.raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.raw.close()
        raise Gone

    def wait_for_close(self) -> None:
        """Say nothing more until the client closes or the test is over."""
        while True:
            self.receive()

    # -- TLS --------------------------------------------------------------------------------------

    def _step(self, call: Callable[[], object]) -> object:
        while True:
            try:
                result = call()
                self.send_tcp(self._outgoing.read())
                return result
            except ssl.SSLWantReadError:
                self.send_tcp(self._outgoing.read())
                data = self.receive()
                self._note_records(data)
                self._incoming.write(data)
            except ssl.SSLError as error:
                with contextlib.suppress(Gone):
                    self.send_tcp(self._outgoing.read())  # the alert
                raise Gone from error

    def _note_records(self, data: bytes) -> None:
        self._arrived += data
        while len(self._arrived) >= 5:
            length = int.from_bytes(self._arrived[3:5], "big")
            if len(self._arrived) < 5 + length:
                return
            self.records.append((self._arrived[0], length))
            self._arrived = self._arrived[5 + length :]

    def handshake(self) -> None:
        self._step(self._tls.do_handshake)

    def read(self, size: int = _CHUNK) -> bytes:
        data = self._step(lambda: self._tls.read(size))
        if not data:
            raise Gone
        assert isinstance(data, bytes)
        return data

    def send(self, data: bytes) -> None:
        self._step(lambda: self._tls.write(data))

    def close_notify(self) -> None:
        """End TLS properly, and leave TCP open: what a proxy waiting for our close does."""
        with contextlib.suppress(ssl.SSLError):
            self._tls.unwrap()
        self.send_tcp(self._outgoing.read())

    def application_records(self) -> int:
        """Return how many records of application data have arrived."""
        return sum(kind == APPLICATION_DATA for kind, _ in self.records)

    # -- HTTP -------------------------------------------------------------------------------------

    def read_request(self) -> bytes:
        """Read one request; return its body. The whole request is kept in `requests`."""
        data = b""
        while b"\r\n\r\n" not in data:
            data += self.read()
        head, _, body = data.partition(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.strip().lower() == b"content-length":
                length = int(value)
        while len(body) < length:
            body += self.read()
        self.requests.append(head + b"\r\n\r\n" + body)
        return body


Script = Callable[[Connection], None]


class Peer:
    """A listening port whose connections follow a script. Use it as a context manager."""

    def __init__(self, context: ssl.SSLContext, script: Script, receive_buffer: int | None = None):
        self.connections: list[Connection] = []
        self._context = context
        self._script = script
        self._over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(_ACCEPT_S)
        if receive_buffer:  # before a connection is accepted, or it has its own by then
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self) -> Peer:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(10)
        self._listener.close()

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                raw, _ = self._listener.accept()
            except TimeoutError:
                continue
            connection = Connection(raw, self._context, self._over)
            self.connections.append(connection)
            thread = threading.Thread(target=self._run, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _run(self, connection: Connection) -> None:
        with contextlib.suppress(Gone), connection.raw:
            self._script(connection)


# -- scripts --------------------------------------------------------------------------------------


def answer_all(connection: Connection) -> None:
    """Answer every request, and keep the connection."""
    connection.handshake()
    while True:
        connection.read_request()
        connection.send(reply())


def answer_once(connection: Connection) -> None:
    """Answer one request, say close_notify and close."""
    connection.handshake()
    connection.read_request()
    connection.send(reply())
    connection.close_notify()


def silent(connection: Connection) -> None:
    """Accept, and never say a word."""
    connection.wait_for_close()


def flood_handshake(connection: Connection) -> None:
    """Answer the ClientHello with warning alerts, as fast as they are taken."""
    connection.receive()
    connection.raw.settimeout(5)
    while True:
        connection.send_tcp(b"\x15\x03\x03\x00\x02\x01\x5a" * 2000)  # warning, user_canceled


def drip_handshake(connection: Connection) -> None:
    """Send the handshake one byte at a time."""
    connection.pace_s = 0.05
    connection.handshake()
    connection.wait_for_close()


def drip_reply(connection: Connection) -> None:
    """Send the bytes of the reply's one TLS record one at a time."""
    connection.handshake()
    connection.read_request()
    connection.pace_s = 0.05
    connection.send(reply())
    connection.wait_for_close()


def reset_in_handshake(connection: Connection) -> None:
    """Read the ClientHello, then RST."""
    connection.receive()
    connection.reset()


def close_in_handshake(connection: Connection) -> None:
    """Read the ClientHello, then close."""
    connection.receive()


def reset_before_reply(connection: Connection) -> None:
    """Read the request, then RST."""
    connection.handshake()
    connection.read_request()
    connection.reset()


def close_before_reply(connection: Connection) -> None:
    """Read the request, then close without a word."""
    connection.handshake()
    connection.read_request()


def reset_in_reply(connection: Connection) -> None:
    """Send half of the reply, wait until it was read, then RST."""
    connection.handshake()
    connection.read_request()
    connection.send(reply()[:_CUT])
    connection.pause(0.2)  # an RST would overtake what is still in the client's buffer
    connection.reset()


def end_tls_in_reply(connection: Connection) -> None:
    """Send half of the reply and close_notify, and wait for the client to close."""
    connection.handshake()
    connection.read_request()
    connection.send(reply()[:_CUT])
    connection.close_notify()
    connection.wait_for_close()
