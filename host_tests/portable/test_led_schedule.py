"""Small parts of the loop: the LED's blink codes, schedules, what a boot carries over."""

from fakes_app import FakePort
from linkpost import led
from linkpost.app import next_due_ms
from linkpost.boot_work import keep, kept
from linkpost.errors import AuthError, NetworkError


class _App:
    """What the LED asks of one."""

    led_pin = "LED"
    is_up = False
    accepted = 0
    last_error = None

    def __init__(self):
        self.port = FakePort()
        self.config = self.link = self


def _blinks(app):
    """Return how often the LED goes on in one period, and for how long in all, in ms."""
    seen = []
    app.port.led = lambda pin: seen.append
    lamp = led.LED()
    lit_ms = 0
    for _ in range(300):
        lamp.step(app)
        lit_ms += 10 if seen and seen[-1] else 0
        app.port.now += 10
    return seen.count(True), lit_ms


def test_led_blinks_as_often_as_its_code_says():
    app = _App()
    assert _blinks(app) == (1, 200)
    app.is_up = True
    assert _blinks(app) == (2, 400)
    app.last_error = NetworkError("x")
    assert _blinks(app) == (2, 400)
    app.accepted = 1
    app.last_error = AuthError(20000, "x")
    assert _blinks(app) == (3, 600)


def test_led_all_well_is_one_short_flash():
    app = _App()
    app.accepted = 1
    assert _blinks(app) == (1, 30)


def test_schedule_does_not_drift_and_leaves_out_what_has_passed():
    assert next_due_ms(1_000, 1_000, 1_000) == 2_000
    assert next_due_ms(1_000, 1_030, 1_000) == 2_000  # 30 ms late
    assert next_due_ms(2_000, 7_500, 1_000) == 8_000  # five periods were missed
    assert next_due_ms(2_000, 7_500, 0) == 7_500


def test_kept_comes_back_as_it_was_kept():
    port = FakePort()
    assert kept(port) == (0, 0, 0, 0, 0)
    keep(port, 3, 1, 99, 5, 3_600_000)
    assert kept(FakePort(retained=port.retained())) == (3, 1, 99, 5, 3_600_000)


class _Forgetful(FakePort):
    retained_bytes = 0

    def retained(self):
        return b""

    def retain(self, data):
        raise AssertionError("it has no such memory")


def test_kept_on_a_port_that_retains_nothing_is_zeros():
    keep(_Forgetful(), 1)
    assert kept(_Forgetful()) == (0, 0, 0, 0, 0)
