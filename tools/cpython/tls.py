"""CPython's stand-in for MicroPython's `tls` module: what the firmware uses of it, on `ssl`.

It does what the boards do, not what Python does:
  - TLS 1.2 only, certificates required, SNI and host name from `server_hostname`.
  - A socket set to non-blocking gives None where MicroPython gives None; `readinto` and `read`
    fill what they were asked for as far as there is something.
  - What goes wrong is raised as mbedTLS' numbers and words (extmod/modtls_mbedtls.c):
      untrusted, wrong host, dates   ValueError, mbedTLS' sentence for each
      no anchor                      OSError(-0x7680, "MBEDTLS_ERR_SSL_CA_CHAIN_REQUIRED")
      TCP closed in the handshake    OSError(-0x7280, "MBEDTLS_ERR_SSL_CONN_EOF")
      no common version              OSError(-0x6E80, "MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION")
      an alert, anything else        OSError(-0x7780, "MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE")
      a socket error                 OSError with its errno
  - After an error every call raises again.
Left out: servers, client certificates, ciphers, DTLS.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
from collections.abc import Callable
from typing import Any

PROTOCOL_TLS_CLIENT = 0
CERT_NONE = 0
CERT_OPTIONAL = 1
CERT_REQUIRED = 2

_RECEIVE_BYTES = 16384
_RECORD_BYTES = 4096  # what mbedTLS puts in one record on the boards

# OpenSSL's x509_vfy.h -> library/x509_crt_verify_strings of mbedTLS.
_UNTRUSTED = "The certificate is not correctly signed by the trusted CA"
_CERTIFICATE_WORDS = {
    9: "The certificate validity starts in the future",
    10: "The certificate validity has expired",
    18: _UNTRUSTED,  # self-signed
    19: _UNTRUSTED,  # self-signed in the chain
    20: _UNTRUSTED,  # issuer not found
    21: _UNTRUSTED,  # leaf signature not checked
    62: "The certificate Common Name (CN) does not match with the expected CN",
    64: "The certificate Common Name (CN) does not match with the expected CN",  # an address
}
_CONN_EOF = (-0x7280, "MBEDTLS_ERR_SSL_CONN_EOF")
_CA_CHAIN_REQUIRED = (-0x7680, "MBEDTLS_ERR_SSL_CA_CHAIN_REQUIRED")
_BAD_PROTOCOL_VERSION = (-0x6E80, "MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION")
_FATAL_ALERT_MESSAGE = (-0x7780, "MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE")
_VERSION_REASONS = {"UNSUPPORTED_PROTOCOL", "WRONG_SSL_VERSION", "TLSV1_ALERT_PROTOCOL_VERSION"}


class SSLContext:
    """A client's context; `verify_mode` is CERT_REQUIRED unless it is changed."""

    def __init__(self, protocol: int):
        if protocol != PROTOCOL_TLS_CLIENT:
            raise ValueError("only PROTOCOL_TLS_CLIENT")
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._context.maximum_version = ssl.TLSVersion.TLSv1_2
        # Some builds of Python take a torn connection for a clean end; mbedTLS tells them apart.
        self._context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
        self._anchors = 0

    @property
    def verify_mode(self) -> int:
        return int(self._context.verify_mode)

    @verify_mode.setter
    def verify_mode(self, mode: int) -> None:
        self._context.check_hostname = mode == CERT_REQUIRED
        self._context.verify_mode = ssl.VerifyMode(mode)

    def load_verify_locations(self, cadata: bytes) -> None:
        """Add one trust anchor, a DER certificate. ValueError('invalid cert') where it is none."""
        try:
            self._context.load_verify_locations(cadata=bytes(cadata))
        except (ssl.SSLError, ValueError):
            raise ValueError("invalid cert") from None
        self._anchors += 1

    def wrap_socket(
        self,
        sock: socket.socket,
        *,
        server_side: bool = False,
        do_handshake_on_connect: bool = True,
        server_hostname: str | None = None,
    ) -> SSLSocket:
        """Return `sock` with TLS on top. Where that fails, `sock` stays open."""
        if server_side or do_handshake_on_connect:
            raise NotImplementedError("only do_handshake_on_connect=False, as a client")
        if server_hostname is None and self.verify_mode == CERT_REQUIRED:
            raise ValueError("CERT_REQUIRED requires server_hostname")
        # The firmware's gate before a socket: OpenSSL refuses floods itself, and takes no stream.
        raw = getattr(sock, "_socket", sock)
        return SSLSocket(raw, self._context, server_hostname, self._anchors > 0)


class SSLSocket:
    """A TLS connection over a socket that does not block. `close` closes the socket as well."""

    def __init__(
        self,
        raw: socket.socket,
        context: ssl.SSLContext,
        server_hostname: str | None,
        has_anchors: bool,
    ):
        self._raw = raw
        self._closed = False
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, False, server_hostname)
        self._has_anchors = has_anchors or context.verify_mode != ssl.CERT_REQUIRED
        self._unsent = b""
        self._unsent_count = 0  # plain bytes in `_unsent`, which a later write reports
        self._established = False
        self._error: tuple[Any, ...] | None = None

    # -- as MicroPython's stream methods ----------------------------------------------------------

    def read(self, size: int) -> bytes | None:
        """Return up to `size` bytes, b"" at the end, None where nothing is there yet."""
        data = bytearray(size)
        count = self.readinto(data)
        return None if count is None else bytes(data[:count])

    def recv(self, size: int) -> bytes | None:
        """Return what one read gives, b"" at the end, None where nothing is there yet."""
        return self._guarded(self._read_once, size)

    def readinto(self, buffer: bytearray | memoryview, size: int | None = None) -> int | None:
        """Fill `buffer` (`size` bytes of it) as far as there is something; return how many."""
        view = memoryview(buffer).cast("B")
        size = len(view) if size is None else min(size, len(view))
        done = 0
        while done < size:
            data = self._guarded(self._read_once, size - done)
            if data is None:
                return done or None
            if not data:
                break
            view[done : done + len(data)] = data
            done += len(data)
        return done

    def write(self, buffer: Any, *bounds: int) -> int | None:
        """Write `buffer`, or (buffer, count), or (buffer, start, count); return how many went.

        None where none could; then the same bytes have to be written again.
        """
        view = memoryview(buffer).cast("B")
        if len(bounds) == 1:
            view = view[: bounds[0]]
        elif len(bounds) == 2:
            view = view[bounds[0] : bounds[0] + bounds[1]]
        done = 0
        while done < len(view):
            count = self._guarded(self._write_record, view[done : done + _RECORD_BYTES])
            if count is None:
                return done or None
            done += count
        return done

    def setblocking(self, flag: bool) -> None:
        self._raw.setblocking(flag)

    def close(self) -> None:
        """Close TLS and socket; again does nothing."""
        self._closed = True
        self._raw.close()

    # -- below ------------------------------------------------------------------------------------

    def _guarded(self, call: Callable[[Any], Any], argument: Any) -> Any:
        if self._closed:
            raise OSError(-0x7100, "MBEDTLS_ERR_SSL_BAD_INPUT_DATA")
        if self._error is not None:
            raise OSError(*self._error)
        try:
            return call(argument)
        except BlockingIOError:
            return None
        except ssl.SSLCertVerificationError as error:
            self._flush_alert()
            self._error = (-0x2700, "MBEDTLS_ERR_X509_CERT_VERIFY_FAILED")
            if not self._has_anchors:
                self._error = _CA_CHAIN_REQUIRED
                raise OSError(*_CA_CHAIN_REQUIRED) from None
            words = _CERTIFICATE_WORDS.get(error.verify_code, error.verify_message)
            raise ValueError(f"\n{words}\n") from None
        except ssl.SSLError as error:
            self._flush_alert()
            known = error.reason in _VERSION_REASONS
            self._error = _BAD_PROTOCOL_VERSION if known else _FATAL_ALERT_MESSAGE
            raise OSError(*self._error) from None
        except OSError as error:
            self._error = error.args
            raise

    def _flush_alert(self) -> None:
        # The reason for the alert matters, not whether the peer hears it.
        with contextlib.suppress(OSError):
            self._flush()

    def _flush(self) -> None:
        # Raises BlockingIOError while the socket takes no more.
        self._unsent += self._outgoing.read()
        while self._unsent:
            sent = self._raw.send(self._unsent)
            self._unsent = self._unsent[sent:]

    def _pump(self, call: Callable[[], Any]) -> Any:
        # Do one TLS operation, with what it wants to receive. BlockingIOError: not yet.
        while True:
            try:
                result = call()
            except ssl.SSLWantReadError:
                self._flush()
                data = self._raw.recv(_RECEIVE_BYTES)
                if data:
                    self._incoming.write(data)
                else:
                    self._incoming.write_eof()
            except ssl.SSLError as error:
                # Before Python 3.11.4 a torn connection is an SSLError of no class of its own.
                if error.reason == "UNEXPECTED_EOF_WHILE_READING":
                    raise ssl.SSLEOFError(*error.args) from None
                raise
            else:
                return result

    def _shake_hands(self) -> None:
        if not self._established:
            try:
                self._pump(self._tls.do_handshake)
            except ssl.SSLEOFError:
                raise OSError(*_CONN_EOF) from None
            self._established = True
        self._flush()

    def _read_once(self, size: int) -> bytes:
        self._shake_hands()
        try:
            return self._pump(lambda: self._tls.read(size))
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            return b""  # MicroPython too does not tell an end without close_notify from one with

    def _write_record(self, piece: memoryview) -> int:
        self._shake_hands()
        if self._unsent_count:
            # The record that did not fit last time has gone with the flush.
            count, self._unsent_count = self._unsent_count, 0
            return count
        count = self._tls.write(piece)
        self._unsent_count = count
        self._flush()
        self._unsent_count = 0
        return count


class _SelectPoll:
    """`select.poll` for Windows, which has only `select.select`; one socket is what we poll."""

    def __init__(self) -> None:
        self._masks: dict[Any, int] = {}

    def register(self, sock: Any, mask: int) -> None:
        self._masks[sock] = mask

    modify = register

    def unregister(self, sock: Any) -> None:
        del self._masks[sock]

    def poll(self, timeout_ms: int) -> list[tuple[Any, int]]:
        readers = [sock for sock, mask in self._masks.items() if mask & _POLLIN]
        writers = [sock for sock, mask in self._masks.items() if mask & _POLLOUT]
        # A connect that fails shows in the third list only.
        ready = select.select(readers, writers, list(self._masks), timeout_ms / 1000)
        masks: dict[Any, int] = {}
        for socks, bit in zip(ready, (_POLLIN, _POLLOUT, _POLLERR), strict=True):
            for sock in socks:
                masks[sock] = masks.get(sock, 0) | bit
        return list(masks.items())


_POLLIN, _POLLOUT, _POLLERR = 1, 4, 8

if not hasattr(select, "poll"):
    # `selectors` has looked for it by now (socket imports it), so nothing else changes its ways.
    for _name, _value in (("POLLIN", 1), ("POLLOUT", 4), ("POLLERR", 8), ("POLLHUP", 16)):
        setattr(select, _name, _value)
    setattr(select, "poll", _SelectPoll)  # noqa: B010  mypy knows that it is not there
