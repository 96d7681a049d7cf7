"""The connection, driven blocking, against a scripted network: no socket, no time passes."""

import errno
import gc

import linkpost.net as module
from fakes_client import CLOSED, READ, SENT, WRITE
from linkpost import loader
from linkpost.client import drive
from linkpost.errors import (
    DeadlineError,
    DNSError,
    NetworkError,
    ProtocolError,
    StorageError,
    TLSError,
)
from linkpost.net import Connection, ReadGate, connecting, streaming
from linkpost.protocol import read

HEAD = b"POST /x HTTP/1.1\r\nContent-Length: 0\r\n\r\n"
REPLY = b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\n{}"
POLLIN = 1
POLLOUT = 4


NOT_TRUSTED = "\nThe certificate is not correctly signed by the trusted CA\n"


def exchange(connection, body=None, length=0):
    """One request and its reply; a generator, as the client's."""
    try:
        yield from connection.request(HEAD)
        if body is not None:
            yield from streaming.send(connection, body, length)
        reply = yield from read(connection.receive, bytearray(256))
    except BaseException:
        connection.close()
        raise
    connection.done(reply[1])
    return reply


def steps_of(steps, most=1000):
    """Run a generator; return what it yielded."""
    wants = []
    for want in steps:
        wants.append(want)
        assert len(wants) < most
    return wants


def os_error(number):
    # CPython takes a single argument for a message, not for the number.
    return OSError(number, "scripted")


class FakePort:
    def __init__(self):
        self.now = 0
        self.feeds = 0
        self.held_ms = []  # what feed_for was called with

    def uptime_ms(self):
        return self.now

    def unix_ms(self):
        return 946_684_800_000

    def feed(self):
        self.feeds += 1

    def feed_for(self, ms):
        self.held_ms.append(ms)

    def sleep_ms(self, ms):
        self.now += ms

    memory = (200_000, None)  # (free, largest block)

    def tls_memory(self):
        return self.memory


class World:
    """The network as the transport's modules see it, by script; puts the real ones back.

    Lists are used up from the front; where one is empty, the friendly thing happens.
    connects, first_reads, writes: None (the friendly thing), a number of bytes, or an exception.
    reads: a record (bytes), None (nothing yet), b"" (the end), or an exception.
    """

    def __init__(self, addresses=1):
        self.port = FakePort()
        self.addresses = [(2, 1, 6, "", ("10.0.0.%d" % i, 443)) for i in range(addresses)]
        self.resolve_error = None
        self.wrap_error = None
        self.connects = []
        self.first_reads = []
        self.writes = []
        self.reads = []
        self.ready = True  # what polling says; where it is False, time passes
        self.polls = []  # (mask, ms)
        self.sockets = []
        self.sent = b""
        self.write_sizes = []
        self.anchors = [("one.der", b"one"), ("two.der", b"two")]
        self.asked_anchors = []
        self.verifies = None  # the only anchor that vouches for the peer; None: all do
        self.kept_names = []
        self.connection = None

    def __enter__(self):
        self._saved = (connecting.socket, connecting.select, connecting.tls)
        connecting.socket = FakeSocketModule(self)
        connecting.select = FakeSelect(self)
        connecting.tls = FakeTLSModule(self)
        return self

    def __exit__(self, *_):
        connecting.socket, connecting.select, connecting.tls = self._saved

    def made(self):
        self.connection = Connection("localhost", 443, self.port, lambda: self)
        return self.connection

    # As `storage.files`.

    def read(self, k):
        self.asked_anchors.append(k)
        return self.anchors[k] if k < len(self.anchors) else None

    def keep(self, name):
        self.kept_names.append(name)
        self.anchors.sort(key=lambda anchor: anchor[0] != name)

    def ask(self, connection, body=None, length=0, ms=1000):
        """Drive one exchange; return the reply."""
        steps = exchange(connection, body, length)
        return drive(steps, connection, self.port, ms)

    def opened(self):
        """Return a connection that has carried one request, and is kept."""
        connection = self.made()
        self.reads = [REPLY]
        self.ask(connection)
        self.sent = b""
        self.write_sizes = []
        self.polls = []
        return connection

    def all_closed(self):
        return all(socket.closed for socket in self.sockets)


class FakeSocketModule:
    SOCK_STREAM = 1

    def __init__(self, world):
        self._world = world

    def getaddrinfo(self, host, port, family, kind):
        assert (host, port, family, kind) == ("localhost", 443, 0, self.SOCK_STREAM)
        if self._world.resolve_error:
            raise self._world.resolve_error
        return list(self._world.addresses)

    def socket(self, family, kind):
        made = FakeSocket(self._world)
        self._world.sockets.append(made)
        return made


class FakeSocket:
    def __init__(self, world):
        self._world = world
        self.closed = False
        self._blocking = True
        self.options = {}

    def setblocking(self, flag):
        self._blocking = flag

    def setsockopt(self, level, option, value):
        self.options[level, option] = value

    def connect(self, address):
        assert not self._blocking
        assert self.options == {(6, 1): 1}  # TCP_NODELAY
        self.address = address
        self._do(self._world.connects, os_error(errno.EINPROGRESS))

    def recv(self, size):
        error = self._do(self._world.first_reads, os_error(errno.EAGAIN))
        return b"" if error is None else error

    def _do(self, script, usual):
        what = script.pop(0) if script else usual
        if isinstance(what, BaseException):
            raise what
        return what

    def close(self):
        self.closed = True


class FakeSelect:
    POLLIN = POLLIN
    POLLOUT = POLLOUT

    def __init__(self, world):
        self._world = world

    def poll(self):
        return FakePoll(self._world)


class FakePoll:
    def __init__(self, world):
        self._world = world

    def register(self, sock, mask):
        assert isinstance(sock, FakeSocket)
        self._sock = sock
        self._mask = mask

    def modify(self, sock, mask):
        assert sock is self._sock
        self._mask = mask

    def poll(self, ms):
        self._world.polls.append((self._mask, ms))
        if isinstance(self._world.ready, BaseException):
            raise self._world.ready
        if self._world.ready:
            return [(self._sock, self._mask)]
        self._world.port.now += ms
        return []


class FakeTLSModule:
    PROTOCOL_TLS_CLIENT = 0
    CERT_REQUIRED = 2

    def __init__(self, world):
        self._world = world

    def SSLContext(self, protocol):  # noqa: N802
        return FakeContext(self._world)


class FakeContext:
    verify_mode = None

    def __init__(self, world):
        self._world = world
        self._anchor = None

    def load_verify_locations(self, der):
        assert self._anchor is None, "more than one root"
        if der.startswith(b"bad"):
            raise ValueError("invalid cert")
        self._anchor = der

    def wrap_socket(self, sock, server_hostname, do_handshake_on_connect):
        assert self.verify_mode == 2
        assert self._anchor
        assert server_hostname == "localhost"
        assert do_handshake_on_connect is False
        if self._world.wrap_error:
            raise self._world.wrap_error
        return FakeTLS(self._world, sock, self._anchor)


class FakeTLS:
    def __init__(self, world, sock, anchor):
        self._world = world
        self._sock = sock
        self._anchor = anchor
        self._failed = False
        self._retry = None
        self._record = b""

    def write(self, buffer, start, count):
        assert not self._failed, "a TLS object was used after an error"
        wanted = bytes(buffer[start : start + count])
        # mbedTLS wants the same bytes again after it took none.
        assert self._retry is None or self._retry == wanted
        if self._world.verifies not in (None, self._anchor):
            self._failed = True
            raise ValueError(NOT_TRUSTED)
        what = self._world.writes.pop(0) if self._world.writes else count
        if isinstance(what, BaseException):
            self._failed = True
            raise what
        self._retry = wanted if what is None else None
        if what is not None:
            self._world.sent += wanted[:what]
            self._world.write_sizes.append(what)
        return what

    def readinto(self, buffer, size=None):
        assert not self._failed, "a TLS object was used after an error"
        if not self._record:
            if self._world.connection._read_gate.left == 0:
                return None  # as mbedTLS, which asks the gate
            what = self._world.reads.pop(0) if self._world.reads else None
            if isinstance(what, BaseException):
                self._failed = True
                raise what
            if what is None:
                return None
            if what == b"":
                return 0
            self._record = what
            assert size == 1, "the gate is open for one byte only"
        piece = self._record[: len(buffer) if size is None else size]
        self._record = self._record[len(piece) :]
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self):
        pass  # as on a board, where it closes the gate


class Body:
    """Gives `data` in pieces of at most `piece`, then `then` where it is an exception."""

    def __init__(self, data, piece=1 << 20, then=None):
        self._data = data
        self._piece = piece
        self._then = then

    def readinto(self, view):
        if not self._data and self._then:
            raise self._then
        count = min(len(view), self._piece, len(self._data))
        view[:count] = self._data[:count]
        self._data = self._data[count:]
        return count


def raised(call, *args):
    """Return what `call` raises, or None."""
    try:
        call(*args)
    except BaseException as error:
        return error
    return None


def is_exactly(error, kind):
    return type(error) is kind


# -- connect --------------------------------------------------------------------------------------


def test_connect_in_progress_waits_to_write_then_stands():
    with World() as world:
        connection = world.made()
        steps = connection.connect()
        world.ready = False
        assert [next(steps) for _ in range(3)] == [WRITE] * 3
        assert connection.phase != CLOSED and not connection.alive()
        world.ready = True
        assert steps_of(steps) == []
        assert connection.alive()
        assert len(world.sockets) == 1


def test_connect_done_at_once_stands_at_once():
    with World() as world:
        world.connects = [None]
        assert steps_of(world.made().connect()) == []
        assert world.connection.alive()


def test_connect_that_is_writable_too_early_goes_on():
    # rp2 says "writable" while still connecting; what reading says then differs by firmware.
    for number in (errno.EAGAIN, errno.EINPROGRESS, errno.ENOTCONN):
        with World() as world:
            world.first_reads = [os_error(number)]
            assert steps_of(world.made().connect()) == [], number
            assert world.connection.alive()


def test_connect_refused_on_first_address_takes_the_next():
    refused = os_error(errno.ECONNREFUSED)
    for connects, first_reads in (([refused], []), ([], [refused]), ([], [None])):
        with World(addresses=2) as world:
            world.connects = connects
            world.first_reads = first_reads
            steps_of(world.made().connect())
            assert world.connection.alive()
            assert [socket.closed for socket in world.sockets] == [True, False]
            assert world.sockets[1].address == ("10.0.0.1", 443)


def test_connect_refused_on_every_address_is_a_network_error():
    with World(addresses=2) as world:
        world.first_reads = [os_error(errno.EHOSTUNREACH), os_error(errno.ECONNREFUSED)]
        error = raised(world.ask, world.made())
        assert is_exactly(error, NetworkError)
        assert error.errno == errno.ECONNREFUSED
        assert "nothing listens" in str(error)
        assert len(world.sockets) == 2
        assert world.all_closed()


def test_connect_closed_right_after_accept_is_a_network_error():
    with World() as world:
        world.first_reads = [None]
        assert is_exactly(raised(world.ask, world.made()), NetworkError)
        assert world.all_closed()


def test_name_server_that_answers_with_nothing_is_a_dns_error():
    with World(addresses=0) as world:
        assert is_exactly(raised(world.ask, world.made()), DNSError)
        assert world.port.held_ms == [15_000, 0]


def test_connect_unresolved_name_is_a_dns_error():
    # What rp2, esp32 and the unix port raise: docs/porting.md, "Sockets and names".
    cases = ((os_error(-2), -2), (os_error(-202), -202), (OSError("[addrinfo error -2]"), None))
    for resolve_error, number in cases:
        with World() as world:
            world.resolve_error = resolve_error
            error = raised(world.ask, world.made())
            assert is_exactly(error, DNSError), resolve_error
            assert error.errno == number, resolve_error
            assert world.port.held_ms == [15_000, 0]  # around the one call that may block


def test_connect_again_makes_its_context_only_once():
    with World() as world:
        connection = world.made()
        for _ in range(3):
            world.reads = [REPLY]
            world.ask(connection)
            connection.close()
        assert world.asked_anchors == [0]
        assert len(world.sockets) == 3
        assert world.all_closed()
        assert world.kept_names == []  # the first of them: nothing to remember


# -- one root at a time ---------------------------------------------------------------------------


def test_root_that_does_not_vouch_leads_to_the_next_and_that_one_is_remembered():
    with World() as world:
        world.anchors.append(("three.der", b"three"))
        world.verifies = b"three"
        connection = world.made()
        world.reads = [REPLY]
        assert world.ask(connection)[0] == 200
        assert world.kept_names == ["three.der"]
        assert world.sent == HEAD, "a part of the request went to a peer nobody vouched for"
        assert len(world.sockets) == 3
        connection.close()
        world.reads = [REPLY]
        world.ask(connection)
        assert len(world.sockets) == 4
        assert world.kept_names == ["three.der"]


def test_no_root_that_vouches_is_one_untrusted_error_and_begins_anew():
    with World() as world:
        world.verifies = b"another"
        connection = world.made()
        for times in (1, 2):
            error = raised(world.ask, connection)
            assert is_exactly(error, TLSError)
            assert error.reason == "untrusted"
            assert len(world.sockets) == 2 * times
            assert world.all_closed()
        assert world.asked_anchors == [0, 1, 2] * 2
        assert world.sent == b"" and world.kept_names == []


def test_roots_are_tried_under_the_one_deadline():
    with World() as world:
        world.anchors = [("%d.der" % i, b"%d" % i) for i in range(9)]
        world.verifies = b"8"
        connection = world.made()
        feed = world.port.feed

        def tick():
            feed()
            world.port.now += 100

        world.port.feed = tick
        assert is_exactly(raised(world.ask, connection, None, 0, 500), DeadlineError)
        assert len(world.sockets) < 9
        assert world.all_closed()


def test_other_tls_failures_try_no_other_root():
    for error in (
        ValueError("\nThe certificate validity has expired\n"),
        ValueError("\nThe certificate Common Name (CN) does not match with the expected CN\n"),
        OSError(-30592, "MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE"),
    ):
        with World() as world:
            world.writes = [error]
            assert is_exactly(raised(world.ask, world.made()), TLSError)
            assert len(world.sockets) == 1


def test_without_anchor_the_words_say_what_to_do():
    with World() as world:
        world.anchors = []
        error = raised(world.ask, world.made())
        assert is_exactly(error, TLSError)
        assert error.reason == "no anchor"
        assert "/certs" in str(error)
        assert not world.sockets


def test_bad_anchor_is_passed_over_and_named_where_no_other_vouches():
    with World() as world:
        world.anchors = [("bad.der", b"bad"), ("one.der", b"one")]
        world.reads = [REPLY]
        assert world.ask(world.made())[0] == 200
        assert world.kept_names == ["one.der"]
    with World() as world:
        world.anchors = [("one.der", b"one"), ("bad.der", b"bad")]
        world.verifies = b"two"
        error = raised(world.ask, world.made())
        assert error.reason == "no anchor"
        assert "bad.der" in str(error)


# -- memory ---------------------------------------------------------------------------------------

GOOD = (53_000, 24_000)
TIGHT = ((52_999, 24_000), (53_000, 23_999), (30_000, 17_000), (40_000, None))
TOO_LITTLE = ((29_999, 29_000), (90_000, 16_999), (29_999, None), (0, 0))
WHOLE = b"\x30\x82\x00\x04bad!"


def is_memory(error, *numbers):
    return (
        is_exactly(error, TLSError)
        and error.reason == "memory"
        and all(str(number) in str(error) for number in numbers)
    )


def test_too_little_memory_is_refused_before_anything_is_opened_with_the_numbers():
    for memory in TOO_LITTLE:
        with World() as world:
            world.port.memory = memory
            error = raised(world.ask, world.made())
            assert is_memory(error, *[n for n in memory if n is not None]), (memory, error)
            assert not world.sockets and not world.port.held_ms


def test_memory_between_is_tried_and_told():
    for memory in TIGHT + (GOOD, (200_000, None)):
        with World() as world:
            world.port.memory = memory
            world.reads = [REPLY]
            connection = world.made()
            assert world.ask(connection)[0] == 200
            assert connection.tight == (memory if memory in TIGHT else None), memory


def test_handshake_that_fails_where_memory_is_little_is_memory_and_tries_no_other_root():
    for error in (
        ValueError(NOT_TRUSTED),
        os_error(errno.EIO),
        OSError(-9984, "MBEDTLS_ERR_X509_CERT_VERIFY_FAILED"),
        MemoryError(),
    ):
        with World() as world:
            world.port.memory = (40_123, 20_456)
            world.writes = [None, error]
            found = raised(world.ask, world.made())
            assert is_memory(found, 40_123, 20_456), (error, found)
            assert len(world.sockets) == 1 and world.all_closed()
    with World() as world:
        world.port.memory = (40_123, 20_456)
        world.writes = [None] * 99
        world.ready = False
        # Connecting takes no look here; the handshake does.
        world.connects = [None]
        connection = world.made()
        world.ready = True
        steps_of(connection.connect())
        world.ready = False
        assert is_memory(raised(world.ask, connection), 40_123, 20_456)
        assert world.port.now == 1000


def test_handshake_that_fails_with_memory_to_spare_is_what_it_says():
    for error, kind in (
        (ValueError("\nThe certificate validity has expired\n"), TLSError),
        (os_error(errno.EIO), NetworkError),
    ):
        with World() as world:
            world.port.memory = GOOD
            world.writes = [error]
            found = raised(world.ask, world.made())
            assert is_exactly(found, kind) and not is_memory(found)


def test_bare_allocation_errors_in_the_handshake_are_memory_on_any_port():
    # MPI, ASN.1 and PSA, un-negated as MicroPython does; SSL_ALLOC_FAILED is ENOMEM.
    for number in (16, 106, 141, errno.ENOMEM):
        for memory in (GOOD, TIGHT[0]):
            with World() as world:
                world.port.memory = memory
                world.writes = [os_error(number)]
                assert is_memory(raised(world.ask, world.made())), (number, memory)
    with World() as world:
        connection = world.opened()
        world.writes = [os_error(106)]  # in use already: EISCONN, and no allocation
        assert is_exactly(raised(world.ask, connection), NetworkError)


def test_poll_that_fails_is_memory():
    # A plain ESP32 has no memory for select then, and says EIO.
    with World() as world:
        world.port.memory = (200_000, 100_000)
        world.ready = os_error(errno.EIO)
        assert is_memory(raised(world.ask, world.made()), 200_000)
        assert world.all_closed()


def test_name_without_memory_to_look_it_up_is_memory():
    for number in (-203, errno.ENOMEM):
        with World() as world:
            world.resolve_error = os_error(number)
            error = raised(world.ask, world.made())
            assert is_memory(error) and error.errno == number


def test_socket_without_memory_is_memory():
    with World() as world:
        world.connects = [os_error(errno.ENOMEM)]
        assert is_memory(raised(world.ask, world.made()))
    for wrap_error in (os_error(errno.ENOMEM), MemoryError()):
        with World() as world:
            world.wrap_error = wrap_error
            assert is_memory(raised(world.ask, world.made()))
            assert world.all_closed()


def test_anchor_that_is_whole_and_refused_where_memory_is_little_is_memory():
    for memory, der, reason in (
        ((40_000, 20_000), WHOLE, "memory"),
        ((40_000, 20_000), b"bad", "no anchor"),
        (GOOD, WHOLE, "no anchor"),
    ):
        with World() as world:
            world.port.memory = memory
            world.anchors = [("a.der", der)]

            class Context(FakeContext):
                def load_verify_locations(self, der):
                    raise ValueError("invalid cert")

            connecting.tls.SSLContext = lambda protocol, world=world: Context(world)
            error = raised(world.ask, world.made())
            assert error.reason == reason, (memory, der, error)


def test_out_of_memory_while_an_error_is_explained_is_memory():
    def nothing_loads(name):
        if name == "net.failures":
            raise MemoryError
        return loader.load(name)

    for place, what in (
        ("writes", [ValueError(NOT_TRUSTED)]),
        ("reads", [os_error(errno.ECONNRESET)]),
        ("connects", [os_error(errno.ECONNREFUSED)]),
        ("resolve_error", OSError(-2)),
        ("wrap_error", os_error(errno.ECONNRESET)),
        ("ready", os_error(errno.EIO)),
    ):
        with World() as world:
            setattr(world, place, what)
            module.load = nothing_loads
            try:
                error = raised(world.ask, world.made())
            finally:
                module.load = loader.load
            assert is_memory(error), (place, error)
            assert world.all_closed()
    with World() as world:
        world.ready = False
        module.load = nothing_loads
        try:
            assert is_memory(raised(world.ask, world.made()))
        finally:
            module.load = loader.load


# -- send -----------------------------------------------------------------------------------------


def connected(world):
    connection = world.made()
    steps_of(connection.connect())
    world.polls = []
    return connection


def test_send_in_the_handshake_waits_to_read_and_afterwards_to_write():
    with World() as world:
        connection = connected(world)
        world.writes = [None, None, 5, None, len(HEAD) - 5]
        wants = steps_of(connection.send([(bytearray(HEAD), len(HEAD))]))
        assert wants == [READ, READ, WRITE, WRITE]
        assert world.sent == HEAD


def test_send_head_leaves_in_one_write_of_its_length_only():
    with World() as world:
        connection = connected(world)
        assert steps_of(connection.send([(bytearray(HEAD + b"behind"), len(HEAD))])) == []
        assert world.write_sizes == [len(HEAD)]
        assert world.sent == HEAD


def test_send_body_of_any_length_arrives_whole_in_full_chunks():
    for length in (1, 2, 2815, 2816, 2817, 5631, 5632, 5633, 10000):
        data = bytes([i * 7 & 255 for i in range(length)])
        for body in (data, bytearray(data)):  # mbedTLS makes its records of it
            with World() as world:
                world.reads = [REPLY]
                world.ask(world.made(), body, length)
                assert world.sent == HEAD + data, length
        for body in (Body(data), Body(data, 1000)):
            with World() as world:
                connection = connected(world)
                steps_of(connection.send([(bytearray(HEAD), len(HEAD))]))
                wants = steps_of(streaming.send(connection, body, length))
                assert world.sent == HEAD + data, length
                assert max(world.write_sizes[1:]) <= 2816
                assert len(world.write_sizes) == 1 + (length + 2815) // 2816
                # At most one record without a look at deadline and watchdog.
                assert len(wants) == len(world.write_sizes) - 1


def test_send_body_taken_in_parts_arrives_whole():
    with World() as world:
        connection = connected(world)
        data = bytes([i & 255 for i in range(6000)])
        world.writes = [None, 10, None, 1, len(HEAD) - 11, None, 2800, None, 16, 95, None, 3]
        world.reads = [REPLY]
        assert world.ask(connection, Body(data), len(data))[0] == 200
        assert world.sent == HEAD + data


def test_send_body_of_another_length_closes_before_it_looks_complete():
    for said, given in ((5000, 4999), (5000, 5001), (2816, 2817)):
        with World() as world:
            error = raised(world.ask, world.made(), Body(bytes(given)), said)
            assert is_exactly(error, StorageError), (said, given)
            assert len(world.sent) < len(HEAD) + said
            assert world.all_closed()


def test_send_body_whose_readinto_answers_negative_is_at_its_end():
    class Negative:
        calls = 0

        def readinto(self, view):
            self.calls += 1
            assert self.calls < 10, "asked for ever"
            return -1

    with World() as world:
        error = raised(world.ask, world.made(), Negative(), 9000)
        assert is_exactly(error, StorageError), error
        assert world.all_closed()


def test_send_body_that_raises_closes_and_only_an_oserror_becomes_ours():
    for then, kind in (
        (os_error(5), StorageError),
        (MemoryError(), MemoryError),
        (KeyboardInterrupt(), KeyboardInterrupt),
        (ValueError("x"), ValueError),
    ):
        with World() as world:
            error = raised(world.ask, world.made(), Body(b"x", then=then), 9000)
            assert is_exactly(error, kind), kind
            assert world.all_closed()


def test_send_after_a_failed_body_starts_clean():
    with World() as world:
        connection = world.made()
        raised(world.ask, connection, Body(b"x"), 9000)
        world.sent = b""
        world.reads = [REPLY]
        assert world.ask(connection)[0] == 200
        assert world.sent == HEAD


# -- receive --------------------------------------------------------------------------------------


def test_receive_takes_what_has_come_and_not_what_comes_behind_it():
    with World() as world:
        connection = connected(world)
        steps_of(connection.send([(bytearray(HEAD), len(HEAD))]))
        world.reads = [REPLY[:1], None, REPLY[1:20], None, None, REPLY[20:], b"more"]
        reply = drive(read(connection.receive, bytearray(8)), connection, world.port, 1000)
        assert reply == (200, True, None, b"{}")
        assert world.reads == [b"more"]
        assert connection.phase == SENT and connection.answered


def test_receive_end_before_the_reply_is_a_network_error_and_in_it_a_protocol_error():
    for reads, kind in (([b""], NetworkError), ([REPLY[:5], b""], ProtocolError)):
        with World() as world:
            world.reads = reads
            assert is_exactly(raised(world.ask, world.made()), kind)
            assert world.connection.answered == (kind is ProtocolError)
            assert world.all_closed()


def test_receive_end_at_every_byte_of_a_record_is_seen():
    # A close_notify in the same packet is not swallowed with the record before it.
    for cut in range(1, len(REPLY)):
        with World() as world:
            world.reads = [REPLY[:cut], b""]
            assert is_exactly(raised(world.ask, world.made()), ProtocolError), cut


def test_receive_end_that_ends_the_reply_closes():
    with World() as world:
        world.reads = [b"HTTP/1.1 200\r\n\r\n{}", b""]
        assert world.ask(world.made()) == (200, False, None, b"{}")
        assert world.all_closed()


# -- every way out --------------------------------------------------------------------------------


def test_any_exception_anywhere_closes_every_socket_and_restores_the_threshold():
    before = gc.threshold() if hasattr(gc, "threshold") else None
    for make in (
        lambda: os_error(errno.ECONNRESET),
        lambda: OSError(-30592, "MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE"),
        lambda: ValueError("\nThe certificate has expired\n"),
        MemoryError,
        KeyboardInterrupt,
    ):
        for place in ("connects", "first_reads", "wrap_error", "writes", "reads", "ready"):
            with World() as world:
                setattr(
                    world, place, make() if place in ("wrap_error", "ready") else [None, make()]
                )
                if place in ("connects", "first_reads"):
                    setattr(world, place, [make()])
                error = raised(world.ask, world.made())
                assert error is not None, (make(), place)
                assert world.sockets, (make(), place)
                assert world.all_closed(), (make(), place)
                if before is not None:
                    assert gc.threshold() == before


def test_no_collection_is_asked_for_between_connect_and_reply():
    if not hasattr(gc, "threshold"):
        return  # CPython
    before = gc.threshold()
    gc.threshold(65_536)
    try:
        with World() as world:
            connection = connected(world)
            assert gc.threshold() == -1
            world.reads = [REPLY]
            world.ask(connection)
            assert gc.threshold() == 65_536
            world.reads = [REPLY]
            steps = exchange(connection)  # a kept one makes no handshake
            next(steps, None)
            assert gc.threshold() == 65_536
    finally:
        gc.threshold(before)


def test_failure_in_the_handshake_is_a_tls_error_and_later_a_network_error():
    def alert():
        return OSError(-30592, "MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE")

    for writes, kind in (([None, alert()], TLSError), ([1, alert()], NetworkError)):
        with World() as world:
            world.writes = writes
            assert is_exactly(raised(world.ask, world.made()), kind)


def test_close_any_number_of_times_is_quiet():
    with World() as world:
        world.made().close()
        connection = world.opened()
        connection.close()
        connection.close()
        assert world.all_closed()


def test_interrupt_below_tls_comes_out_as_itself():
    # The gate gives mbedTLS a number instead, and mbedTLS fails with that.
    with World() as world:
        connection = connected(world)
        world.writes = [os_error(errno.EIO)]
        interrupt = KeyboardInterrupt()
        connection._read_gate.raised = interrupt
        assert raised(world.ask, connection) is interrupt
        assert world.all_closed()


# -- kept connections -----------------------------------------------------------------------------


def test_kept_tells_a_connection_that_carried_a_request_from_a_fresh_one():
    with World() as world:
        connection = connected(world)
        assert not connection.kept and connection.alive()
        world.reads = [REPLY]
        world.ask(connection)
        assert connection.kept
        world.writes = [os_error(errno.ECONNRESET)]
        assert is_exactly(raised(world.ask, connection), NetworkError)
        assert not connection.kept


def test_alive_probes_a_kept_connection():
    for looked, alive in ((None, True), (b"", False), (b"x", False), (os_error(104), False)):
        with World() as world:
            connection = world.opened()
            world.reads = [looked]
            assert connection.alive() == alive, looked
            assert (connection.phase != CLOSED) == alive
            assert world.all_closed() != alive
    with World() as world:
        assert not world.made().alive()


def test_alive_interrupted_closes():
    with World() as world:
        connection = world.opened()
        world.reads = [KeyboardInterrupt()]
        assert is_exactly(raised(connection.alive), KeyboardInterrupt)
        assert world.all_closed()
    with World() as world:
        connection = world.opened()
        world.reads = [os_error(errno.EIO)]
        connection._read_gate.raised = KeyboardInterrupt()  # below TLS
        assert is_exactly(raised(connection.alive), KeyboardInterrupt)
        assert world.all_closed()


# -- the blocking driver --------------------------------------------------------------------------


def test_drive_polls_a_slice_for_what_is_wanted_and_feeds():
    with World() as world:
        connection = connected(world)
        world.ready = False

        def steps():
            yield READ
            yield WRITE
            yield READ

        error = raised(drive, steps(), connection, world.port, 300)
        assert world.polls == [(POLLIN, 200), (POLLOUT, 100)]
        assert world.port.feeds >= 2
        assert is_exactly(error, DeadlineError)
        assert world.all_closed()


def test_drive_pauses_in_slices_and_not_beyond_the_deadline():
    with World() as world:
        connection = connected(world)
        feeds = world.port.feeds

        def steps(ms):
            yield -ms
            return "done"

        assert drive(steps(2000), connection, world.port, 5000) == "done"
        assert world.port.now == 2000
        assert world.port.feeds - feeds >= 10
        assert is_exactly(raised(drive, steps(2000), connection, world.port, 500), DeadlineError)
        assert world.port.now == 2500


def test_deadline_ends_a_silent_peer_in_each_phase_and_names_it():
    def nothing(world):
        pass

    def handshake(world):
        world.writes = [None] * 99

    def sending(world):
        world.writes = [1] + [None] * 99

    for prepare, word in ((handshake, "handshake"), (sending, "request"), (nothing, "reply")):
        for opened in (connected, World.opened) if word != "handshake" else (connected,):
            with World() as world:
                connection = opened(world)
                prepare(world)
                world.ready = False
                error = raised(world.ask, connection)
                assert is_exactly(error, DeadlineError), word
                assert word in str(error), str(error)
                assert world.port.now == 1000
                assert world.all_closed()
    with World() as world:
        world.ready = False
        error = raised(world.ask, world.made())
        assert is_exactly(error, DeadlineError)
        assert "connecting" in str(error)
        assert world.port.now == 1000
        assert world.all_closed()


def test_deadline_that_has_passed_resolves_no_name():
    with World() as world:
        world.resolve_error = ZeroDivisionError("asked all the same")
        assert is_exactly(raised(world.ask, world.made(), None, 0, 0), DeadlineError)


def test_deadline_ends_a_peer_that_keeps_everything_busy():
    # Always ready, never done: what dripping looks like from here.
    with World() as world:
        connection = connected(world)
        world.writes = [None] * 1000
        feed = world.port.feed

        def tick():
            feed()
            world.port.now += 1

        world.port.feed = tick
        assert is_exactly(raised(world.ask, connection, None, 0, 50), DeadlineError)
        assert world.port.now == 50


# -- the gate between mbedTLS and the socket ------------------------------------------------------


class ScriptedSocket:
    """Gives and takes one byte a call, or does what `script` says first."""

    def __init__(self, script=()):
        self._script = list(script)

    def readinto(self, buffer):
        what = self._script.pop(0) if self._script else 1
        if isinstance(what, BaseException):
            raise what
        return what

    write = readinto


def test_gate_reads_its_share_and_no_more():
    gate = ReadGate(ScriptedSocket())
    buffer = bytearray(5)
    assert gate.readinto(buffer) is None  # shut at first
    for _ in range(3):
        gate.left = 16
        reads = 0
        while gate.readinto(buffer) is not None:
            reads += 1
            assert reads < 100
        assert reads == 16
    assert gate.readinto(buffer) is None


def test_gate_never_holds_writing_back():
    gate = ReadGate(ScriptedSocket())
    for _ in range(100):
        assert gate.write(b"x") == 1


def test_gate_passes_what_the_socket_says():
    gate = ReadGate(ScriptedSocket([None, 0, 3]))
    gate.left = 16
    assert [gate.readinto(bytearray(5)) for _ in range(3)] == [None, 0, 3]
    gate = ReadGate(ScriptedSocket([None, 3]))
    assert [gate.write(b"12345") for _ in range(2)] == [None, 3]


def test_gate_gives_an_error_of_the_socket_back_as_its_number():
    for call in ("readinto", "write"):
        gate = ReadGate(ScriptedSocket([OSError(errno.ECONNRESET, "x")]))
        gate.left = 16
        assert getattr(gate, call)(bytearray(1)) == -errno.ECONNRESET
        assert gate.raised is None


def test_gate_keeps_anything_else_and_raises_it_not_through_mbedtls():
    for error in (KeyboardInterrupt(), MemoryError(), OSError("no number")):
        for call in ("readinto", "write"):
            gate = ReadGate(ScriptedSocket([error]))
            gate.left = 16
            assert getattr(gate, call)(bytearray(1)) == -errno.EIO
            assert gate.raised is error
