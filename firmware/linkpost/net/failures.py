"""What sockets and mbedTLS raise, turned into our errors, with texts a person can act on.

Loaded when something fails (`loader`): a board on which all goes well does not pay for the
texts.
"""

import errno

from micropython import const

from ..errors import (
    DeadlineError,
    DNSError,
    NetworkError,
    TLSError,
)
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
_EAI_MEMORY = -203  # lwIP's netdb.h, negated as esp32 raises it

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

_NETWORK = (
    (errno.ECONNREFUSED, "refused the connection: nothing listens on the endpoint's port"),
    (errno.ECONNRESET, "broke the connection"),
    (errno.ECONNABORTED, "broke the connection"),
    (errno.ETIMEDOUT, "does not answer"),
    (errno.EHOSTUNREACH, "cannot be reached: is the network up?"),
    (errno.ENOBUFS, "was not reached: no network buffers are free"),
)

_HANDSHAKE = const(2)  # as `connection` has it
# By Connection.phase.
_PHASES = (
    "was not reached",
    "did not accept the connection",
    "did not finish the TLS handshake",
    "did not take the whole request",
    "did not finish its reply",
)


def dns_error(error, host: str):
    """Return what `getaddrinfo` raised as a DNSError, or a TLSError where memory ran out."""
    # The chips raise OSError(-2) and the like, the unix port OSError("[addrinfo error -2]").
    number = error.args[0] if error.args and isinstance(error.args[0], int) else None
    if number in (_EAI_MEMORY, errno.ENOMEM):
        return no_memory(host, number, None)
    return DNSError(
        "The name %s was not found (%s). Check the endpoint, letter by letter, and that this "
        "network reaches the internet" % (host, error),
        number,
    )


def network_error(error, host: str):
    """Return an OSError of a socket as a NetworkError; None: the name has no address.

    A TLSError where memory ran out.
    """
    if error is None:
        return NetworkError("%s has no address" % host)
    number = error.errno
    if number == errno.ENOMEM:
        return no_memory(host, number, None)
    for known, text in _NETWORK:
        if number == known:
            return NetworkError("%s %s (errno %s)" % (host, text, number), number)
    return NetworkError("The connection to %s failed: %s" % (host, error), number)


def closed(host: str) -> NetworkError:
    """Return the error of a peer that closed where its reply should have begun."""
    return NetworkError("%s closed the connection before it answered" % host, errno.ECONNRESET)


def no_memory(host: str, number, memory) -> TLSError:
    """Return the error of too little memory for TLS, whoever noticed.

    Args: number, what was raised, or None; memory, (free bytes, largest block or None) as they
    were before the handshake, or None where nobody can tell.
    """
    message = "Out of memory for TLS to %s" % host
    if memory is not None:
        message += ": %d bytes free" % memory[0]
        if memory[1] is not None:
            message += ", %d of them in one piece" % memory[1]
    message += ". It takes 33000, 17000 of them in one piece"
    if number is not None:
        message += " (error %s)" % number
    return TLSError(message, "memory", number)


def deadline_error(host: str, phase: int, ms: int, memory):
    """Return the error of a deadline of `ms` that passed in that phase of the connection.

    Args: memory, as `no_memory` has it, where it was short before the handshake: that may hang.
    """
    if memory is not None and phase == _HANDSHAKE:
        return no_memory(host, errno.ETIMEDOUT, memory)
    return DeadlineError("%s %s within %d ms" % (host, _PHASES[phase], ms), errno.ETIMEDOUT)


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
        return no_memory(host, number, memory)
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
    """Return what the TLS object raised: a NetworkError or a TLSError.

    Args: error, OSError, ValueError or MemoryError; handshaken, the connection was in use
    already: then no certificate is in question, and a TLS failure is a broken connection;
    unix_ms, the board's clock, which the text shows where dates matter; memory, as `no_memory`
    has it, where it was short before the handshake: "not trusted" and EIO are then what mbedTLS
    says when an allocation fails.
    """
    if isinstance(error, MemoryError):
        return no_memory(host, None, memory)
    if not isinstance(error, OSError):
        answer = _certificate_error(str(error), host, unix_ms)
        if memory is not None and answer.reason == "untrusted":
            return no_memory(host, None, memory)
        return answer
    number = error.errno
    if not isinstance(number, int):
        number = 0
    if number == errno.ENOMEM or _is_memory(-number):
        return no_memory(host, number, memory)
    if not handshaken and (
        number in _BARE_ALLOC_FAILED
        or (memory is not None and number in (errno.EIO, _CERT_VERIFY_FAILED))
    ):
        return no_memory(host, number, memory)
    if number == _CONN_EOF:
        return NetworkError("%s closed the connection during the handshake" % host, number)
    if number > -256 or handshaken:
        return network_error(error, host)
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
