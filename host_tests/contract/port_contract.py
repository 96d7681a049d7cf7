"""What every port does, as checks that run anywhere: fakes, the desktop, a board.

On a board, with the firmware deployed and nothing else running:

    mpremote run host_tests/contract/port_contract.py

It prints one line for each check and, at the end, `contract: N passed, S skipped, M failed`, with
chip and firmware version before: keep that output with its date. It does not start the watchdog
(nothing could stop it), does not reset, sleep deep or join a network; it sets the clock and puts
it back.

Not tried on hardware yet.
"""

import gc
import sys

_CAUSES = ("power on", "hard", "watchdog", "deep sleep", "soft")
_STATUSES = ("idle", "joining", "no address", "up", "not found", "wrong password", "failed")


def check_ticks_never_go_back(port):
    start = port.uptime_ms()
    port.sleep_ms(20)
    passed = port.uptime_ms() - start
    assert 15 <= passed < 2000, passed
    assert start - port.uptime_ms() <= 0


def check_uptime_grows_with_ticks(port):
    first = port.uptime_ms()
    port.sleep_ms(20)
    second = port.uptime_ms()
    assert isinstance(first, int) and isinstance(second, int)
    assert 15 <= second - first < 2000, (first, second)


def check_unix_ms_is_an_int_since_1970(port):
    now = port.unix_ms()
    assert isinstance(now, int), now
    # 1999-12-31 to 2100: a chip without a time starts at 2000 or 2021.
    assert 946_598_400_000 <= now < 4_102_444_800_000, now


def check_set_unix_ms_is_read_back(port):
    if port.name == "host":
        return "the desktop keeps its own time"
    before = port.unix_ms()
    start = port.uptime_ms()
    # 2028-02-29 23:59:58, a leap day; over two seconds it becomes March.
    port.set_unix_ms(1_835_481_598_000)
    try:
        assert abs(port.unix_ms() - 1_835_481_598_000) <= 1500, port.unix_ms()
        port.sleep_ms(2000)
        assert abs(port.unix_ms() - 1_835_481_600_000) <= 1500, port.unix_ms()
    finally:
        port.set_unix_ms(before + port.uptime_ms() - start)
    return ""


def check_sleep_ms_waits_that_long(port):
    start = port.uptime_ms()
    port.sleep_ms(50)
    assert 45 <= port.uptime_ms() - start < 2000


def check_light_sleep_is_not_shorter_than_asked(port):
    if not port.can_light_sleep:
        return "no light sleep here"
    start = port.uptime_ms()
    uptime = port.uptime_ms()
    port.light_sleep(300)
    assert port.uptime_ms() - start >= 295
    assert port.uptime_ms() - uptime >= 295
    return ""


def check_watchdog_limit_is_known(port):
    limit = port.watchdog_max_ms
    assert limit is None or isinstance(limit, int) and limit >= 0, limit
    # Before it was started these do nothing, and do not fail.
    port.feed()
    port.feed_for(1000)
    port.feed_for(None)
    port.feed_for(0)


def check_watchdog_over_its_limit_is_refused(port):
    if not port.watchdog_max_ms:
        return "no watchdog here"
    try:
        port.start_watchdog(port.watchdog_max_ms + 1)
    except Exception as error:
        # By its name: linkpost.errors need not be where this file runs.
        assert type(error).__name__ == "ConfigError", error
        assert "watchdog_s" in str(error), error
        return ""
    raise AssertionError("a period over the limit was taken")


def check_reset_cause_is_one_of_the_words(port):
    assert port.reset_cause() in _CAUSES, port.reset_cause()
    # Asked again, and by another who made a port of their own, it is the same.
    assert port.reset_cause() == port.reset_cause()


def check_retained_memory_is_kept_whole(port):
    length = port.retained_bytes
    if not length:
        assert len(port.retained()) == 0
        return "no retained memory here"
    assert length >= 12, length
    before = port.retained()
    marked = port.clock_marked()
    assert len(before) == length
    try:
        for data in (
            bytes([i & 0xFF for i in range(1, length + 1)]),
            b"\xff" * length,
            b"short",
            b"",
        ):
            port.retain(data)
            assert port.retained() == data + bytes(length - len(data)), data
            assert port.clock_marked() == marked, data
        try:
            port.retain(bytes(length + 1))
        except ValueError:
            pass
        else:
            raise AssertionError("more than retained_bytes was taken")
    finally:
        port.retain(before)
    return ""


def check_clock_mark_stays_and_leaves_the_data(port):
    if port.name == "host":
        assert port.clock_marked()
        return "the desktop's clock counts as right"
    before = port.clock_marked()
    data = port.retained()
    try:
        for right in (True, False, True):
            port.mark_clock(right)
            assert port.clock_marked() == right
            assert port.retained() == data
    finally:
        port.mark_clock(before)
    return ""


def check_unique_id_is_the_same_bytes(port):
    first = port.unique_id()
    assert isinstance(first, (bytes, bytearray)) and len(first) >= 4, first
    assert port.unique_id() == first


def check_heap_numbers_are_ints(port):
    assert isinstance(port.heap_free(), int) and port.heap_free() >= 0
    largest = port.heap_largest()
    assert largest is None or isinstance(largest, int) and largest > 0
    free, block = port.tls_memory()
    assert isinstance(free, int) and free >= 0
    assert block == largest, (block, largest)
    heap = port.heap(True)
    assert heap["total"] >= heap["free"] >= 0, heap
    if "idf_free" in heap:
        # MicroPython's heap would grow by its largest block, so that is not looked for.
        assert heap["idf_free"] >= heap["idf_largest"] == largest
        assert "largest" not in heap
    elif heap["total"]:  # CPython has no bound to report
        assert 0 <= heap["largest"] <= heap["total"], heap
    assert "largest" not in port.heap()


def check_rare_methods_are_let_go_of_with_a_feed(port):
    port.reset_cause()
    if hasattr(port, "_rare"):
        assert port._rare is not None
        port.feed()
        assert port._rare is None
    else:  # a board's byte code has not that name; its heap tells
        gc.collect()
        held = gc.mem_alloc()
        port.feed()
        gc.collect()
        assert gc.mem_alloc() < held - 500, "their module stays in memory"
    try:
        port.no_such_method()
    except AttributeError:
        return
    raise AssertionError("a method that is not there was found")


def check_random_bytes_differ(port):
    first = port.random_bytes(16)
    assert len(first) == 16
    assert port.random_bytes(16) != first
    assert len(port.random_bytes(3)) == 3


def check_chip_temperature_is_possible(port):
    degrees = port.chip_temperature()
    if degrees is None:
        return "no sensor here"
    # Outside of this the chip would not run, or the formula is wrong.
    assert -20 <= degrees <= 110, degrees
    return ""


def check_a_pin_that_is_not_there_is_a_value_error(port):
    for ask in (port.pin, port.analog, port.led):
        try:
            ask(999)
        except ValueError:
            continue
        raise AssertionError("pin 999 was taken by %s" % ask)


def check_station_tells_its_state_in_words(port):
    if port.station() is None:
        return "no radio here"
    assert port.station() is port.station()
    port.start_station("", "")
    try:
        assert port.wifi_status() in _STATUSES, port.wifi_status()
        assert isinstance(port.wifi_code(), int)
        rssi = port.wifi_rssi()
        assert rssi is None or -120 < rssi < 0, rssi
    finally:
        port.stop_station()
    # Down, and down again: neither fails.
    port.stop_station()
    return ""


CHECKS = (
    check_ticks_never_go_back,
    check_uptime_grows_with_ticks,
    check_unix_ms_is_an_int_since_1970,
    check_set_unix_ms_is_read_back,
    check_sleep_ms_waits_that_long,
    check_light_sleep_is_not_shorter_than_asked,
    check_watchdog_limit_is_known,
    check_watchdog_over_its_limit_is_refused,
    check_reset_cause_is_one_of_the_words,
    check_retained_memory_is_kept_whole,
    check_clock_mark_stays_and_leaves_the_data,
    check_unique_id_is_the_same_bytes,
    check_heap_numbers_are_ints,
    check_rare_methods_are_let_go_of_with_a_feed,
    check_random_bytes_differ,
    check_chip_temperature_is_possible,
    check_a_pin_that_is_not_there_is_a_value_error,
    check_station_tells_its_state_in_words,
)


def run(port, say=print) -> int:
    """Run every check on the port, saying one line for each; return how many failed."""
    failed = skipped = 0
    for check in CHECKS:
        name = check.__name__
        try:
            reason = check(port)
        except Exception as error:
            failed += 1
            say("FAIL %s: %s %s" % (name, type(error).__name__, error))
            continue
        if reason:
            skipped += 1
            say("skip %s: %s" % (name, reason))
        else:
            say("ok   " + name)
    passed = len(CHECKS) - failed - skipped
    say("contract: %d passed, %d skipped, %d failed" % (passed, skipped, failed))
    return failed


def main() -> None:
    from linkpost.ports import detect

    print(sys.platform, getattr(sys.implementation, "_machine", ""), sys.version)
    print("heap", detect().heap(True))
    run(detect())


if __name__ == "__main__":
    main()
