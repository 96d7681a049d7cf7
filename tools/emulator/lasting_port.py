"""A port for a server that will be stopped and started again on it."""

from __future__ import annotations

import errno
import random
import socket

# Below what systems hand out to outgoing connections (Linux from 32768, others from 49152): such a
# connection would take the port while the server is down.
_RANGE = range(10_000, 32_000)
_TRIES = 100


def lasting_port() -> int:
    """Return a TCP port that is free on loopback now, and is handed out to nobody."""
    for _ in range(_TRIES):
        number = random.choice(_RANGE)  # noqa: S311
        if _is_free(socket.AF_INET, "127.0.0.1", number) and _is_free(
            socket.AF_INET6, "::1", number
        ):
            return number
    raise OSError("no free port on loopback")


def _is_free(family: socket.AddressFamily, host: str, number: int) -> bool:
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((host, number))
    except OSError as error:
        return error.errno != errno.EADDRINUSE  # a machine without IPv6 has all its ports free
    return True
