"""The time from the network: SNTP (RFC 4330, RFC 5905) with the checks that make it believable.

NTP is not authenticated. What is checked keeps out broken servers and whoever cannot see our
packets; somebody on the path could still set a wrong time. That can make TLS refuse a connection,
never accept a wrong peer: the certificate's chain and name do not depend on the clock.
"""

import socket

from micropython import const

from ..errors import NetworkError

_PORT = const(123)
_PACKET_BYTES = const(48)
# Leap indicator 0, version 4, mode 3 (client).
_REQUEST_HEAD = const(0x23)
# Version 3 or 4, mode 4 (server); the two bits above are the leap indicator.
_REPLY_HEADS = (0x1C, 0x24)
_LEAP_UNKNOWN = const(3)
# NTP counts from 1900; its 32 bits of seconds begin again in February 2036.
_UNIX_EPOCH_IN_NTP_MS = const(2_208_988_800_000)
_ERA_MS = const(4_294_967_296_000)
# One server's time to answer. From China a server abroad takes up to 0.5 s.
_SERVER_MS = const(2_000)
_SLICE_MS = const(20)
# Name resolution cannot be cut into steps: on rp2 it takes up to 14 s (docs/porting.md,
# "Sockets and names").
_RESOLVE_MS = const(15_000)


def fetch(servers, port, deadline_ms: int, can_be_right) -> int:
    """Return the time in Unix ms, from the first of the servers that answers and can be believed.

    Args: servers, list of host names ("host" or "host:port"); port, for time, sleep, feeding and
        random bytes; deadline_ms, after which no other server is asked; can_be_right, of
        `version`, which is loaded before this and not beside it.
    Raises: NetworkError that says for each server what was wrong.
    """
    told = []
    end_ms = port.uptime_ms() + deadline_ms
    for server in servers:
        try:
            return _ask(server, port, can_be_right)
        except (NetworkError, OSError) as error:
            told.append("%s (%s)" % (server, error))
        if port.uptime_ms() >= end_ms:
            break
    raise NetworkError("no time from %s. Is UDP 123 blocked?" % ", ".join(told))


def parse_reply(packet, nonce: bytes, can_be_right):
    """Return the server's time in Unix ms, with the checks of RFC 4330 section 5.

    Args: packet, bytes as received; nonce, the 8 bytes sent as our transmit timestamp;
        can_be_right, of `version`.
    Returns: None where it is no answer to us: another length, nonce, mode or version.
    Raises: NetworkError where it is, and cannot be believed: a server that is not synchronised or
        refuses (kiss-of-death), a time that cannot be.
    """
    if len(packet) < _PACKET_BYTES or packet[24:32] != nonce:
        return None
    if packet[0] & 0x3F not in _REPLY_HEADS:
        return None
    if not 1 <= packet[1] <= 15 or packet[0] >> 6 == _LEAP_UNKNOWN:
        raise NetworkError("not in sync")
    stamp = int.from_bytes(packet[40:48], "big")  # in 2 ** -32 s
    unix_ms = (stamp * 1000 >> 32) - _UNIX_EPOCH_IN_NTP_MS
    if not can_be_right(unix_ms):
        # Before this firmware was built: the next era, or a wrong clock.
        unix_ms += _ERA_MS
    if not stamp or not can_be_right(unix_ms):
        raise NetworkError("wrong time")
    return unix_ms


def _ask(server, port, can_be_right):
    host, _, number = server.partition(":")
    # A name that cannot be resolved must not end in a reset by the watchdog.
    port.feed_for(_RESOLVE_MS)
    try:
        # Asked as for TCP: rp2 knows no other kind, and the address is the same. There may be
        # none: a name server knows the name, and no address of this kind.
        found = socket.getaddrinfo(host, int(number or _PORT), socket.AF_INET, socket.SOCK_STREAM)
        address = found[0][-1]
    except (OSError, ValueError, IndexError):
        raise NetworkError("name not found")
    finally:
        port.feed_for(0)
    question = bytearray(_PACKET_BYTES)
    question[0] = _REQUEST_HEAD
    # Random instead of our time: a server sends it back as it is, so it is a nonce that only the
    # path can know, and it does not tell what our clock shows.
    nonce = port.random_bytes(8)
    question[40:48] = nonce
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        start_ms = port.uptime_ms()
        sock.sendto(question, address)
        while True:
            port.feed()
            unix_ms = None
            try:
                unix_ms = parse_reply(sock.recv(512), nonce, can_be_right)
            except OSError:
                # Nothing is there yet. An error that lasts ends as no answer.
                port.sleep_ms(_SLICE_MS)
            waited_ms = port.uptime_ms() - start_ms
            if unix_ms is not None:
                # Half the way there and back; the slices make it exact to 10 ms.
                return unix_ms + waited_ms // 2
            if waited_ms >= _SERVER_MS:
                raise NetworkError("no answer")
    finally:
        sock.close()
