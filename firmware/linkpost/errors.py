"""Every error that linkpost raises. One root; what to do next is an attribute, never a text.

`retry` says what a caller may do with the work that failed:

    "backoff"   keep the work and try again after a growing pause
    "long"      the same, with much longer pauses: the platform throttles
    "slowly"    keep the work; a person has to act, so try again after 15 minutes or more
    "never"     the work itself is refused: trying it again unchanged cannot help

`TLSError.reason` says what a handshake failed by, so that the clock can be checked or a root
added: "untrusted", "wrong host", "expired", "not yet valid", "no anchor", "handshake" or "memory".
These words have no names in the code: each would cost a board 50 bytes for good. A test knows all
that are compared with (host_tests/host/test_house.py).

No message ever holds a device secret, a Wi-Fi password or a token.
"""


class LinkpostError(Exception):
    """The root. `retry` is the policy; see the module's docstring.

    `errno` is the number the platform raised, or None.
    """

    retry = "backoff"

    def __init__(self, message="", errno=None):
        super().__init__(message)
        self.errno = errno


# What the drivers of radio, clock, flash and pins raise. The ESP32's say MemoryError and
# RuntimeError("Wifi Unknown Error 0x0101") as well as OSError; ValueError is an unknown setting.
DRIVER_ERRORS = (OSError, RuntimeError, ValueError, MemoryError)


class ConfigError(LinkpostError):
    """What the user set is wrong. `key` names the config key, e.g. `wifi[0].ssid`."""

    retry = "slowly"

    def __init__(self, key, message):
        super().__init__("%s: %s" % (key, message) if key else message)
        self.key = key


class StorageError(LinkpostError):
    """The flash refused: full, read-only or failing."""


class SensorError(LinkpostError):
    """A sensor gave no value; the message says why, in words for the reading's error entry."""


class LowMemoryError(LinkpostError):
    """Memory did not suffice; the message has the numbers. What was to be sent still waits."""


class NetworkError(LinkpostError):
    """TCP or Wi-Fi failed."""


class DeadlineError(NetworkError):
    """The whole request did not end within its deadline."""


class DNSError(NetworkError):
    """The host's name could not be resolved; `errno` is the resolver's number."""


class TLSError(LinkpostError):
    """The handshake or the certificate check failed. Never retried without verification.

    `reason` is one of the module's words.
    """

    def __init__(self, message, reason, errno=None):
        super().__init__(message, errno)
        self.reason = reason


class ProtocolError(LinkpostError):
    """The peer broke HTTP or JSON, or passed one of our limits."""


class ServiceError(LinkpostError):
    """The platform answered with a code other than 0. `code` is its number, `message` its text."""

    def __init__(self, code, message):
        super().__init__("%s (%s)" % (message, code))
        self.code = code
        self.message = message


class TokenError(ServiceError):
    """20001, 20002, 20003: the token is dead, and a fresh one was refused as well."""


class AuthError(ServiceError):
    """20000, or 10001 on /auth: product key, device name, secret or endpoint are wrong."""

    retry = "slowly"


class ThrottledError(ServiceError):
    """40000: too many requests. Back off for long; the token stays good."""

    retry = "long"


class RejectedError(ServiceError):
    """10001 or 30001 on a topic: this message is refused."""

    retry = "never"
