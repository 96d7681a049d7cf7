"""The transport's steps and drivers against a scripted network: no socket, no time passes."""

import errno

from linkpost.clock import Deadline
from linkpost.errors import (
    TLS_MEMORY,
    TLS_NO_ANCHOR,
    TLS_UNTRUSTED,
    DeadlineError,
    DNSError,
    NetworkError,
    ProtocolError,
    StorageError,
    TLSError,
)
from linkpost.net import dns, trust
from linkpost.net import transport as module
from linkpost.net.blocking import connect, exchange, wait
from linkpost.net.transport import READY, WANT_READ, WANT_WRITE, Transport

HEAD = b"POST /x HTTP/1.1\r\nContent-Length: 0\r\n\r\n"
POLLIN = 1
POLLOUT = 4


def os_error(number):
    # CPython takes a single argument for a message, not for the number.
    return OSError(number, "scripted")


class FakePort:
    def __init__(self):
        self.now = 0
        self.feeds = 0
        self.held_ms = []  # what feed_for was called with

    def ticks_ms(self):
        return self.now

    def ticks_diff(self, later, earlier):
        return later - earlier

    def uptime_ms(self):
        return self.now

    def unix_ms(self):
        return 946_684_800_000

    def feed(self):
        self.feeds += 1

    def feed_for(self, ms):
        self.held_ms.append(ms)


class FakeReply:
    """Complete after `wanted` bytes; `ends_by_close` accepts a close instead."""

    def __init__(self, wanted=3, ends_by_close=False, error=None):
        self.started = False
        self.data = b""
        self._wanted = wanted
        self._ends_by_close = ends_by_close
        self._error = error

    def feed(self, data):
        if self._error:
            raise self._error
        self.started = True
        self.data += bytes(data)
        return len(self.data) == self._wanted

    def eof(self):
        if not self._ends_by_close:
            raise ProtocolError("cut short")


class World:
    """The network as the transport's modules see it, by script; puts the real ones back.

    Lists are used up from the front; where one is empty, the friendly thing happens.
    connects, first_reads, writes: None (the friendly thing), a number of bytes, or an exception.
    reads: one byte (int), None (nothing yet), b"" (the end), or an exception.
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
        self.asked_anchors = 0

    def __enter__(self):
        self._saved = (module.socket, dns.socket, module.select, trust.tls)
        module.socket = dns.socket = FakeSocketModule(self)
        module.select = FakeSelect(self)
        trust.tls = FakeTLSModule(self)
        return self

    def __exit__(self, *_):
        module.socket, dns.socket, module.select, trust.tls = self._saved

    def transport(self, anchors=None):
        return Transport("localhost", 443, anchors or self._anchors, self.port)

    def _anchors(self):
        self.asked_anchors += 1
        return iter((b"one", b"two"))

    def opened(self, reply_bytes=3):
        """Return a transport that has carried one request, and keeps the connection."""
        transport = self.transport()
        self.reads = list(range(reply_bytes))
        deadline = Deadline(self.port, 1000)
        connect(transport, deadline)
        exchange(transport, bytearray(HEAD), len(HEAD), None, 0, FakeReply(), deadline)
        self.sent = b""
        self.write_sizes = []
        self.polls = []
        return transport

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
        self._anchors = 0

    def load_verify_locations(self, der):
        if der == b"bad":
            raise ValueError("invalid cert")
        self._anchors += 1

    def wrap_socket(self, sock, server_hostname, do_handshake_on_connect):
        assert self.verify_mode == 2
        assert self._anchors
        assert server_hostname == "localhost"
        assert do_handshake_on_connect is False
        if self._world.wrap_error:
            raise self._world.wrap_error
        return FakeTLS(self._world, sock)


class FakeTLS:
    def __init__(self, world, sock):
        self._world = world
        self._sock = sock
        self._failed = False
        self._retry = None

    def write(self, buffer, start, count):
        assert not self._failed, "a TLS object was used after an error"
        wanted = bytes(buffer[start : start + count])
        # mbedTLS wants the same bytes again after it took none.
        assert self._retry is None or self._retry == wanted
        what = self._world.writes.pop(0) if self._world.writes else count
        if isinstance(what, BaseException):
            self._failed = True
            raise what
        self._retry = wanted if what is None else None
        if what is not None:
            self._world.sent += wanted[:what]
            self._world.write_sizes.append(what)
        return what

    def readinto(self, buffer, size):
        assert not self._failed, "a TLS object was used after an error"
        assert size == 1
        what = self._world.reads.pop(0) if self._world.reads else None
        if isinstance(what, BaseException):
            self._failed = True
            raise what
        if what == b"":
            return 0
        if what is None:
            return None
        buffer[0] = what
        return 1

    def close(self):
        self._sock.close()


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


def test_connect_in_progress_waits_to_write_then_is_ready():
    with World() as world:
        transport = world.transport()
        assert transport.connect_step() == WANT_WRITE
        assert not transport.connected
        assert transport.connect_step() == READY
        assert transport.connected
        assert transport.connect_step() == READY  # and stays
        assert len(world.sockets) == 1


def test_connect_done_at_once_is_ready_in_the_next_step():
    with World() as world:
        world.connects = [None]
        transport = world.transport()
        assert transport.connect_step() == WANT_WRITE
        assert transport.connect_step() == READY


def test_connect_not_accepted_yet_keeps_waiting():
    with World() as world:
        transport = world.transport()
        transport.connect_step()
        world.ready = False
        for _ in range(3):
            assert transport.connect_step() == WANT_WRITE
        world.ready = True
        assert transport.connect_step() == READY


def test_connect_that_is_writable_too_early_goes_on():
    # rp2 says "writable" while still connecting; what reading says then differs by firmware.
    for number in (errno.EAGAIN, errno.EINPROGRESS, errno.ENOTCONN):
        with World() as world:
            world.first_reads = [os_error(number)]
            transport = world.transport()
            assert [transport.connect_step() for _ in range(2)] == [WANT_WRITE, READY], number


def test_connect_refused_on_first_address_takes_the_next():
    refused = os_error(errno.ECONNREFUSED)
    for connects, first_reads in (([refused], []), ([], [refused])):
        with World(addresses=2) as world:
            world.connects = connects
            world.first_reads = first_reads
            transport = world.transport()
            connect(transport, Deadline(world.port, 1000))
            assert transport.connected
            assert [socket.closed for socket in world.sockets] == [True, False]
            assert world.sockets[1].address == ("10.0.0.1", 443)


def test_connect_refused_on_every_address_is_a_network_error():
    with World(addresses=2) as world:
        world.first_reads = [os_error(errno.EHOSTUNREACH), os_error(errno.ECONNREFUSED)]
        transport = world.transport()
        error = raised(connect, transport, Deadline(world.port, 1000))
        assert is_exactly(error, NetworkError)
        assert error.errno == errno.ECONNREFUSED
        assert "refused" in str(error)
        assert len(world.sockets) == 2
        assert world.all_closed()
        assert not transport.connected


def test_connect_closed_right_after_accept_is_a_network_error():
    with World() as world:
        world.first_reads = [None]
        error = raised(connect, world.transport(), Deadline(world.port, 1000))
        assert is_exactly(error, NetworkError)
        assert world.all_closed()


def test_connect_name_without_address_is_a_network_error():
    with World(addresses=0) as world:
        error = raised(world.transport().connect_step)
        assert is_exactly(error, NetworkError)


def test_connect_unresolved_name_is_a_dns_error():
    # What rp2, esp32 and the unix port raise: PLATFORM section 3.
    cases = ((OSError(-2), -2), (OSError(-202), -202), (OSError("[addrinfo error -2]"), None))
    for resolve_error, number in cases:
        with World() as world:
            world.resolve_error = resolve_error
            error = raised(world.transport().connect_step)
            assert is_exactly(error, DNSError), resolve_error
            assert error.errno == number, resolve_error
            assert world.port.held_ms == [15_000, 0]  # around the one call that may block


def test_connect_without_anchor_says_what_to_do():
    with World() as world:
        error = raised(world.transport(anchors=lambda: iter(())).connect_step)
        assert is_exactly(error, TLSError)
        assert error.reason == TLS_NO_ANCHOR
        assert "/certs" in str(error)
        assert not world.sockets


def test_connect_bad_anchor_is_counted_in_the_words():
    with World() as world:
        error = raised(world.transport(anchors=(b"one", b"bad")).connect_step)
        assert is_exactly(error, TLSError)
        assert error.reason == TLS_NO_ANCHOR
        assert "anchor 2" in str(error)


def test_connect_again_asks_for_the_anchors_only_once():
    with World() as world:
        transport = world.transport()
        for _ in range(3):
            connect(transport, Deadline(world.port, 1000))
            transport.close()
        assert world.asked_anchors == 1
        assert len(world.sockets) == 3
        assert world.all_closed()


# -- write ----------------------------------------------------------------------------------------


def connected(world):
    transport = world.transport()
    connect(transport, Deadline(world.port, 1000))
    world.polls = []
    return transport


def test_write_in_the_handshake_waits_to_read_and_afterwards_to_write():
    with World() as world:
        transport = connected(world)
        transport.begin(bytearray(HEAD), len(HEAD))
        world.writes = [None, None, 5, None, len(HEAD) - 5]
        wants = [transport.write_step() for _ in range(5)]
        assert wants == [WANT_READ, WANT_READ, WANT_WRITE, WANT_WRITE, READY]
        assert world.sent == HEAD


def test_write_head_leaves_in_one_write_of_its_length_only():
    with World() as world:
        transport = connected(world)
        transport.begin(bytearray(HEAD + b"behind"), len(HEAD))
        assert transport.write_step() == READY
        assert world.write_sizes == [len(HEAD)]
        assert world.sent == HEAD


def test_write_body_of_any_length_arrives_whole_in_full_chunks():
    for length in (1, 2, 2815, 2816, 2817, 5631, 5632, 5633, 10000):
        for piece in (1 << 20, 1000):
            with World() as world:
                transport = connected(world)
                data = bytes(i * 7 & 255 for i in range(length))
                transport.begin(bytearray(HEAD), len(HEAD), Body(data, piece), length)
                steps = 0
                while transport.write_step() != READY:
                    steps += 1
                assert world.sent == HEAD + data, (length, piece)
                assert max(world.write_sizes[1:]) <= 2816
                assert len(world.write_sizes) == 1 + (length + 2815) // 2816
                assert steps == len(world.write_sizes) - 1  # one record a step


def test_write_body_taken_in_parts_arrives_whole():
    with World() as world:
        transport = connected(world)
        data = bytes(i & 255 for i in range(6000))
        transport.begin(bytearray(HEAD), len(HEAD), Body(data), len(data))
        world.writes = [None, 10, None, 1, len(HEAD) - 11, None, 4000, None, 1, 95, 1900, None, 3]
        while transport.write_step() != READY:
            pass
        assert world.sent == HEAD + data


def test_write_body_of_another_length_closes_before_it_looks_complete():
    for said, given, word in ((5000, 4999, "4999"), (5000, 5001, "more"), (2816, 2817, "more")):
        with World() as world:
            transport = connected(world)
            transport.begin(bytearray(HEAD), len(HEAD), Body(bytes(given)), said)
            error = None
            for _ in range(5):
                error = error or raised(transport.write_step)
                if error:
                    break
            assert is_exactly(error, StorageError), (said, given)
            assert word in str(error), str(error)
            assert len(world.sent) < len(HEAD) + said
            assert world.all_closed()


def test_write_body_that_raises_closes_and_only_an_oserror_becomes_ours():
    for then, kind in (
        (os_error(5), StorageError),
        (MemoryError(), MemoryError),
        (KeyboardInterrupt(), KeyboardInterrupt),
        (ValueError("x"), ValueError),
    ):
        with World() as world:
            transport = connected(world)
            transport.begin(bytearray(HEAD), len(HEAD), Body(b"x", then=then), 9000)
            transport.write_step()
            assert is_exactly(raised(transport.write_step), kind), kind
            assert world.all_closed()
            assert not transport.connected


def test_write_after_a_failed_body_starts_clean():
    with World() as world:
        transport = connected(world)
        transport.begin(bytearray(HEAD), len(HEAD), Body(b"x"), 9000)
        transport.write_step()
        raised(transport.write_step)
        world.sent = b""
        connect(transport, Deadline(world.port, 1000))
        transport.begin(bytearray(HEAD), len(HEAD))
        assert transport.write_step() == READY
        assert world.sent == HEAD


# -- read -----------------------------------------------------------------------------------------


def test_read_feeds_each_byte_and_stops_at_the_end_of_the_reply():
    with World() as world:
        transport = connected(world)
        transport.begin(bytearray(HEAD), len(HEAD))
        transport.write_step()
        world.reads = [65, None, 66, None, None, 67, 68]
        reply = FakeReply()
        wants = [transport.read_step(reply) for _ in range(4)]
        assert wants == [WANT_READ, WANT_READ, WANT_READ, READY]
        assert reply.data == b"ABC"
        assert world.reads == [68]  # what comes behind the reply is not taken
        assert transport.connected


def test_read_end_before_the_reply_is_a_network_error_and_in_it_a_protocol_error():
    for reads, kind in (([b""], NetworkError), ([65, b""], ProtocolError)):
        with World() as world:
            transport = connected(world)
            world.reads = reads
            assert is_exactly(raised(transport.read_step, FakeReply()), kind)
            assert world.all_closed()
            assert not transport.connected


def test_read_end_that_ends_the_reply_is_ready_and_closed():
    with World() as world:
        transport = connected(world)
        world.reads = [65, b""]
        assert transport.read_step(FakeReply(ends_by_close=True)) == READY
        assert world.all_closed()
        assert not transport.connected


def test_read_reply_that_raises_closes():
    for error in (ProtocolError("x"), ValueError("x"), os_error(5), MemoryError()):
        with World() as world:
            transport = connected(world)
            world.reads = [65]
            # As it is: what the reply raises is not taken for the network's.
            assert raised(transport.read_step, FakeReply(error=error)) is error
            assert world.all_closed()


# -- every way out --------------------------------------------------------------------------------


def test_any_exception_in_any_step_closes_every_socket():
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
                transport = world.transport()
                deadline = Deadline(world.port, 1000)
                error = raised(connect, transport, deadline)
                if error is None:
                    error = raised(
                        exchange,
                        transport,
                        bytearray(HEAD),
                        len(HEAD),
                        None,
                        0,
                        FakeReply(),
                        deadline,
                    )
                assert error is not None, (make(), place)
                assert world.sockets, (make(), place)
                assert world.all_closed(), (make(), place)
                assert not transport.connected


def test_failure_in_the_handshake_is_a_tls_error_and_later_a_network_error():
    def alert():
        return OSError(-30592, "MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE")

    for writes, kind in (([None, alert()], TLSError), ([1, alert()], NetworkError)):
        with World() as world:
            transport = connected(world)
            world.writes = writes
            transport.begin(bytearray(HEAD), len(HEAD))
            transport.write_step()
            assert is_exactly(raised(transport.write_step), kind)


def test_certificate_refused_in_the_handshake_says_so():
    with World() as world:
        transport = connected(world)
        world.writes = [
            ValueError("\nThe certificate is not correctly signed by the trusted CA\n")
        ]
        transport.begin(bytearray(HEAD), len(HEAD))
        error = raised(transport.write_step)
        assert is_exactly(error, TLSError)
        assert error.reason == TLS_UNTRUSTED


def test_wrap_without_memory_is_a_tls_error_that_says_memory():
    with World() as world:
        world.wrap_error = os_error(errno.ENOMEM)
        error = raised(connect, world.transport(), Deadline(world.port, 1000))
        assert is_exactly(error, TLSError)
        assert error.reason == TLS_MEMORY
        assert world.all_closed()


def test_close_any_number_of_times_is_quiet():
    with World() as world:
        transport = world.transport()
        transport.close()
        transport = world.opened()
        transport.close()
        transport.close()
        assert world.all_closed()


def test_interrupt_below_tls_comes_out_as_itself():
    # The gate gives mbedTLS a number instead, and mbedTLS fails with that.
    with World() as world:
        transport = connected(world)
        transport.begin(bytearray(HEAD), len(HEAD))
        world.writes = [os_error(errno.EIO)]
        interrupt = KeyboardInterrupt()
        transport._gate.raised = interrupt
        assert raised(transport.write_step) is interrupt
        assert world.all_closed()


# -- kept connections -----------------------------------------------------------------------------


def test_reused_tells_a_kept_connection_from_a_fresh_one():
    with World() as world:
        transport = world.opened()
        assert not transport.reused
        transport.begin(bytearray(HEAD), len(HEAD))
        assert transport.reused
        world.writes = [os_error(errno.ECONNRESET)]
        assert is_exactly(raised(transport.write_step), NetworkError)
        assert transport.reused  # still told after the failure
        connect(transport, Deadline(world.port, 1000))
        assert not transport.reused
        transport.begin(bytearray(HEAD), len(HEAD))
        assert not transport.reused


def test_alive_probes_a_kept_connection():
    for read, alive in ((None, True), (b"", False), (65, False), (os_error(104), False)):
        with World() as world:
            transport = world.opened()
            world.reads = [read]
            assert transport.alive() == alive, read
            assert transport.connected == alive
            assert world.all_closed() != alive
    with World() as world:
        assert not world.transport().alive()


def test_alive_interrupted_closes():
    with World() as world:
        transport = world.opened()
        world.reads = [KeyboardInterrupt()]
        assert is_exactly(raised(transport.alive), KeyboardInterrupt)
        assert world.all_closed()
    with World() as world:
        transport = world.opened()
        world.reads = [os_error(errno.EIO)]
        transport._gate.raised = KeyboardInterrupt()  # below TLS
        assert is_exactly(raised(transport.alive), KeyboardInterrupt)
        assert world.all_closed()


# -- drivers --------------------------------------------------------------------------------------


def test_wait_polls_a_slice_for_what_is_wanted_and_feeds():
    with World() as world:
        transport = connected(world)
        deadline = Deadline(world.port, 300)
        feeds = []
        world.ready = False
        wait(transport, WANT_READ, deadline, lambda: feeds.append(1))
        wait(transport, WANT_WRITE, deadline, lambda: feeds.append(1))
        assert world.polls == [(POLLIN, 200), (POLLOUT, 100)]
        assert len(feeds) == 2
        error = raised(wait, transport, WANT_READ, deadline, lambda: None)
        assert is_exactly(error, DeadlineError)
        assert world.all_closed()


def test_deadline_ends_a_silent_peer_in_each_phase_and_names_it():
    def nothing(world):
        pass

    def handshake(world):
        world.writes = [None] * 99

    def sending(world):
        world.writes = [1] + [None] * 99

    for prepare, word in ((handshake, "handshake"), (sending, "request"), (nothing, "reply")):
        with World() as world:
            transport = connected(world)
            prepare(world)
            world.ready = False
            deadline = Deadline(world.port, 1000)
            error = raised(
                exchange, transport, bytearray(HEAD), len(HEAD), None, 0, FakeReply(), deadline
            )
            assert is_exactly(error, DeadlineError), word
            assert word in str(error), str(error)
            assert world.port.now == 1000
            assert world.all_closed()
    with World() as world:
        world.ready = False
        error = raised(connect, world.transport(), Deadline(world.port, 1000))
        assert is_exactly(error, DeadlineError)
        assert "accept" in str(error)
        assert world.port.now == 1000
        assert world.all_closed()


def test_deadline_of_a_kept_connection_tells_sending_from_waiting():
    for writes, word in (([None] * 99, "request"), ([], "reply")):
        with World() as world:
            transport = world.opened()
            world.writes = writes
            world.ready = False
            deadline = Deadline(world.port, 1000)
            error = raised(
                exchange, transport, bytearray(HEAD), len(HEAD), None, 0, FakeReply(), deadline
            )
            assert is_exactly(error, DeadlineError)
            assert word in str(error), str(error)


def test_deadline_that_has_passed_resolves_no_name():
    with World() as world:
        world.resolve_error = ZeroDivisionError("asked all the same")
        deadline = Deadline(world.port, 1000)
        world.port.now = 1000
        assert is_exactly(raised(connect, world.transport(), deadline), DeadlineError)


def test_deadline_ends_a_peer_that_keeps_the_steps_busy():
    # Always ready, never done: what dripping looks like from here.
    with World() as world:
        transport = connected(world)
        world.writes = [None] * 1000
        deadline = Deadline(world.port, 50)
        feed = world.port.feed

        def tick():
            feed()
            world.port.now += 1

        world.port.feed = tick
        error = raised(
            exchange, transport, bytearray(HEAD), len(HEAD), None, 0, FakeReply(), deadline
        )
        assert is_exactly(error, DeadlineError)
        assert world.port.now == 50
