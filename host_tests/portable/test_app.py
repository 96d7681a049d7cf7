"""The loop on fake time: what it does when, and what stops it (nothing but a person)."""

import json

from fakes_app import Board, FakePort
from linkpost.boot_work import keep, kept
from linkpost.errors import (
    AuthError,
    NetworkError,
    SensorError,
    StorageError,
    ThrottledError,
    TLSError,
)
from linkpost.sensors.system import System


def test_run_reports_stops_after_as_many_accepted():
    board = Board(interval_s=10).run(reports=3)
    assert board.app.accepted == 3
    assert [reading["seq"] for reading in board.sent()] == [1, 2, 3]
    assert board.outbox.synced == 1
    assert board.client.closed >= 1


def test_run_samples_at_the_interval_and_sends_each_reading_when_taken():
    board = Board(until_ms=605_000, interval_s=60).run()
    times = [at for at, _, _ in board.client.sent]
    assert board.outbox.next_seq == 13  # the boot's own, and 0, 60, ... 600 s
    assert board.outbox.pending == 0
    for at in times[2:]:
        assert at % 60_000 < 500, times


def test_run_boot_stores_a_system_reading_first():
    board = Board(until_ms=60_000, port=FakePort(cause="watchdog")).run()
    first = board.sent()[0]
    # What reads a log (monitor, soak) knows a boot by this line, and readings as that boot's.
    assert " I app started " in board.lines[0], board.lines[0]
    assert " D store stored seq=1 " in board.lines[1], board.lines[1]
    assert first["reset_cause"] == "watchdog"
    assert first["dropped"] == 0
    assert first["quarantined"] == 0
    assert "version" in first


def test_run_driver_that_fails_in_the_first_system_reading_stops_no_board():
    port = FakePort()

    def broken():
        raise RuntimeError("Wifi Unknown Error 0x0101")

    port.wifi_rssi = broken
    board = Board(until_ms=60_000, port=port).run()
    assert board.sent()[0]["error"] == {"system": "RuntimeError: Wifi Unknown Error 0x0101"}
    assert "temperature" in board.sent()[1]


def test_run_says_what_memory_there_is_once():
    board = Board(until_ms=300_000, interval_s=60).run()
    (line,) = board.has("I app heap")
    assert line.endswith(" I app heap free=100000 largest=40000 total=200000"), line


def test_run_alink_system_readings_carry_the_stream():
    port = FakePort()
    board = Board(
        until_ms=60_000, port=port, sensors=[System(port)], format="alink", interval_s=10
    ).run()
    assert len(board.sent()) > 5
    for message in board.sent():  # the boot's own, and the sensor's
        assert message["params"]["stream"]["value"] == "0badcafe"
    assert not board.has("sensor failed")


def test_run_first_send_is_jittered():
    firsts = []
    for start in range(0, 1 << 24, 1 << 20):
        port = FakePort()
        port._random = start
        board = Board(until_ms=20_000, port=port).run()
        firsts.append(board.client.sent[0][0])
    assert max(firsts) - min(firsts) > 5_000, firsts
    assert max(firsts) < 11_000, firsts


def test_run_send_s_apart_lets_readings_wait():
    board = Board(until_ms=1_250_000, interval_s=60, send_s=600).run()
    times = [at for at, _, _ in board.client.sent]
    bursts = [at for i, at in enumerate(times) if i == 0 or at - times[i - 1] > 10_000]
    assert len(bursts) == 3, bursts
    assert board.outbox.next_seq == 23


def test_run_outage_goes_on_sampling_with_growing_pauses():
    def down(payload, number):
        raise NetworkError("down", 111)

    board = Board(until_ms=3_600_000, interval_s=60, answer=down).run()
    assert board.outbox.pending == 62
    # Full jitter up to 300 s: far fewer than one try per reading would be at 2 s, and not none.
    assert 12 <= len(board.client.sent) <= 120, len(board.client.sent)
    assert board.has("W send failed error=NetworkError")
    assert isinstance(board.app.last_error, NetworkError)


def test_run_after_an_outage_drains_everything_in_order():
    def down_for_an_hour(payload, number):
        if board.port.now < 3_600_000:
            raise NetworkError("down", 111)

    board = Board(until_ms=5_400_000, interval_s=60, answer=down_for_an_hour)
    board.run()
    accepted = [json.loads(p)["seq"] for at, _, p in board.client.sent if at >= 3_600_000]
    assert accepted == list(range(1, len(accepted) + 1))
    assert board.outbox.pending == 0
    assert board.app.last_error is None


def test_run_without_memory_for_tls_resets_with_the_outbox_in_order():
    def starved(payload, number):
        raise TLSError("not enough memory", "memory")

    board = Board(interval_s=60, answer=starved)
    synced = []
    reset = board.port.reset

    def look_and_reset():
        synced.append(board.outbox.synced)
        reset()

    board.port.reset = look_and_reset
    board.run()
    assert len(board.client.sent) == 5
    assert synced == [1]
    assert board.has("E send resetting")


def test_run_authentication_refused_is_asked_every_15_minutes_at_most():
    def refused(payload, number):
        raise AuthError(20000, "refused")

    board = Board(until_ms=7_200_000, interval_s=60, answer=refused).run()
    assert 5 <= len(board.client.sent) <= 9, len(board.client.sent)
    assert board.outbox.pending == 122


def test_run_throttling_keeps_away_longer_than_an_outage():
    def throttled(payload, number):
        raise ThrottledError(40000, "request too many")

    board = Board(until_ms=7_200_000, interval_s=60, answer=throttled).run()
    assert len(board.client.sent) <= 20, len(board.client.sent)


def test_run_drain_of_a_backlog_does_not_stop_sampling():
    board = Board(until_ms=60_000, interval_s=1)
    for i in range(300):  # more do not fit a chip's heap
        board.outbox.append({"n": i}, None)
    board.run()
    # 50 ms a request: the drain takes 15 s and more, and readings are taken meanwhile.
    assert board.outbox.next_seq > 300 + 55


def test_run_interval_0_sends_each_reading_before_the_next():
    board = Board(until_ms=5_000, interval_s=0).run()
    assert len(board.client.sent) >= 90
    assert board.outbox.pending <= 1


def test_run_interval_0_in_an_outage_does_not_wear_out_the_flash():
    def down(payload, number):
        raise NetworkError("down")

    board = Board(until_ms=60_000, interval_s=0, answer=down).run()
    assert board.outbox.pending <= 65


class _Broken:
    def __init__(self, error):
        self._error = error

    def read(self):
        raise self._error


def test_run_sensor_that_fails_gives_an_error_entry():
    for error in (OSError(5), ValueError("bad"), ZeroDivisionError("x")):
        board = Board(until_ms=60_000, sensors=(_Broken(error),)).run()
        reading = board.sent()[1]
        assert "temperature" in reading
        assert "_Broken" in reading["error"], reading
        assert board.has("W sensor failed")


def test_run_flash_that_refuses_is_logged_and_goes_on():
    board = Board(until_ms=300_000, interval_s=60)
    store = board.outbox.append

    def append(values, unix_ms, uptime_ms=None):
        if 100_000 < board.port.now < 200_000:
            raise StorageError("flash is full")
        return store(values, unix_ms, uptime_ms)

    board.outbox.append = append
    board.run()
    assert len(board.has("E store reading not stored")) == 2
    assert len(board.client.sent) == 5


def test_run_watchdog_is_fed_between_all_steps():
    board = Board(until_ms=600_000, watchdog_s=8).run()
    assert board.port.watchdog_ms == 8_000
    assert board.port.longest_unfed_ms <= 1_000, board.port.longest_unfed_ms


def test_run_ctrl_c_leaves_the_outbox_in_order():
    def interrupted(payload, number):
        raise KeyboardInterrupt

    board = Board(answer=interrupted)
    try:
        board.app.run()
    except KeyboardInterrupt:
        assert board.outbox.synced == 1
        assert board.client.closed == 1
        return
    raise AssertionError("went on")


def test_run_light_sleep_between_readings():
    board = Board(until_ms=300_000, interval_s=60, sleep="light").run()
    assert {kind for kind, _ in board.port.slept} == {"light"}
    assert board.outbox.synced == 1, "at the end only: light sleep keeps RAM"
    assert len(board.client.sent) >= 5
    # Awake only for the requests and the first jitter.
    assert sum([ms for _, ms in board.port.slept]) > 250_000


def test_run_deep_sleep_sends_then_sleeps_to_the_next_reading():
    board = Board(interval_s=300, sleep="deep").run()
    (kind, ms) = board.port.slept[-1]
    assert kind == "deep"
    assert 280_000 < ms <= 300_000
    assert len(board.client.sent) == 2
    assert board.outbox.synced >= 1
    assert board.client.closed >= 1


def test_run_wake_from_deep_sleep_samples_at_once_and_stores_no_boot_reading():
    first = Board(interval_s=300, sleep="deep").run()
    port = FakePort(cause="deep sleep", retained=first.port.retained())
    board = Board(interval_s=300, sleep="deep", port=port).run()
    readings = board.sent()
    assert len(readings) == 1
    assert "temperature" in readings[0]
    assert board.client.sent[0][0] < 1_000, "no jitter after a sleep"


def test_run_backoff_outlives_deep_sleep():
    def down(payload, number):
        raise NetworkError("down", 111)

    retained = None
    attempts = []
    sends = 0
    for life in range(12):
        cause = "deep sleep" if life else "power on"
        port = FakePort(cause=cause, retained=retained)
        board = Board(interval_s=20, sleep="deep", port=port, answer=down).run()
        retained = port.retained()
        attempts.append(kept(port)[2])
        sends += len(board.client.sent)
        assert port.slept[-1][0] == "deep"
    assert attempts == sorted(attempts)
    assert attempts[-1] >= 3
    assert sends < 12 + 5, "sending waits longer than a reading's interval"


def test_run_healthy_boot_clears_the_crash_count():
    for seconds, answer, expected in ((30, NetworkError("down"), 3), (90, None, 0)):
        port = FakePort()
        keep(port, 3)

        def fails(payload, number, error=answer):
            if error:
                raise error

        Board(until_ms=seconds * 1000, port=port, answer=fails).run()
        assert kept(port)[0] == expected, seconds


def test_append_and_drain_are_a_loop_of_ones_own():
    board = Board()
    assert board.app.append({"door": True}) == 1
    board.app.drain(deadline_ms=1_000)
    assert board.app.accepted == 1
    assert board.sent()[0]["door"] is True


def test_drain_leaves_the_outbox_so_that_nothing_accepted_is_sent_again():
    board = Board()
    board.app.append({"door": True})
    board.app.drain()
    assert board.outbox.synced == 1
    board.app.drain()
    assert board.outbox.synced == 1, "nothing was sent: no flash is written"

    def second_is_refused(payload, number):
        if number == 2:
            raise NetworkError("down")

    board = Board(answer=second_is_refused)
    board.app.append({"door": True})
    board.app.append({"door": False})
    try:
        board.app.drain()
    except NetworkError:
        assert (board.outbox.synced, board.app.pending) == (1, 1)
        return
    raise AssertionError("no error")


def test_close_and_with_leave_everything_in_order():
    board = Board()
    with board.app as app:
        assert app is board.app
        app.append({"door": True})
    assert board.outbox.synced == 1
    assert board.client.closed == 1
    app.drain()
    app.close()
    assert board.client.closed == 2
    try:
        with board.app:
            raise ValueError
    except ValueError:
        assert board.client.closed == 3
        return
    raise AssertionError("swallowed")


def test_append_refuses_what_a_reading_cannot_carry():
    board = Board()
    for values in (
        {"seq": 5},
        {"stream": "x"},
        {"time": 1},
        {"error": "x"},
        {"": 1},
        {1: 2},
        {"x": None},
        {"x": [1]},
        {"x": b"1"},
        {"x": float("nan")},
        {"x": float("inf")},
    ):
        try:
            board.app.append(values)
        except SensorError:
            continue
        raise AssertionError(values)
    assert board.outbox.pending == 0


def test_drain_that_fails_says_so_and_keeps_all():
    def down(payload, number):
        raise NetworkError("down")

    board = Board(answer=down)
    board.app.append({"door": True})
    try:
        board.app.drain(deadline_ms=1_000)
    except NetworkError:
        assert board.app.pending == 1
        return
    raise AssertionError("no error")
