"""Small parts of the loop: the LED's blink codes, schedules, what a boot carries over."""

from fakes_app import FakePort
from linkpost import led
from linkpost.boot_work import Retained
from linkpost.sender import Sender


def _blinks(code):
    """Return how often the LED goes on in one period, and for how long in all, in ms."""
    port = FakePort()
    seen = []
    port.led = lambda pin: seen.append
    lamp = led.LED(port, "LED", None)
    lit_ms = 0
    for _ in range(300):
        lamp.step(code)
        lit_ms += 10 if seen and seen[-1] else 0
        port.now += 10
    return seen.count(1), lit_ms


def test_led_blinks_as_often_as_its_code_says():
    for code in (1, 2, 3):
        assert _blinks(code) == (code, code * 200), code


def test_led_all_well_is_one_short_flash():
    assert _blinks(0) == (1, 30)


def test_schedule_does_not_drift_and_leaves_out_what_has_passed():
    def next_due_ms(*times):
        return Sender.next_due_ms(None, *times)

    assert next_due_ms(1_000, 1_000, 1_000) == 2_000
    assert next_due_ms(1_000, 1_030, 1_000) == 2_000  # 30 ms late
    assert next_due_ms(2_000, 7_500, 1_000) == 8_000  # five periods were missed
    assert next_due_ms(2_000, 7_500, 0) == 7_500


def test_carried_comes_back_as_it_was_kept():
    port = FakePort()
    retained = Retained(port)
    assert (retained.crashes, retained.attempts, retained.send_in_ms) == (0, 0, 0)
    retained.crashes = 3
    retained.attempts = 1000  # more than is kept
    retained.sample_in_ms = 5
    retained.send_in_ms = 3_600_000
    retained.memory_reset = 1
    retained.keep()
    again = Retained(FakePort(retained=port.retained()))
    assert (again.crashes, again.attempts) == (3, 255)
    assert (again.sample_in_ms, again.send_in_ms) == (5, 3_600_000)
    assert again.memory_reset == 1


class _Forgetful(FakePort):
    retained_bytes = 0

    def retained(self):
        return b""

    def retain(self, data):
        raise AssertionError("it has no such memory")


def test_carried_on_a_port_that_retains_nothing_is_zeros():
    retained = Retained(_Forgetful())
    retained.crashes = 1
    retained.keep()
    assert Retained(_Forgetful()).crashes == 0
