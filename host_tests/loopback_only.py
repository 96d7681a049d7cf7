"""Run a command where there is no network but loopback, and count what it tried beyond:

    python loopback_only.py COUNTS_FILE COMMAND...

A network namespace of its own (Linux), with no route out. The kernel counts there, for all
processes and whatever they are written in, each packet and each connection that had no route: the
numbers go to the file as JSON. Exit code: the command's, or FORBIDDEN where this kernel gives us
no namespace.
"""

from __future__ import annotations

import ctypes
import json
import os
import socket
import struct
import subprocess
import sys
from pathlib import Path

FORBIDDEN = 77

_CLONE_NEWUSER = 0x10000000  # linux/sched.h
_CLONE_NEWNET = 0x40000000
_SIOCSIFFLAGS = 0x8914  # linux/sockios.h
_IFF_UP = 1


def main() -> int:
    counts, command = Path(sys.argv[1]), sys.argv[2:]
    try:
        _leave_the_network()
    except OSError as error:
        print(f"no network namespace here: {error}", file=sys.stderr)
        return FORBIDDEN
    code = subprocess.run(command).returncode
    counts.write_text(json.dumps(_count()))
    return code


def _leave_the_network() -> None:
    user, group = os.getuid(), os.getgid()
    libc = ctypes.CDLL(None, use_errno=True)
    # As nobody special it takes a user namespace too; root may be refused one and need none.
    if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) == 0:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    elif libc.unshare(_CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    import fcntl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP))


def _count() -> dict[str, int]:
    """Return what wanted out: `no_route`, and `no_port`, datagrams to a port of loopback where
    nobody listens, as the questions to a name server there are."""
    names: dict[str, list[str]] = {}
    values: dict[str, list[str]] = {}
    for line in Path("/proc/net/snmp").read_text().splitlines():
        kind, _, words = line.partition(": ")
        (values if kind in names else names)[kind] = words.split()
    four = {kind: dict(zip(names[kind], map(int, values[kind]), strict=True)) for kind in names}
    six = {"Ip6OutNoRoutes": 0, "Udp6NoPorts": 0}
    if Path("/proc/net/snmp6").exists():
        lines = Path("/proc/net/snmp6").read_text().splitlines()
        six.update((name, int(value)) for name, value in map(str.split, lines) if name in six)
    return {
        "no_route": four["Ip"]["OutNoRoutes"] + six["Ip6OutNoRoutes"],
        "no_port": four["Udp"]["NoPorts"] + six["Udp6NoPorts"],
    }


if __name__ == "__main__":
    sys.exit(main())
