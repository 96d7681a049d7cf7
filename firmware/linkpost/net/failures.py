"""What sockets and mbedTLS raise, turned into our errors, in words a person can act on.

Loaded when something fails (`loader`): a board on which all goes well does not pay for the
words.
"""

import errno

from micropython import const

from ..errors import (
    TLS_EXPIRED,
    TLS_HANDSHAKE,
    TLS_MEMORY,
    TLS_NO_ANCHOR,
    TLS_NOT_YET_VALID,
    TLS_UNTRUSTED,
    TLS_WRONG_HOST,
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

# mbedTLS says why in text only (library/x509.c), several lines where several things are wrong.
# The order is what matters first: who it is, for whom it is, then when.
_CERTIFICATE = (
    ("signed by the trusted CA", TLS_UNTRUSTED),
    ("does not match", TLS_WRONG_HOST),
    ("starts in the future", TLS_NOT_YET_VALID),
    ("has expired", TLS_EXPIRED),
)

_WORDS = {
    TLS_UNTRUSTED: "is not signed by an anchor on this board. Run: linkpost certs --check. "
    "Emulator? linkpost deploy --ca ca.pem",
    TLS_WRONG_HOST: "is for another name. Check the endpoint, letter by letter",
    TLS_NOT_YET_VALID: "is not valid yet, by the board's clock",
    TLS_EXPIRED: "has expired, by the board's clock",
}

_NETWORK = (
    (errno.ECONNREFUSED, "refused the connection: nothing listens on the endpoint's port"),
    (errno.ECONNRESET, "broke the connection off"),
    (errno.ECONNABORTED, "broke the connection off"),
    (errno.ETIMEDOUT, "does not answer"),
    (errno.EHOSTUNREACH, "cannot be reached: is the network up?"),
    (errno.ENOBUFS, "was not reached, for want of network buffers"),
    (errno.ENOMEM, "was not reached, for want of memory"),
)

# By Transport.phase.
_PHASES = (
    "was not reached",
    "did not accept the connection",
    "did not finish the TLS handshake",
    "did not take the whole request",
    "did not finish its reply",
)


def dns_error(error, host: str) -> DNSError:
    """Return what `getaddrinfo` raised as a DNSError."""
    # The chips raise OSError(-2) and the like, the unix port OSError("[addrinfo error -2]").
    number = error.args[0] if error.args and isinstance(error.args[0], int) else None
    return DNSError(
        "The name %s was not found (%s). Check the endpoint, letter by letter, and that this "
        "network reaches the internet" % (host, error),
        number,
    )


def network_error(error, host: str) -> NetworkError:
    """Return an OSError of a socket as a NetworkError; None: the name has no address."""
    if error is None:
        return NetworkError("%s has no address" % host)
    number = error.errno
    for known, words in _NETWORK:
        if number == known:
            return NetworkError("%s %s (errno %s)" % (host, words, number), number)
    return NetworkError("The connection to %s failed: %s" % (host, error), number)


def deadline_error(host: str, phase: int, ms: int) -> DeadlineError:
    """Return the error of a deadline of `ms` that passed in that phase of the transport."""
    return DeadlineError("%s %s within %d ms" % (host, _PHASES[phase], ms), errno.ETIMEDOUT)


def bad_anchor(number: int) -> TLSError:
    """Return the error of the trust anchor of that number, from 1, which mbedTLS refused."""
    return TLSError(
        "Trust anchor %d in /certs cannot be used: a file there holds one certificate, in DER"
        % number,
        TLS_NO_ANCHOR,
    )


def no_anchor() -> TLSError:
    """Return the error of having nothing to verify a peer with."""
    return TLSError(
        "There is no anchor in /certs to verify the platform with. Run: linkpost deploy",
        TLS_NO_ANCHOR,
    )


def tls_error(error, host: str, handshaken: bool, unix_ms: int):
    """Return what the TLS object raised: a NetworkError or a TLSError.

    Args: error, OSError or ValueError; handshaken, the connection was in use already: then no
    certificate is in question, and a TLS failure is a broken connection; unix_ms, the board's
    clock, which the words show where dates matter.
    """
    if not isinstance(error, OSError):
        return _certificate_error(str(error), host, unix_ms)
    number = error.errno
    if not isinstance(number, int):
        number = 0
    if number == errno.ENOMEM or _is_memory(-number):
        return TLSError(
            "Not enough memory for TLS to %s: it takes 23 KB, 17 KB of them in one piece" % host,
            TLS_MEMORY,
            number,
        )
    if number == _CONN_EOF:
        return NetworkError("%s closed the connection during the handshake" % host, number)
    if number > -256 or handshaken:
        return network_error(error, host)
    if number == _CA_CHAIN_REQUIRED:
        return no_anchor()
    if number == _CERT_VERIFY_FAILED:
        return TLSError("%s: the certificate could not be verified" % host, TLS_UNTRUSTED, number)
    return TLSError(
        "The TLS handshake with %s failed (%s). It must speak TLS 1.2 on that port"
        % (host, error.args[-1]),
        TLS_HANDSHAKE,
        number,
    )


def _is_memory(code):
    return code > 255 and (code & 0x7F80 in _ALLOC_FAILED or code & 0x7F in _LOW_ALLOC_FAILED)


def _certificate_error(text, host, unix_ms):
    for sign, reason in _CERTIFICATE:
        if sign in text:
            message = "%s: the certificate %s" % (host, _WORDS[reason])
            if reason in (TLS_NOT_YET_VALID, TLS_EXPIRED):
                message += (
                    ", which shows %d-%02d-%02d (UTC). Is it set? NTP needs UDP 123 open"
                    % load("dates").civil(unix_ms // 1000)[:3]
                )
            return TLSError(message, reason)
    return TLSError(
        "%s: the certificate is refused: %s" % (host, " ".join(text.split())), TLS_UNTRUSTED
    )
