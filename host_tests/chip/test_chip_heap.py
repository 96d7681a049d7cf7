"""The ESP32's heap, on the chip's own build: TLS outside of it, 56,000 and 81,920 bytes in all."""

import pytest

from host_tests.chip import life, progress

pytestmark = [pytest.mark.long, pytest.mark.timeout(3000)]

# What a plain ESP32 starts with; and after one growth on purpose.
PLAIN = 56_000
GROWN = 81_920


# Bytes that a user's own code keeps beside the App.
USER = 20_000
TOO_MUCH = 28_000  # it boots with these, and has no memory for the rest


def test_app_lives_its_whole_life_beside_a_user_s_code_in_a_heap_grown_once(tmp_path):
    passed, stages, why = life.live(tmp_path, GROWN, more=USER)
    assert passed == stages, f"{passed} of {stages} stages, then {why}"


def test_app_in_a_plain_esp32_s_heap_says_how_far_it_gets(tmp_path):
    passed, stages, why = life.live(tmp_path, PLAIN)
    progress.tell(f"heap {PLAIN}: {passed} of {stages} stages; {_end(why)}")
    if passed < stages:
        pytest.xfail(f"{passed} of {stages} stages, then {why}")


def test_more_kept_by_a_user_ends_that_life_after_its_boot(tmp_path):
    """The test above can fail."""
    passed, stages, why = life.live(tmp_path, GROWN, more=TOO_MUCH)
    progress.tell(
        f"heap {GROWN} and {TOO_MUCH} bytes more kept: {passed} of {stages} stages; {_end(why)}"
    )
    assert 1 <= passed < stages
    # Also where there was no memory left to say so.
    assert "memory" in why or "did not answer" in why


def _end(why):
    return (why.strip().splitlines() or ["the whole life"])[-1]
