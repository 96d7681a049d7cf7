"""Names to addresses."""

import socket

from micropython import const

from ..loader import load

# Two name servers that do not answer.
_LONGEST_MS = const(15_000)


def resolve(host: str, port_number: int, port) -> list:
    """Return the addresses to try, as `socket.getaddrinfo` gives them.

    It blocks: no chip offers another way, and no deadline ends it. rp2 takes up to 7 s for each
    name server, and two of them pass its watchdog's 8.4 s; so the port keeps that fed meanwhile.
    Raises: DNSError.
    """
    port.feed_for(_LONGEST_MS)
    try:
        return socket.getaddrinfo(host, port_number, 0, socket.SOCK_STREAM)
    except (OSError, ValueError) as error:  # ValueError: CPython, of a name that cannot be one
        raise load("net.failures").dns_error(error, host)
    finally:
        port.feed_for(0)
        port.feed()
