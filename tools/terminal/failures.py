"""Exit codes of every `linkpost` command, and how a firmware error becomes one."""

from __future__ import annotations

# What each means is also the table in docs/commands.md (`make docs`).
DONE = 0  # done
USAGE = 2  # configuration or usage
AUTH_REFUSED = 3  # authentication refused
NETWORK = 4  # network or TLS, a peer that breaks HTTP, or no memory for the connection
REFUSED = 5  # refused by the service
TIMEOUT = 6  # timeout
NO_BOARD = 7  # no board, or a board that does not answer
INTERRUPTED = 130  # Ctrl-C

# By class name, because a virtual board reports its error across a process boundary.
# The nearest class in an error's ancestry counts.
_EXIT_CODE_OF = {
    "ConfigError": USAGE,
    "AuthError": AUTH_REFUSED,
    "DeadlineError": TIMEOUT,
    "NetworkError": NETWORK,
    "TLSError": NETWORK,
    "LowMemoryError": NETWORK,
    "ProtocolError": NETWORK,
    "ServiceError": REFUSED,
    "TokenError": REFUSED,
    "ThrottledError": REFUSED,
    "RejectedError": REFUSED,
    "DNSError": NETWORK,
    "StorageError": USAGE,
    "SensorError": USAGE,
}


class CommandError(Exception):
    """A failure with its exit code; the message is one line that says what to do next."""

    def __init__(self, message: str, exit_code: int = USAGE):
        super().__init__(message)
        self.exit_code = exit_code


def exit_code_of(class_name: str) -> int:
    """Return the exit code for the firmware error of that class name (1 where there is none)."""
    return _EXIT_CODE_OF.get(class_name, 1)
