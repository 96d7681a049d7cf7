"""The log line, and the pace of trying again."""

from linkpost.backoff import pause_ms
from linkpost.errors import AuthError, NetworkError, ThrottledError
from linkpost.log import Log


class _Port:
    def uptime_ms(self):
        return 12_345


def _line(*arguments):
    lines = []
    Log(_Port(), lines.append).info(*arguments)
    assert len(lines) == 1
    return lines[0]


def test_log_line_is_the_contract():
    assert _line("send", "accepted", "seq", 17, "ms", 412) == (
        "12.345 I send accepted seq=17 ms=412"
    )


def test_log_value_with_spaces_quotes_or_line_ends_stays_one_value_on_one_line():
    assert _line("app", "x", "why", 'a "b"\r\nc') == "12.345 I app x why=\"a 'b'  c\""
    assert _line("app", "x", "why", "") == '12.345 I app x why=""'
    assert _line("app", "x", "why", "\x00\x1b[1m\x1b\tend\n") == '12.345 I app x why="  [1m  end "'


def test_log_keeps_the_newest_line_that_warns():
    log = Log(_Port(), lambda line: None)
    log.warning("send", "failed", "error", "DNSError")
    log.info("send", "accepted", "seq", 1)
    log.debug("store", "stored")
    assert Log.trouble == "12.345 W send failed error=DNSError"
    Log(_Port(), lambda line: None).error("app", "cannot run")
    assert log.trouble == "12.345 E app cannot run"


def test_log_levels_have_their_letters():
    lines = []
    log = Log(_Port(), lines.append)
    log.debug("a", "b")
    log.warning("a", "b")
    log.error("a", "b")
    assert [line.split(" ")[1] for line in lines] == ["D", "W", "E"]


def _highest(count):
    return b"\xff" * count


def _lowest(count):
    return bytes(count)


def _bounds(error):
    """The longest wait of each attempt, found by trying many random values."""
    bounds = []
    for attempt in range(12):
        longest = 0
        for value in range(0, 1 << 24, 65_521):
            wait_ms = pause_ms(error, attempt, lambda count, value=value: value.to_bytes(3, "big"))
            longest = max(longest, wait_ms)
        bounds.append(longest)
    return bounds


def test_backoff_bounds_double_up_to_the_cap():
    bounds = _bounds(NetworkError("x"))
    assert 1_500 < bounds[0] <= 2_000
    assert 6_000 < bounds[2] <= 8_000
    assert 200_000 < bounds[11] <= 300_000


def test_backoff_throttling_waits_far_longer():
    bounds = _bounds(ThrottledError(40000, "x"))
    assert 25_000 < bounds[0] <= 30_000
    assert 2_400_000 < bounds[11] <= 3_600_000


def test_backoff_authentication_refused_waits_at_least_15_minutes():
    for source in (_lowest, _highest):
        for attempts in range(20):
            assert 900_000 <= pause_ms(AuthError(20000, "x"), attempts, source) <= 1_200_000


def test_backoff_full_jitter_reaches_down_to_zero():
    assert pause_ms(NetworkError("x"), 0, _lowest) == 0


def test_backoff_a_thousand_failures_wait_no_longer_than_the_cap():
    assert pause_ms(NetworkError("x"), 1_000, _highest) <= 300_000
