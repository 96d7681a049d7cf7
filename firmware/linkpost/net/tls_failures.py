"""What mbedTLS raises, turned into our errors, with texts a person can act on.

Loaded when a handshake or a root fails (`loader`); the texts about sockets are in `failures`.
"""

import errno

from micropython import const

from ..errors import NetworkError, TLSError
from ..loader import load

# mbedTLS 3.6, include/mbedtls/ssl.h and x509.h; MicroPython raises OSError(number, name).
_CONN_EOF = const(-0x7280)
_CA_CHAIN_REQUIRED = const(-0x7680)
_CERT_VERIFY_FAILED = const(-0x2700)

# An error number is a module's, in steps of 0x80, plus one of a module below it (error.h).
# MicroPython itself turns only SSL_ALLOC_FAILED into ENOMEM.
_ALLOC_FAILED = (0x2880, 0x3F80, 0x4D80, 0x5180, 0x6180, 0x7F00)  # X509 PK ECP MD CIPHER SSL
_LOW_ALLOC_FAILED = (0x10, 0x6A)  # MPI ASN1

# The same without a module's number, un-negated as MicroPython does with all below 256; 141 is
# PSA's. No socket of a chip says these numbers in a handshake.
_BARE_ALLOC_FAILED = (0x10, 0x6A, 0x8D)

# mbedTLS says why in text only (library/x509.c), several lines where several things are wrong.
# The order is what matters first: who it is, for whom it is, then when.
_CERTIFICATE = (
    ("signed by the trusted CA", "untrusted"),
    ("does not match", "wrong host"),
    ("starts in the future", "not yet valid"),
    ("has expired", "expired"),
)

_CERTIFICATE_TEXTS = {
    "untrusted": "is not signed by a root on this board. Run: linkpost certs --check. "
    "Emulator? linkpost deploy --ca ca.pem",
    "wrong host": "is for another name. Check the endpoint, letter by letter",
    "not yet valid": "is not valid yet, by the board's clock",
    "expired": "has expired, by the board's clock",
}


def bad_anchor(anchor, error, host: str, memory) -> TLSError:
    """Return the error of a trust anchor, (name, DER bytes), that mbedTLS refused.

    Args: memory, as `no_memory` has it. Where it was less than comfortable (`connection`) and the
    file is a whole certificate by its length, it is memory.
    """
    name, der = anchor
    whole = len(der) > 4 and der[0] == 0x30 and len(der) == 4 + (der[2] << 8 | der[3])
    number = error.errno if isinstance(error, OSError) else None
    free, block = memory
    short = free < 56_000 or (block is not None and block < 24_000)
    if number == errno.ENOMEM or (short and whole):
        return load("net.failures").no_memory(host, number, memory)
    return TLSError(
        "Root certificate %s cannot be used: each file holds one, in DER" % name,
        "no anchor",
    )


def no_anchor() -> TLSError:
    """Return the error of having nothing to verify a peer with."""
    return TLSError(
        "No root certificate in /certs to verify the platform with. Run: linkpost deploy",
        "no anchor",
    )


def tls_error(error, host: str, handshaken: bool, unix_ms: int, memory=None):
    """Return what the TLS object raised as a TLSError; None: it is a socket's, of `failures`.

    Args: error, OSError, ValueError or MemoryError; handshaken, the connection was in use
    already: then no certificate is in question, and a TLS failure is a broken connection;
    unix_ms, the board's clock, which the text shows where dates matter; memory, as `no_memory`
    has it, where it was short before the handshake: "not trusted" and EIO are then what mbedTLS
    says when an allocation fails.
    """
    if isinstance(error, MemoryError):
        return load("net.failures").no_memory(host, None, memory)
    if not isinstance(error, OSError):
        answer = _certificate_error(str(error), host, unix_ms)
        if memory is not None and answer.reason == "untrusted":
            return load("net.failures").no_memory(host, None, memory)
        return answer
    number = error.errno
    if not isinstance(number, int):
        number = 0
    if number == errno.ENOMEM or _is_memory(-number):
        return load("net.failures").no_memory(host, number, memory)
    if not handshaken and (
        number in _BARE_ALLOC_FAILED
        or (memory is not None and number in (errno.EIO, _CERT_VERIFY_FAILED))
    ):
        return load("net.failures").no_memory(host, number, memory)
    if number == _CONN_EOF:
        return NetworkError("%s closed the connection during the handshake" % host, number)
    if number > -256 or handshaken:
        return None
    if number == _CA_CHAIN_REQUIRED:
        return no_anchor()
    if number == _CERT_VERIFY_FAILED:
        return TLSError("%s: the certificate could not be verified" % host, "untrusted", number)
    return TLSError(
        "The TLS handshake with %s failed (%s). It must speak TLS 1.2 on that port"
        % (host, error.args[-1]),
        "handshake",
        number,
    )


def _is_memory(code):
    return code > 255 and (code & 0x7F80 in _ALLOC_FAILED or code & 0x7F in _LOW_ALLOC_FAILED)


def _certificate_error(text, host, unix_ms):
    for sign, reason in _CERTIFICATE:
        if sign in text:
            message = "%s: the certificate %s" % (host, _CERTIFICATE_TEXTS[reason])
            if reason in ("not yet valid", "expired"):
                message += (
                    ", which shows %d-%02d-%02d (UTC). Is it set? NTP needs UDP 123 open"
                    % load("dates").civil(unix_ms // 1000)[:3]
                )
            return TLSError(message, reason)
    return TLSError(
        "%s: the certificate is refused: %s" % (host, " ".join(text.split())), "untrusted"
    )
