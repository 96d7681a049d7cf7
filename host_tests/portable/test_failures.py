"""What sockets and mbedTLS raise, and which of our errors it becomes."""

import errno

from linkpost.errors import (
    DNSError,
    LinkpostError,
    NetworkError,
    TLSError,
)
from linkpost.net import failures

# 2000-01-01, where esp32's clock starts: docs/porting.md, "Clock and ticks".
UNSET_UNIX_MS = 946_684_800_000

UNTRUSTED = "The certificate is not correctly signed by the trusted CA"
WRONG_HOST = "The certificate Common Name (CN) does not match with the expected CN"
EXPIRED = "The certificate validity has expired"
FUTURE = "The certificate validity starts in the future"
WEAK = "The certificate is signed with an unacceptable hash."


class Lost:
    """A connection that has failed, and its port."""

    host = "iot.example"
    tight = None

    def __init__(self):
        self.port = self

    def unix_ms(self):
        return UNSET_UNIX_MS

    def tls_memory(self):
        return 200_000, None


def explained(error, phase):
    return failures.explained(Lost(), phase, error, 1000)


def tls_error(error, handshaken=False):
    return explained(error, 3 if handshaken else 2)


def test_certificate_words_become_reasons_the_gravest_first():
    # mbedTLS' sentences, one a line: library/x509_crt.c; docs/porting.md, "TLS".
    cases = (
        ((UNTRUSTED,), "untrusted"),
        ((WRONG_HOST,), "wrong host"),
        ((EXPIRED,), "expired"),
        ((FUTURE,), "not yet valid"),
        ((WEAK,), "untrusted"),
        ((EXPIRED, WRONG_HOST, UNTRUSTED), "untrusted"),
        ((EXPIRED, WRONG_HOST), "wrong host"),
    )
    for lines, reason in cases:
        error = tls_error(ValueError("\n" + "\n".join(lines) + "\n"))
        assert type(error) is TLSError, lines
        assert error.reason == reason, lines
        assert "iot.example" in str(error), lines
        assert "\n" not in str(error), lines


def test_dates_that_do_not_fit_show_the_boards_clock():
    for line in (EXPIRED, FUTURE):
        assert "2000-01-01" in str(tls_error(ValueError("\n%s\n" % line)))
    assert "clock" not in str(tls_error(ValueError("\n%s\n" % UNTRUSTED)))


def test_tls_numbers_become_reasons():
    cases = (
        (-9984, "MBEDTLS_ERR_X509_CERT_VERIFY_FAILED", "untrusted"),
        (-30592, "MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE", "handshake"),
        (-28288, "MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION", "handshake"),
        (errno.ENOMEM, "ENOMEM", "memory"),
        (-0x7F00, "SSL_ALLOC_FAILED", "memory"),
        (-0x2880, "X509_ALLOC_FAILED", "memory"),
        (-0x4D80, "ECP_ALLOC_FAILED", "memory"),
        (-0x4290, "RSA_PUBLIC_FAILED and MPI_ALLOC_FAILED", "memory"),
    )
    for number, name, reason in cases:
        error = tls_error(OSError(number, name))
        assert type(error) is TLSError, name
        assert error.reason == reason, name


def test_sockets_numbers_become_network_errors_with_the_number():
    cases = (
        (errno.ECONNRESET, "failed"),
        (errno.ECONNREFUSED, "nothing listens"),
        (errno.EHOSTUNREACH, "failed"),
        (-29312, "failed"),  # MBEDTLS_ERR_SSL_CONN_EOF
        (12345, "failed"),
    )
    for number, word in cases:
        error = tls_error(OSError(number, "x"))
        assert type(error) is NetworkError, number
        assert error.errno == number
        assert word in str(error), str(error)
        assert "iot.example" in str(error)


def test_tls_failure_of_a_connection_in_use_is_a_broken_connection():
    for number in (-30592, -0x7180, -9984):
        assert type(tls_error(OSError(number, "x"), handshaken=True)) is NetworkError


def test_errors_without_a_number_are_still_ours():
    assert isinstance(tls_error(OSError("stream operation not supported")), LinkpostError)
    assert type(explained(OSError(), 0)) is DNSError
    assert type(explained(OSError("no address"), 1)) is NetworkError
