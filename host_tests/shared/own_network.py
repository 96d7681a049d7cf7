"""A network namespace in which only loopback is there; for scripts run by `unshare -rmn`."""

from __future__ import annotations

import fcntl
import socket
import struct
import subprocess
from pathlib import Path

NOT_HERE = 77  # the exit code of a script that found that this machine does not allow it
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1  # linux/sockios.h, linux/if.h


def bring_loopback_up() -> None:
    """Make 127.0.0.1 work. Raises: OSError where this is not a namespace of our own."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        asked = fcntl.ioctl(any_socket, _SIOCGIFFLAGS, struct.pack("16sH14x", b"lo", 0))
        flags = struct.unpack("16sH14x", asked)[1] | _IFF_UP
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags))


def silent_name_server(folder: Path) -> socket.socket:
    """Return the socket to which every question for a name goes; nobody answers.

    Raises: OSError, CalledProcessError where this is not a namespace of our own.
    """
    servers = folder / "resolv.conf"
    servers.write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    subprocess.run(["mount", "--bind", str(servers), "/etc/resolv.conf"], check=True)
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))
    server.setblocking(False)
    return server


def questions(server: socket.socket) -> list[bytes]:
    """Return the questions that came since the last call."""
    found = []
    try:
        while True:
            found.append(server.recv(512))
    except BlockingIOError:
        return found
