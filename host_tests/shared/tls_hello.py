"""TLS 1.2 hellos, byte by byte: what a client offers, and servers that choose something else."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

SERVER_NAME, SUPPORTED_GROUPS, SIGNATURES, SUPPORTED_VERSIONS = 0, 10, 13, 43  # IANA's numbers
TLS_1_2 = 0x0303
# Not ciphers but signals: renegotiation info (RFC 5746) and a fallback (RFC 7507).
SIGNALS = {0x00FF: "EMPTY_RENEGOTIATION_INFO", 0x5600: "FALLBACK"}

# Renegotiation info, empty: OpenSSL speaks with no server that does not say it (RFC 5746).
_EXTENSIONS = b"\x00\x05\xff\x01\x00\x01\x00"


@dataclass
class ClientHello:
    """What the first message of a client says; extensions by number, as bytes."""

    record_version: int
    version: int
    suites: list[int]
    compressions: bytes
    extensions: dict[int, bytes]

    @property
    def versions(self) -> list[int]:
        """Return every version that is offered (RFC 8446, section 4.2.1)."""
        if SUPPORTED_VERSIONS in self.extensions:
            return _numbers(self.extensions[SUPPORTED_VERSIONS][1:])
        return [self.version]

    @property
    def server_name(self) -> str:
        # A list of (type 0: host name, length, name); RFC 6066, section 3.
        names = _Reader(self.extensions[SERVER_NAME])
        names.take(2)
        assert names.take(1) == b"\0"
        return names.sized(2).decode()

    @property
    def signatures(self) -> list[int]:
        return _numbers(self.extensions[SIGNATURES][2:])

    @property
    def groups(self) -> list[int]:
        return _numbers(self.extensions[SUPPORTED_GROUPS][2:])


class _Reader:
    def __init__(self, data: bytes):
        self._data = data

    def take(self, size: int) -> bytes:
        assert len(self._data) >= size, "cut short"
        taken, self._data = self._data[:size], self._data[size:]
        return taken

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def sized(self, size: int) -> bytes:
        return self.take(self.number(size))

    def __bool__(self) -> bool:
        return bool(self._data)


def _numbers(data: bytes) -> list[int]:
    return [int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2)]


def parse_client_hello(record: bytes) -> ClientHello:
    """Parse one record with one ClientHello in it (RFC 5246, sections 6.2.1 and 7.4.1.2)."""
    outer = _Reader(record)
    assert outer.number(1) == 22, "no handshake record"
    record_version = outer.number(2)
    message = _Reader(outer.sized(2))
    assert not outer, "more than one record"
    assert message.number(1) == 1, "no ClientHello"
    hello = _Reader(message.sized(3))
    version = hello.number(2)
    hello.take(32)
    hello.sized(1)
    suites = _numbers(hello.sized(2))
    compressions = hello.sized(1)
    extensions: dict[int, bytes] = {}
    rest = _Reader(hello.sized(2))
    while rest:
        kind = rest.number(2)
        assert kind not in extensions, "an extension twice"
        extensions[kind] = rest.sized(2)
    return ClientHello(record_version, version, suites, compressions, extensions)


def server_hello(
    suite: int, version: int = TLS_1_2, compression: int = 0, more: bytes = b""
) -> bytes:
    """Return a ServerHello in a record of its own, whatever it chooses; `more` messages behind."""
    hello = version.to_bytes(2, "big") + bytes(range(32)) + b"\0"
    hello += suite.to_bytes(2, "big") + bytes([compression]) + _EXTENSIONS
    messages = b"\x02" + len(hello).to_bytes(3, "big") + hello + more
    return b"\x16" + version.to_bytes(2, "big") + len(messages).to_bytes(2, "big") + messages


def known_suites() -> dict:
    """Return every suite that OpenSSL has, anonymous and empty ones too, by number."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    return {suite["id"] & 0xFFFF: suite for suite in context.get_ciphers()}
