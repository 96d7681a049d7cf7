"""What a boot does around the app: hold flag, crash count, safe mode, the ways it can end."""

import os

from fakes_app import FakePort, Slept
from linkpost import boot, boot_work
from linkpost.boot_work import keep, kept
from linkpost.errors import ConfigError
from linkpost.log import Log


class _Silent:
    """What is expected to crash prints a traceback; not here."""

    @staticmethod
    def print_exception(error):
        pass


boot_work.sys = _Silent


def _crashes():
    raise ValueError("a bug")


def _boots(port, start):
    """Boot; return how it ended."""
    try:
        boot.run(start, port)
    except Slept:
        return port.slept[-1][0]
    except KeyboardInterrupt:
        return "ctrl-c"
    return "repl"


class _Start:
    def __init__(self, error=None):
        self.calls = 0
        self._error = error

    def __call__(self):
        self.calls += 1
        if self._error:
            raise self._error


def test_boot_runs_the_app():
    start = _Start()
    assert _boots(FakePort(), start) == "repl"
    assert start.calls == 1


def test_boot_with_hold_flag_does_not_start_it():
    with open("hold", "wb"):
        pass
    try:
        start = _Start()
        port = FakePort()
        assert _boots(port, start) == "repl"
        assert start.calls == 0
        assert port.watchdog_ms is None
    finally:
        os.remove("hold")


def test_boots_that_a_person_ends_do_not_lead_to_safe_mode():
    # Ctrl-C before the app has proved healthy, and a reset, as each deploy does.
    port = FakePort()
    for _ in range(2 * boot_work.CRASHES_MAX):
        assert _boots(port, _Start(KeyboardInterrupt())) == "ctrl-c"
    assert kept(port)[0] == 0


def test_boot_with_hold_flag_forgets_what_crashed_before_it():
    port = FakePort()
    for _ in range(boot_work.CRASHES_MAX):
        _boots(port, _Start(ValueError()))
    with open("hold", "wb"):
        pass
    try:
        _boots(port, _Start())
    finally:
        os.remove("hold")
    assert kept(port)[0] == 0


def test_boot_config_error_is_said_and_leaves_the_repl():
    port = FakePort()
    assert _boots(port, _Start(ConfigError("topic", "is bad"))) == "repl"
    assert port.slept == []


def test_boot_ctrl_c_keeps_a_watchdog_fed():
    port = FakePort()
    assert _boots(port, _Start(KeyboardInterrupt())) == "ctrl-c"
    assert port.fed_for == [None]


def test_boot_crash_resets_after_a_pause():
    port = FakePort()
    assert _boots(port, _crashes) == "reset"
    assert port.now >= 10_000
    assert kept(port)[0] == 1


def test_boot_ctrl_c_in_the_pause_after_a_crash_gets_in():
    port = FakePort()

    def interrupt(ms):
        raise KeyboardInterrupt

    port.sleep_ms = interrupt
    assert _boots(port, _crashes) == "ctrl-c"
    assert port.slept == []


def test_boot_out_of_memory_is_said_and_resets():
    lines = []
    boot.Log = lambda port: Log(port, lines.append)
    try:
        for error in (
            MemoryError(),
            MemoryError("allocating 512 bytes"),
        ):
            port = FakePort()
            assert _boots(port, _Start(error)) == "reset"
    finally:
        boot.Log = Log
    crashed = [line for line in lines if "E app crashed error=MemoryError" in line]
    assert len(crashed) == 2
    assert 'why="allocating 512 bytes"' in crashed[1], crashed


def test_boot_without_memory_even_to_say_so_resets():
    whole = boot.load

    start = _Start(MemoryError())

    def load(name):
        if start.calls:
            raise MemoryError
        return whole(name)

    boot.load = load
    try:
        assert _boots(FakePort(), start) == "reset"
    finally:
        boot.load = whole


def test_boot_that_crashed_five_times_waits_15_minutes_and_tries_again():
    retained = None
    for _ in range(boot_work.CRASHES_MAX):
        port = FakePort(retained=retained)
        assert _boots(port, _crashes) == "reset"
        assert port.now < 60_000
        retained = port.retained()
    for _ in range(2):  # and so on
        port = FakePort(retained=retained)
        start = _Start(ValueError("a bug"))
        assert _boots(port, start) == "reset"
        assert port.now >= 900_000
        assert port.watchdog_ms is None
        assert start.calls == 1
        retained = port.retained()


def test_boot_loss_of_power_starts_the_count_over():
    port = FakePort()
    keep(port, 0)
    assert _boots(port, _Start()) == "repl"
    assert kept(port)[0] == 1


def test_boot_wakes_from_deep_sleep_do_not_count():
    retained = None
    for _ in range(10):
        port = FakePort(cause="deep sleep", retained=retained)
        assert _boots(port, _Start()) == "repl"
        retained = port.retained()
    assert kept(port)[0] == 0
