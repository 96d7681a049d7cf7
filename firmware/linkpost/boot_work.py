"""What a boot does before the app and after it; the rules stand in `boot`, which loads this."""

import os
import sys

from .loader import load

HOLD = "hold"
CRASHES_MAX = 5
_SAFE_MODE_MS = 900_000
# Before the reset after a crash: long enough for Ctrl-C, and for a person to read the traceback.
_RESET_PAUSE_MS = 10_000
_SLICE_MS = 500


def begin(port, log) -> bool:
    """Tell whether the app is to start: not where the board is held. Counts the boot.

    In safe mode it waits here before it lets the app try again.
    """
    if HOLD in os.listdir():
        _forget_crashes(port)
        log.warning("app", "held: not started", "file", HOLD)
        return False
    if port.reset_cause() != "deep sleep":
        retained = load("retained").Retained(port)
        if retained.crashes >= CRASHES_MAX:
            log.error(
                "app", "safe mode", "boots_failed", retained.crashes, "again_in_ms", _SAFE_MODE_MS
            )
            _wait(port, _SAFE_MODE_MS)
            retained.crashes = CRASHES_MAX - 1  # one more try, then back here
        retained.crashes += 1
        retained.keep()
    return True


def stopped(port, log) -> None:
    """Leave the board to the person who pressed Ctrl-C."""
    port.feed_for(None)
    _forget_crashes(port)
    log.info("app", "stopped by Ctrl-C")


def crashed(port, log, error) -> None:
    """Show what nobody expected, and wait; the caller resets the board."""
    _show(error)
    why = error
    if isinstance(error, MemoryError):
        why = load("backoff").memory_words(port)
    log.error(
        "app",
        "crashed",
        "error",
        type(error).__name__,
        "why",
        why,
        "reset_in_ms",
        _RESET_PAUSE_MS,
    )
    _wait(port, _RESET_PAUSE_MS)


def _forget_crashes(port):
    # A person is at it: boots that they end did not fail, and what they deploy is new.
    retained = load("retained").Retained(port)
    retained.crashes = 0
    retained.keep()


def _wait(port, ms):
    # In slices, so that Ctrl-C gets in and a watchdog that runs is fed.
    while ms > 0:
        port.feed()
        port.sleep_ms(min(ms, _SLICE_MS))
        ms -= _SLICE_MS


def _show(error):
    # CPython has no sys.print_exception; its own hook prints the same.
    show = getattr(sys, "print_exception", None)
    if show:
        show(error)
    else:
        getattr(sys, "excepthook")(type(error), error, error.__traceback__)  # noqa: B009
