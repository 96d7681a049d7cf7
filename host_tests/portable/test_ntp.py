"""SNTP: the checks of RFC 4330 section 5 on made-up packets, and the exchange on real sockets."""

from fakes_ntp import Port, Server, reply
from linkpost.errors import NetworkError
from linkpost.net import ntp
from linkpost.version import CLOCK_FLOOR_UNIX_MS, can_be_right

NONCE = bytes(range(0xA0, 0xA8))
QUESTION = bytes([0x23]) + bytes(39) + NONCE
NOW = 1_800_000_000_500
IN_2036 = 2_085_978_496_000  # 2036-02-07T06:28:16Z: the 32 bits of seconds begin again


def parse_reply(packet, nonce):
    return ntp.parse_reply(packet, nonce, can_be_right)


def fetch(servers, port, deadline_ms, udp=ntp.socket):
    """Fetch with the socket module, or with what stands in for it."""
    whole = ntp.socket
    ntp.socket = udp
    try:
        return ntp.fetch(servers, port, deadline_ms, can_be_right)
    finally:
        ntp.socket = whole


def refused(packet):
    """Return why that answer to our question is not believed."""
    try:
        assert parse_reply(packet, NONCE) is None
    except NetworkError as error:
        return str(error)
    raise AssertionError("passed over, as if it were a stranger's")


def passed_over(packet):
    assert parse_reply(packet, NONCE) is None


# -- parse ----------------------------------------------------------------------------------------


def test_parse_reply_good_gives_unix_ms():
    for unix_ms in (
        NOW,
        CLOCK_FLOOR_UNIX_MS,
        IN_2036 - 1,
        IN_2036 + 1,  # seconds 0 of the next era; 0.001 s, as no time at all is refused
        IN_2036 + 1000,
        2_208_988_800_000,  # 2040
        3_313_526_399_999,
    ):
        assert parse_reply(reply(QUESTION, unix_ms), NONCE) == unix_ms, unix_ms


def test_parse_reply_versions_and_modes():
    for head in range(256):
        leap, version, mode = head >> 6, head >> 3 & 7, head & 7
        packet = reply(QUESTION, NOW, head=head)
        if mode != 4 or version not in (3, 4):
            passed_over(packet)
        elif leap == 3:
            refused(packet)
        else:
            assert parse_reply(packet, NONCE) == NOW, head


def test_parse_reply_stratum():
    for stratum in range(256):
        packet = reply(QUESTION, NOW, stratum=stratum)
        if 1 <= stratum <= 15:
            assert parse_reply(packet, NONCE) == NOW
        else:
            refused(packet)


def test_parse_reply_originate_of_another_question_is_passed_over():
    for i in range(8):
        originate = bytearray(NONCE)
        originate[i] ^= 1
        passed_over(reply(QUESTION, NOW, originate=bytes(originate)))
    passed_over(reply(QUESTION, NOW, originate=bytes(8)))


def test_parse_reply_time_that_cannot_be_is_refused():
    for unix_ms in (
        0,
        946_684_800_000,
        CLOCK_FLOOR_UNIX_MS - 1000,
        3_313_526_400_000,
        -2_208_988_800_000,  # no time at all: 64 zero bits
    ):
        refused(reply(QUESTION, unix_ms))


def test_parse_reply_cut_short_or_empty_is_passed_over():
    good = reply(QUESTION, NOW)
    for length in range(48):
        passed_over(good[:length])
    # Extension fields and authenticators follow the 48 bytes.
    assert parse_reply(good + bytes(20), NONCE) == NOW


def test_parse_reply_garbage_is_passed_over():
    state = 12345
    for _ in range(500):
        packet = bytearray(60)
        for i in range(len(packet)):
            state = (state * 1_103_515_245 + 12_345) & 0x7FFFFFFF
            packet[i] = state >> 16 & 0xFF
        passed_over(bytes(packet))


def test_parse_reply_bytearray_and_memoryview_are_taken():
    assert parse_reply(bytearray(reply(QUESTION, NOW)), NONCE) == NOW
    assert parse_reply(memoryview(reply(QUESTION, NOW)), NONCE) == NOW


# -- fetch ----------------------------------------------------------------------------------------


def asked(answer, servers=None, ms=10_000):
    """Fetch from one real server; return (time or error, server, port)."""
    server = Server(answer)
    port = Port(server)
    try:
        try:
            got = fetch(servers or [server.name], port, ms)
        except NetworkError as error:
            got = error
        return got, server, port
    finally:
        server.close()


def test_fetch_answer_is_the_time_and_half_the_way():
    got, server, port = asked(lambda question: [reply(question, NOW)])
    # By the port's clock, which only waits move: a network may take several.
    assert port.now_ms > 1000
    assert got == NOW + (port.now_ms - 1000) // 2, got
    assert server.questions == [QUESTION]
    assert port.fed > 0


def test_fetch_question_does_not_tell_our_clock():
    _, server, _ = asked(lambda question: [reply(question, NOW)])
    assert server.questions[0][1:40] == bytes(39)


def test_fetch_name_resolution_keeps_the_watchdog_quiet_and_ends_it():
    _, _, port = asked(lambda question: [reply(question, NOW)])
    assert port.held == [15_000, 0]


def test_fetch_stranger_first_waits_for_the_right_answer():
    wrong = bytes(48)
    got, _, _ = asked(
        lambda question: [
            b"",
            b"x",
            wrong,
            reply(question, NOW + 999_999, originate=bytes(8)),
            reply(question, NOW),
        ]
    )
    assert NOW <= got <= NOW + 100, got


def test_fetch_only_strangers_is_no_answer():
    got, _, _ = asked(lambda question: [bytes(48)])
    assert "no answer" in str(got), got


def test_fetch_kiss_of_death_goes_on_to_the_next_server_at_once():
    answers = [b"RATE", None]

    def answer(question):
        letters = answers.pop(0)
        if letters:
            return [reply(question, NOW, stratum=0, reference=letters)]
        return [reply(question, NOW)]

    server = Server(answer)
    port = Port(server)
    got = fetch([server.name, server.name], port, 10_000)
    server.close()
    assert NOW <= got <= NOW + 40
    assert port.now_ms < 1000 + 200


def test_fetch_silent_server_is_left_after_two_seconds():
    answers = [[], None]

    def answer(question):
        packets = answers.pop(0)
        return [reply(question, NOW)] if packets is None else packets

    server = Server(answer)
    port = Port(server)
    got = fetch([server.name, server.name], port, 10_000)
    server.close()
    assert NOW <= got <= NOW + 40
    assert 3000 <= port.now_ms <= 3200


def test_fetch_nobody_answers_says_why_for_each():
    got, server, _ = asked(lambda question: [])
    assert isinstance(got, NetworkError)
    assert str(got) == "no time from %s (no answer). Is UDP 123 blocked?" % server.name


def test_fetch_deadline_bounds_all_servers():
    server = Server(lambda question: [])
    port = Port(server)
    try:
        fetch([server.name] * 50, port, 6_000)
    except NetworkError:
        pass
    else:
        raise AssertionError("no deadline")
    finally:
        server.close()
    assert 6900 <= port.now_ms <= 7100


def test_fetch_no_servers_is_a_network_error():
    port = Port()
    try:
        fetch([], port, 1000)
    except NetworkError:
        return
    raise AssertionError("time from nowhere")


# -- failures of the socket itself ----------------------------------------------------------------


class FakeUDP:
    """The socket module of a chip without a network; counts what stays open."""

    AF_INET = 2
    SOCK_DGRAM = 2
    SOCK_STREAM = 1

    def __init__(self, at, error):
        self.at = at
        self.error = error
        self.open = 0

    def _fail(self, at):
        if at == self.at:
            raise self.error

    def getaddrinfo(self, host, port, family, kind):
        self._fail("getaddrinfo")
        return [(2, 1, 0, "", (host, port))]

    def socket(self, family, kind):
        self._fail("socket")
        self.open += 1
        return self

    def setblocking(self, blocking):
        assert blocking is False
        self._fail("setblocking")

    def sendto(self, data, address):
        self._fail("sendto")

    def recv(self, size):
        self._fail("recv")
        raise OSError(11)

    def close(self):
        self.open -= 1


def test_fetch_every_failing_call_is_a_network_error_and_closes():
    for at, number in (
        ("socket", 23),
        ("setblocking", 9),
        ("sendto", 113),  # EHOSTUNREACH on rp2: no Wi-Fi
        ("recv", 111),
    ):
        udp = FakeUDP(at, OSError(number))
        port = Port()
        try:
            fetch(["a", "b"], port, 10_000, udp)
        except NetworkError as error:
            assert "a (" in str(error) and "b (" in str(error), error
        else:
            raise AssertionError(at)
        assert udp.open == 0, at


def test_fetch_name_not_found_is_told_and_the_watchdog_is_let_go():
    # docs/porting.md, "Sockets and names": rp2 -2, esp32 -202, unix a text.
    for number in (-2, -202, "[addrinfo error -2]"):
        udp = FakeUDP("getaddrinfo", OSError(number))
        port = Port()
        try:
            fetch(["ntp.example"], port, 10_000, udp)
        except NetworkError as error:
            assert "ntp.example (name not found)" in str(error), error
        else:
            raise AssertionError(number)
        assert port.held == [15_000, 0]


def test_fetch_server_that_is_no_name_is_told_and_the_next_is_asked():
    for name in ("ntp.example:12e", "::1", "x" * 300 + ".example"):
        udp = FakeUDP("recv", OSError(111))
        if "x" in name[:1]:
            udp = FakeUDP("getaddrinfo", ValueError("label too long"))
        port = Port()
        try:
            fetch([name, "b"], port, 10_000, udp)
        except NetworkError as error:
            assert "(name not found), b (" in str(error), error
        else:
            raise AssertionError(name)
        assert port.held == [15_000, 0] * 2


class NoAddress(FakeUDP):
    """A name server that knows the first name, and no address of this kind."""

    def getaddrinfo(self, host, port, family, kind):
        return [] if host == "a" else super().getaddrinfo(host, port, family, kind)


def test_fetch_name_without_an_address_is_told_and_the_next_is_asked():
    port = Port()
    udp = NoAddress("sendto", OSError(113))
    try:
        fetch(["a", "b"], port, 10_000, udp)
    except NetworkError as error:
        assert "a (name not found), b (" in str(error), error
    else:
        raise AssertionError("time from nowhere")
    assert port.held == [15_000, 0] * 2


class SlowNames(FakeUDP):
    """A name server that takes its time."""

    def __init__(self, port, ms):
        super().__init__("", None)
        self._port = port
        self._ms = ms

    def getaddrinfo(self, host, port, family, kind):
        self._port.now_ms += self._ms
        return super().getaddrinfo(host, port, family, kind)


def test_fetch_slow_name_takes_no_time_from_the_answer():
    # It is waited for its two seconds, though the deadline has passed before it was asked.
    port = Port()
    try:
        fetch(["a"], port, 6_000, SlowNames(port, 14_000))
    except NetworkError as error:
        assert "no answer" in str(error), error
    assert port.now_ms == 1_000 + 14_000 + 2_000


def test_fetch_silent_name_server_is_asked_once():
    port = Port()
    udp = FakeUDP("getaddrinfo", OSError(-2))
    names = []

    def getaddrinfo(host, *more):
        names.append(host)
        port.now_ms += 14_000
        raise OSError(-2)

    udp.getaddrinfo = getaddrinfo
    try:
        fetch(["a", "b", "c"], port, 6_000, udp)
    except NetworkError as error:
        assert "a (name not found)" in str(error)
    else:
        raise AssertionError("no deadline")
    assert names == ["a"]


def test_fetch_memory_error_closes_the_socket():
    udp = FakeUDP("sendto", MemoryError())
    port = Port()
    try:
        fetch(["a"], port, 10_000, udp)
    except MemoryError:
        pass
    else:
        raise AssertionError("swallowed")
    assert udp.open == 0
