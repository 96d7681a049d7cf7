"""What went wrong on a connection, turned into our errors, with texts a person can act on.

Loaded when something fails (`loader`): a board on which all goes well does not pay for the texts.
"""

import errno

from micropython import const

from ..errors import DeadlineError, DNSError, NetworkError, TLSError
from ..loader import load

_EAI_MEMORY = const(-203)  # lwIP's netdb.h, negated as esp32 raises it

# mbedTLS 3.6, include/mbedtls/ssl.h and x509.h; MicroPython raises OSError(number, name), and of
# a certificate that does not verify ValueError with mbedTLS' sentences, one a line.
_CONN_EOF = const(-0x7280)
_CERT_VERIFY_FAILED = const(-0x2700)

# An error number of mbedTLS is a module's, in steps of 0x80, plus one of a module below it
# (error.h). Of these an allocation failed: X509 PK ECP MD CIPHER SSL, counted in steps; then MPI,
# ASN1 and PSA, which come alone too, and un-negated, as MicroPython does with all below 256. No
# socket of a chip says these numbers in a handshake.
_ALLOC_FAILED = b"\x51\x7f\x9b\xa3\xc3\xfe"
_LOW_ALLOC_FAILED = b"\x10\x6a\x8d"

_HANDSHAKE = const(2)  # as `Connection.phase`, which these words are by
_PHASES = ("connecting", "connecting", "TLS handshake", "request", "reply")


def explained(connection, phase: int, error, ms: int):
    """Return as one of our errors what ended a connection, which is closed by now.

    Args: phase, how far it had come; error, the OSError, ValueError or MemoryError that was
    raised; None: a deadline of `ms` has passed.
    """
    host = connection.host
    number = getattr(error, "errno", None)
    if not isinstance(number, int):
        number = 0  # MicroPython's OSError has whatever came first as its errno
    shaking = phase <= _HANDSHAKE
    # Where memory was short before the handshake, "not trusted" and EIO are what mbedTLS says
    # when an allocation fails, or it hangs.
    tight = shaking and connection.tight
    reason = None
    if phase and (isinstance(error, ValueError) or shaking and number == _CERT_VERIFY_FAILED):
        reason = _reason(str(error))
    if (
        isinstance(error, MemoryError)
        or number in (errno.ENOMEM, _EAI_MEMORY)
        or _is_alloc_failed(number, shaking)
        or (tight and (number == errno.EIO or reason == "untrusted"))
        or (tight and error is None and phase == _HANDSHAKE)
    ):
        free, block = connection.tight or connection.port.tls_memory()
        return TLSError(
            "Out of memory for TLS: %d bytes free, %s in one piece. It takes 30000 and 17000"
            % (free, block or "?"),
            "memory",
            number or None,
        )
    if error is None:
        return DeadlineError("%s: %s took over %d ms" % (host, _PHASES[phase], ms))
    if reason:
        return TLSError(
            "%s: %s. %s" % (host, " ".join(str(error).split()), _advice(reason, connection)),
            reason,
        )
    if not phase:
        return DNSError(
            "%s: name not found: %s. Check endpoint and network" % (host, error),
            number or None,
        )
    if shaking and number < -255 and number != _CONN_EOF:
        return TLSError("%s: TLS 1.2 handshake failed: %s" % (host, error), "handshake", number)
    text = "nothing listens on that port" if number == errno.ECONNREFUSED else "connection failed"
    return NetworkError("%s: %s: %s" % (host, text, error), number or None)


def _is_alloc_failed(number, shaking):
    if number > -256:
        return shaking and 0 < number < 256 and number in _LOW_ALLOC_FAILED
    return -number >> 7 & 255 in _ALLOC_FAILED or -number & 127 in _LOW_ALLOC_FAILED


def _reason(said):
    # mbedTLS says several things where several are wrong. What matters first: who it is, for whom
    # it is, then when (library/x509_crt.c).
    if "trusted CA" not in said:
        if "not match" in said:
            return "wrong host"
        if "future" in said:
            return "not yet valid"
        if "expired" in said:
            return "expired"
    return "untrusted"


def _advice(reason, connection):
    if reason == "untrusted":
        return "Run: linkpost certs --check. Emulator? linkpost deploy --ca ca.pem"
    if reason == "wrong host":
        return "Check the endpoint"
    date = load("dates").civil(connection.port.unix_ms() // 1000)[:3]
    return "The board's clock shows %d-%02d-%02d (UTC)" % date
