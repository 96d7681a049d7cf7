"""What a full heap and a failing driver do to the loop: it goes on, and nothing stored is lost."""

import sys

import linkpost
from fakes_app import Board, FakePort
from linkpost import app as app_module
from linkpost.boot_work import keep, kept
from linkpost.errors import LowMemoryError, NetworkError, TLSError
from linkpost.loader import load


class Loads:
    """Stands for `load`: raises MemoryError for some modules while `fails` is true."""

    def __init__(self, whole, *names):
        self._whole = whole
        self._names = names
        self.fails = True
        self.failed = 0

    def __call__(self, name):
        if self.fails and name in self._names:
            self.failed += 1
            raise MemoryError
        return self._whole(name)


def without(names, run):
    """Run while these modules cannot be loaded by the loop; return how often it tried."""
    whole = app_module.load
    loads = Loads(whole, *names)
    app_module.load = loads
    try:
        run(loads)
    finally:
        app_module.load = whole
    return loads.failed


def all_once(board):
    """Check that each reading that was stored waits or was sent, once."""
    sent = [reading["seq"] for reading in board.sent()]
    waiting = [reading[0] for reading in board.outbox.waiting]
    assert sorted(sent + waiting) == list(range(1, board.outbox.next_seq)), (sent, waiting)


def test_memory_error_in_any_module_that_is_loaded_ends_no_app():
    def run(loads):
        def down_for_a_while(payload, number):
            if port.now < 200_000:
                raise NetworkError("down", 111)
            loads.fails = False

        port = FakePort()
        board = Board(until_ms=600_000, interval_s=60, port=port, answer=down_for_a_while)
        board.run()
        assert board.app.accepted == board.outbox.next_seq - 1 >= 11
        assert [reading["seq"] for reading in board.sent()][-board.app.accepted :] == list(
            range(1, board.outbox.next_seq)
        )

    for names in (
        ("backoff",),
        ("lifecycle.tell_heap",),
        ("delivery",),
        ("backoff", "delivery", "led"),
    ):
        without(names, run)
    assert without(("backoff",), run) > 0


def test_memory_error_while_proving_the_boot_is_told_and_tried_again():
    def run(loads):
        board = Board(until_ms=120_000, interval_s=10)
        loads.fails = False
        port = board.port
        feed = port.feed

        def feed_and_mend():
            feed()
            loads.fails = 0 < port.now < 12_000

        port.feed = feed_and_mend
        keep(port, 3)
        board.run()
        told = board.has("E app failed why=")
        assert told and "out of memory: " in told[0] and "free 100000" in told[0], board.lines
        assert kept(port)[0] == 0
        all_once(board)

    assert without(("boot_work",), run) > 0


class Full:
    """A sensor for which there is no memory at first."""

    def __init__(self, port):
        self._port = port

    def read(self):
        if self._port.now < 60_000:
            raise MemoryError
        return {"level": 3}


def test_memory_error_while_sampling_is_told_in_the_reading():
    port = FakePort()
    board = Board(until_ms=120_000, interval_s=10, port=port, sensors=(Full(port),)).run()
    assert board.has('W sensor failed name=Full why="out of memory"')
    assert board.sent()[-1]["level"] == 3
    all_once(board)


def test_memory_error_while_storing_loses_that_reading_and_no_other():
    board = Board(until_ms=300_000, interval_s=10)
    store = board.outbox.append

    def append(values, unix_ms, uptime_ms=None):
        if 100_000 < board.port.now < 130_000:
            raise MemoryError
        return store(values, unix_ms, uptime_ms)

    board.outbox.append = append
    board.run()
    assert len(board.has("E app failed why=")) == 2
    assert board.port.slept == []
    assert board.outbox.next_seq == 1 + 1 + 31 - 2
    all_once(board)


def test_memory_error_for_good_resets_once_and_then_goes_on_at_its_pace():
    retained = None
    for life in range(2):
        board = Board(until_ms=300_000, interval_s=10, port=FakePort(retained=retained))

        def append(values, unix_ms, uptime_ms=None, board=board):
            if board.port.now:
                raise MemoryError
            return 1

        board.outbox.append = append
        board.run()
        retained = board.port.retained()
        if life == 0:
            assert board.port.slept == [("reset", 0)]
            assert board.outbox.synced >= 1
        else:
            assert board.port.slept == []
            assert len(board.has("E app failed why=")) == 30


def test_memory_error_for_good_without_room_to_count_it_ends_the_app_for_a_reset():
    def run(loads):
        board = Board(until_ms=3_600_000, interval_s=60)

        def append(values, unix_ms, uptime_ms=None):
            if board.port.now < 1_000_000:
                return whole(values, unix_ms, uptime_ms)
            raise MemoryError

        whole = board.outbox.append
        board.outbox.append = append
        try:
            board.run()
        except MemoryError:
            assert 1_600_000 < board.port.now < 1_800_000, board.port.now
            assert board.outbox.synced >= 1
            return all_once(board)
        raise AssertionError("goes on for ever without a reading")

    assert without(("backoff",), run) > 5


def test_memory_error_that_passes_is_no_reset_where_it_cannot_be_counted():
    def run(loads):
        board = Board(until_ms=3_600_000, interval_s=60)
        whole = board.outbox.append

        def append(values, unix_ms, uptime_ms=None):
            if board.port.now // 300_000 % 2:
                raise MemoryError
            return whole(values, unix_ms, uptime_ms)

        board.outbox.append = append
        board.run()
        all_once(board)

    assert without(("backoff",), run) > 20


def starved(payload, number):
    raise TLSError("not enough memory", "memory")


def test_memory_for_tls_resets_once_then_says_so_stores_and_sends_slowly():
    first = Board(interval_s=60, answer=starved).run()
    assert first.port.slept == [("reset", 0)]
    assert len(first.client.sent) == 5
    retained = first.port.retained()

    second = Board(
        until_ms=5_400_000, interval_s=60, answer=starved, port=FakePort(retained=retained)
    ).run()
    assert second.port.slept == []
    assert second.outbox.pending >= 90
    told = second.has("E send out of memory, and a reset has not helped")
    assert told
    times = [at for at, _, _ in second.client.sent][4:]
    for i in range(1, len(times)):
        assert times[i] - times[i - 1] >= 900_000, times
    assert len(times) >= 3


def test_memory_reset_is_armed_again_by_an_accepted_report():
    retained = Board(interval_s=60, answer=starved).run().port.retained()

    def starved_later(payload, number):
        if number > 3:
            starved(payload, number)

    for sleep in ("none", "light"):
        board = Board(
            interval_s=60,
            sleep=sleep,
            answer=starved_later,
            port=FakePort(retained=retained),
        ).run()
        assert board.port.slept[-1:] == [("reset", 0)]
        assert board.app.accepted == 3
    # A deep sleep ends the boot before it was looked at again.
    board = Board(interval_s=600, sleep="deep", port=FakePort(retained=retained)).run()
    assert board.app.accepted and not kept(board.port)[1]


def test_memory_reset_comes_where_not_even_the_cursor_can_be_written():
    board = Board(until_ms=1_200_000, interval_s=60, answer=starved)
    synced = []

    def sync():
        synced.append(board.port.now)
        if len(synced) == 1:
            raise MemoryError

    board.outbox.sync = sync
    board.run()
    assert board.port.slept == [("reset", 0)]
    assert len(board.client.sent) == 5


def test_memory_reset_never_where_nothing_remembers_it():
    class Forgetful(FakePort):
        retained_bytes = 0

    board = Board(until_ms=1_200_000, interval_s=60, answer=starved, port=Forgetful()).run()
    assert board.port.slept == []


# What comes out of a poll without memory, and out of a heap or a driver, inside a request.
RAW = (MemoryError(), OSError(5), OSError(12), RuntimeError("x"), ValueError("x"), OSError(23))


def test_request_that_raises_no_error_of_ours_is_told_and_tried_again():
    for error in RAW:

        def raises(payload, number, error=error):
            if number < 4:
                raise error

        board = Board(until_ms=120_000, interval_s=20, answer=raises)
        board.run()
        (first, *_) = board.has("W send failed")
        memory = isinstance(error, MemoryError) or error.args[0] in (5, 12)
        assert ("out of memory: " in first and "free 100000" in first) == memory, first
        assert ("LowMemoryError" in first) == memory, first
        assert board.outbox.pending == 0
        assert board.app.last_error is None


def test_drain_raises_errors_of_ours_only():
    for error in RAW:

        def raises(payload, number, error=error):
            raise error

        board = Board(answer=raises)
        board.app.append({"door": True})
        try:
            board.app.drain(1_000)
        except (LowMemoryError, NetworkError):
            assert board.app.pending == 1
        else:
            raise AssertionError(error)


def test_sleep_that_fails_is_told_and_waited_out_awake():
    for sleep in ("light", "deep"):
        for error in (OSError(5), RuntimeError("x"), ValueError("x")):
            board = Board(until_ms=300_000, interval_s=60, sleep=sleep)

            def refuses(ms, error=error):
                raise error

            board.port.light_sleep = board.port.deep_sleep = refuses
            board.run()
            assert len(board.has("W app cannot sleep")) == 1
            assert board.outbox.next_seq >= 1 + 5
            all_once(board)


def test_led_that_fails_is_told_once_and_stops_nothing():
    for error in (OSError(5), RuntimeError("x"), ValueError("invalid pin")):
        port = FakePort()
        port.led = lambda pin: None  # as the config is checked
        board = Board(until_ms=120_000, interval_s=60, led_pin=2, port=port)

        def refuses(pin, error=error):
            raise error

        port.led = refuses
        board.run()
        assert len(board.has("W app no LED")) == 1
        assert len(board.sent()) == 4


def test_load_that_fails_does_not_look_for_the_module_by_importing_it_again():
    # `linkpost` imports what it is asked for and has not (its __getattr__): hasattr is enough.
    whole = linkpost.__getattr__
    asked = []

    def getattr_and_tell(name):
        asked.append(name)
        return whole(name)

    linkpost.__getattr__ = getattr_and_tell
    try:
        load("nothing")
    except ImportError:
        assert asked == [] or sys.implementation.name == "cpython", asked
        return
    finally:
        linkpost.__getattr__ = whole
    raise AssertionError("found")
