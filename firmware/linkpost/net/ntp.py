"""The time from the network: SNTP (RFC 4330, RFC 5905) with the checks that make it believable.

NTP is not authenticated. What is checked keeps out broken servers and whoever cannot see our
packets; somebody on the path could still set a wrong time. That can make TLS refuse a connection,
never accept a wrong peer: the certificate's chain and name do not depend on the clock.
"""

import errno
import socket

from micropython import const

from ..errors import DeadlineError, DNSError, NetworkError, ProtocolError

_PORT = const(123)
_PACKET_BYTES = const(48)
# Leap indicator 0, version 4, mode 3 (client).
_REQUEST_HEAD = const(0x23)
# NTP counts from 1900; its 32 bits of seconds begin again in February 2036.
_UNIX_EPOCH_IN_NTP_S = const(2_208_988_800)
_ERA_S = const(0x1_0000_0000)
# One server's time to answer. From China a server abroad takes up to 0.5 s.
_SERVER_MS = const(2_000)
_SLICE_MS = const(20)
# Name resolution cannot be cut into steps: on rp2 it takes up to 14 s (docs/porting.md,
# "Sockets and names").
_RESOLVE_MS = const(15_000)

# "No data yet", on all runtimes; Windows calls it by another number.
_AGAIN = (errno.EAGAIN, getattr(errno, "EWOULDBLOCK", errno.EAGAIN))


def fetch(servers, port, deadline_ms: int, can_be_right, udp=socket) -> int:
    """Return the time in Unix ms, from the first of the servers that answers and can be believed.

    Args: servers, list of host names ("host" or "host:port"); port, for time, sleep, feeding and
        random bytes; deadline_ms over all of it, anew from the first question on: a name server
        that is slow takes no answer's time; can_be_right, of `version`, which is loaded before
        this and not beside it; udp, the socket module.
    Raises: NetworkError that says for each server what was wrong; DeadlineError.
    """
    told = []
    end_ms = port.uptime_ms() + deadline_ms
    asked = False
    for server in servers:
        if port.uptime_ms() >= end_ms:
            raise DeadlineError(_no_time(told))
        try:
            address = _resolve(server, port, udp)
            if not asked:
                asked = True
                end_ms = port.uptime_ms() + deadline_ms
            return _ask(address, port, end_ms, can_be_right, udp)
        except (NetworkError, ProtocolError) as error:
            told.append("%s (%s)" % (server, error))
    raise NetworkError(_no_time(told))


def _no_time(told):
    asked = ", ".join(told) or "NTP, no server was asked"
    return "no time from %s. Is UDP 123 blocked?" % asked


def parse_reply(packet, nonce: bytes, can_be_right) -> int:
    """Return the server's time in Unix ms, with the checks of RFC 4330 section 5.

    Args: packet, bytes as received; nonce, the 8 bytes sent as our transmit timestamp;
        can_be_right, of `version`.
    Raises: ProtocolError with what was wrong: another length, mode or version, not an answer to
        us, a server that is not synchronised, kiss-of-death, a time that cannot be.
    """
    if len(packet) < _PACKET_BYTES:
        raise ProtocolError("reply of %d bytes, not 48" % len(packet))
    # Ours first: until it is, nothing else in the packet means anything.
    if bytes(packet[24:32]) != nonce:
        raise ProtocolError("not a reply to our request")
    if packet[0] & 7 != 4:
        raise ProtocolError("mode %d, not a server's" % (packet[0] & 7))
    if packet[0] >> 3 & 7 not in (3, 4):
        raise ProtocolError("version %d" % (packet[0] >> 3 & 7))
    if packet[1] == 0:
        # Kiss-of-death: the reference id is four letters, RATE, DENY, RSTR ...
        letters = "".join([chr(c) if 32 < c < 127 else "?" for c in packet[12:16]])
        raise ProtocolError("the server refused (%s)" % letters)
    if packet[1] > 15 or packet[0] >> 6 == 3:
        raise ProtocolError("the server is not in sync")
    seconds = _number(packet, 40)
    fraction = _number(packet, 44)
    if not seconds and not fraction:
        raise ProtocolError("no time in the reply")
    unix_s = seconds - _UNIX_EPOCH_IN_NTP_S
    if not can_be_right(unix_s * 1000):
        # Before this firmware was built: the next era, or a wrong clock.
        unix_s += _ERA_S
    unix_ms = unix_s * 1000 + (fraction * 1000 >> 32)
    if not can_be_right(unix_ms):
        raise ProtocolError("its time cannot be right")
    return unix_ms


def _number(packet, start):
    value = 0
    for byte in packet[start : start + 4]:
        value = value << 8 | byte
    return value


def _ask(address, port, end_ms, can_be_right, udp):
    question = bytearray(_PACKET_BYTES)
    question[0] = _REQUEST_HEAD
    # Random instead of our time: a server sends it back as it is, so it is a nonce that only the
    # path can know, and it does not tell what our clock shows.
    nonce = port.random_bytes(8)
    question[40:48] = nonce
    try:
        sock = udp.socket(udp.AF_INET, udp.SOCK_DGRAM)
    except OSError as error:
        raise NetworkError("no socket", error.args[0])
    try:
        sock.setblocking(False)
        start_ms = port.uptime_ms()
        sock.sendto(question, address)
        unix_ms = _receive(sock, nonce, port, can_be_right, min(start_ms + _SERVER_MS, end_ms))
        # Half the way there and back; the slices make it exact to 10 ms.
        return unix_ms + (port.uptime_ms() - start_ms) // 2
    except OSError as error:
        raise NetworkError("error %s" % error.args[0], error.args[0])
    finally:
        sock.close()


def _resolve(server, port, udp):
    host, _, number = server.partition(":")
    # A name that cannot be resolved must not end in a reset by the watchdog.
    port.feed_for(_RESOLVE_MS)
    try:
        # Asked as for TCP: rp2 knows no other kind, and the address is the same.
        found = udp.getaddrinfo(host, int(number or _PORT), udp.AF_INET, udp.SOCK_STREAM)
    except OSError as error:
        raise DNSError("its name was not found", error.args[0])
    except ValueError:  # a port that is no number; CPython also of a name that cannot be one
        raise DNSError("this is no server's name")
    finally:
        port.feed_for(0)
    if not found:  # what a name server answers that knows the name, and no address of this kind
        raise DNSError("its name has no address")
    return found[0][-1]


def _receive(sock, nonce, port, can_be_right, end_ms):
    """Return the time of the first good answer; others are looked over until then."""
    wrong = None
    while True:
        port.feed()
        try:
            packet, _ = sock.recvfrom(512)
        except OSError as error:
            if error.args[0] not in _AGAIN:
                raise
            packet = None
        if packet is not None:
            try:
                return parse_reply(packet, nonce, can_be_right)
            except ProtocolError as error:
                wrong = error
                # An answer to our very question will not get better; anything else may be a
                # stranger's, and the right one may still come.
                if len(packet) >= _PACKET_BYTES and bytes(packet[24:32]) == nonce:
                    raise
        left_ms = end_ms - port.uptime_ms()
        if left_ms <= 0:
            if wrong is not None:
                raise wrong
            raise NetworkError("no answer")
        if packet is None:
            port.sleep_ms(min(_SLICE_MS, left_ms))
