"""Listening sockets, and what clients call them."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket

from ..terminal.failures import NETWORK, CommandError

# Where a name resolves to both families, a client may take either.
_SECOND_HOST = {"127.0.0.1": "::1", "localhost": "::1", "0.0.0.0": "::"}  # noqa: S104
_FREE_PORT_TRIES = 20


def listen(host: str, port: int, option: str) -> list[socket.socket]:
    """Return listening sockets: one, or two where the host has a name in both families."""
    for _ in range(_FREE_PORT_TRIES):
        first = _bind(host, port, option)
        second_host = _SECOND_HOST.get(host)
        if second_host is None or not socket.has_ipv6:
            return [first]
        try:
            return [first, _bind(second_host, first.getsockname()[1], option)]
        except CommandError as error:
            in_use = getattr(error.__cause__, "errno", None) == errno.EADDRINUSE
            if port or not in_use:  # no IPv6 here, or the port is someone else's there
                return [first]
            first.close()
    raise CommandError("no port is free in both IPv4 and IPv6; choose one", NETWORK)


def _bind(host: str, port: int, option: str) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise CommandError(
            f"host {host!r} is not known here: {error.strerror}", NETWORK
        ) from error
    listener = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":  # on Windows it would let two programs share the port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(address)
        listener.listen(1024)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            hint = f"port {port} is in use; choose another with {option}, 0 for a free one"
        elif isinstance(error, PermissionError):
            hint = f"port {port} is not allowed for this user; choose another with {option}"
        else:
            hint = f"cannot listen on {host}: {error.strerror}"
        raise CommandError(hint, NETWORK) from error
    listener.setblocking(False)
    return listener


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches a listener on `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def reachable(host: str, local: str, port: int) -> str:
    """Return the `host:port` by which a client on this machine reaches a listener on `host`."""
    name = local if host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "::") else host  # noqa: S104
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"
