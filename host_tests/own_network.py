"""Inside a network namespace of one's own (Linux)."""

from __future__ import annotations

import fcntl
import socket
import struct

NOT_HERE = 77  # exit code of a script that this machine gives no namespace
_SIOCSIFFLAGS = 0x8914  # linux/sockios.h
_IFF_UP = 1


def bring_loopback_up() -> None:
    """Make 127.0.0.1 work. Raises: OSError where this is not a namespace of one's own."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP))
