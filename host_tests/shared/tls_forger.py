"""TLS 1.2 records that no TLS library would send, encrypted with the keys of a real connection.

OpenSSL lets nobody ask for a renegotiation twice a millisecond, or send a warning in the middle of
a reply. So the keys are taken from the key log of the server's context, and the records are made
here. What this side sends after the handshake has to be made here from then on, too: OpenSSL does
not know how many records have left.
"""

from __future__ import annotations

import hashlib
import hmac
import ssl
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from tls_server import Connection

ALERT, HANDSHAKE, APPLICATION_DATA = 21, 22, 23  # RFC 5246, section 6.2.1
WARNING, FATAL = 1, 2
CLOSE_NOTIFY, INTERNAL_ERROR, USER_CANCELED, NO_RENEGOTIATION = 0, 80, 90, 100
HELLO_REQUEST = bytes(4)  # RFC 5246, section 7.4.1.1: type 0, no body
_VERSION = b"\x03\x03"
_SUITE = "ECDHE-ECDSA-AES128-GCM-SHA256"


def forgeable(context: ssl.SSLContext, key_log: Path) -> ssl.SSLContext:
    """Make that context write its keys there, and speak the one suite that is known here."""
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_SUITE)
    context.keylog_filename = str(key_log)
    return context


class Forger:
    """Shakes hands as the server, then sends whatever records it is told to."""

    def __init__(self, connection: Connection, key_log: Path):
        self.connection = connection
        received, sent = b"", b""
        receive, send_tcp = connection.receive, connection.send_tcp

        def note_received() -> bytes:
            nonlocal received
            data = receive()
            received += data
            return data

        def note_sent(data: bytes) -> None:
            nonlocal sent
            sent += data
            send_tcp(data)

        connection.receive, connection.send_tcp = note_received, note_sent  # type: ignore[method-assign]
        connection.handshake()
        connection.receive, connection.send_tcp = receive, send_tcp  # type: ignore[method-assign]
        # Record head, handshake head and version come before the random in both hellos.
        self._take_keys(received[11:43], sent[11:43], key_log)
        self._count = 1  # the Finished was record 0

    def _take_keys(self, client_random: bytes, server_random: bytes, key_log: Path) -> None:
        for line in key_log.read_text().splitlines():
            words = line.split()
            if words[:2] == ["CLIENT_RANDOM", client_random.hex()]:
                seed = b"key expansion" + server_random + client_random
                block = _expand(bytes.fromhex(words[2]), seed, 40)
                self._key, self._salt = AESGCM(block[16:32]), block[36:40]
                return
        raise LookupError("the key log does not know this connection")

    def record(self, kind: int, content: bytes) -> bytes:
        """Return the next record, encrypted (RFC 5246, section 6.2.3.3, and RFC 5288)."""
        count = self._count.to_bytes(8, "big")
        self._count += 1
        bound = count + bytes([kind]) + _VERSION + len(content).to_bytes(2, "big")
        sealed = count + self._key.encrypt(self._salt + count, content, bound)
        return bytes([kind]) + _VERSION + len(sealed).to_bytes(2, "big") + sealed

    def send(self, kind: int, content: bytes) -> None:
        """Send one record."""
        self.connection.send_tcp(self.record(kind, content))

    def reply(self, data: bytes) -> None:
        """Send application data in one record."""
        self.send(APPLICATION_DATA, data)

    def alert(self, level: int, description: int) -> None:
        self.send(ALERT, bytes([level, description]))


def _expand(secret: bytes, seed: bytes, length: int) -> bytes:
    # P_SHA256 of RFC 5246, section 5.
    output, link = b"", seed
    while len(output) < length:
        link = hmac.digest(secret, link, hashlib.sha256)
        output += hmac.digest(secret, link + seed, hashlib.sha256)
    return output[:length]
