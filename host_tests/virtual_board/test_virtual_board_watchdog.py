"""The watchdog of a virtual board, by a clock of the test's own."""

import pytest

from tools.virtual_board import watchdog
from tools.virtual_board.watchdog import Watchdog


class Clock:
    now = 100.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(watchdog, "time", clock)
    return clock


def started(ms=2000):
    dog = Watchdog()
    dog.take({"what": "watchdog", "ms": ms})
    return dog


def test_watchdog_before_it_is_started_never_bites(clock):
    dog = Watchdog()
    dog.take({"what": "fed"})
    assert dog.bites_at is None


def test_watchdog_fed_counts_from_there(clock):
    dog = started(ms=2000)
    assert dog.bites_at == 102
    clock.now = 101
    dog.take({"what": "fed"})
    assert dog.bites_at == 103


def test_watchdog_other_messages_do_not_feed(clock):
    dog = started()
    clock.now = 101
    dog.take({"what": "retain", "data": ""})
    assert dog.bites_at == 102


def test_timer_for_a_time_feeds_until_then(clock):
    dog = started(ms=2000)
    dog.take({"what": "feed for", "ms": 10_000})
    assert dog.bites_at == 112


def test_timer_ended_early_feeds_no_more(clock):
    dog = started(ms=2000)
    dog.take({"what": "feed for", "ms": 10_000})
    clock.now = 103
    dog.take({"what": "feed for", "ms": 0})
    assert dog.bites_at == 105


def test_timer_for_good_lasts_until_the_program_ends(clock):
    dog = started(ms=2000)
    dog.take({"what": "feed for", "ms": None})
    assert dog.bites_at is None
    clock.now = 500
    dog.forget_timer()
    assert dog.bites_at == 502


def test_timer_that_has_ended_is_not_prolonged_by_a_soft_reset(clock):
    dog = started(ms=2000)
    dog.take({"what": "feed for", "ms": 1000})
    clock.now = 102.5
    dog.forget_timer()
    assert dog.bites_at == 103


def test_watchdog_started_again_has_the_new_period(clock):
    dog = started(ms=2000)
    dog.take({"what": "watchdog", "ms": 5000})
    assert dog.bites_at == 105


def test_watchdog_after_a_hard_reset_does_not_run(clock):
    dog = started()
    dog.take({"what": "feed for", "ms": None})
    dog.stop()
    assert dog.bites_at is None
    dog.take({"what": "watchdog", "ms": 1000})
    assert dog.bites_at == 101
