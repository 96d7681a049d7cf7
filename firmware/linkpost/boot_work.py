"""What a boot does before the app and after it, and what it retains for the next one.

The rules of the first stand in `boot`; both are loaded when needed (`loader`), as one file: that
is quicker than two. What is retained is in memory that outlives reset and deep sleep. No flash
is written for it. After a loss of power it is all zeros, which is the right start. 12 bytes: rp2
has no more.
"""

import gc
import os
import struct
import sys

from micropython import const

HOLD = "hold"
CRASHES_MAX = 5
_SAFE_MODE_MS = const(900_000)
# Before the reset after a crash: long enough for Ctrl-C, and for a person to read the traceback.
_RESET_PAUSE_MS = const(10_000)
_SLICE_MS = const(500)
_LAYOUT = const("<BBHII")


def kept(port) -> tuple:
    """Return what the boot before has left.

    crashes        boots in a row that did not prove healthy
    memory_reset   1: a reset has tried to make the heap whole, and no report came since
    attempts       before a deep sleep: failures to send in a row
    sample_in_ms   after a deep sleep, ms until the next reading
    send_in_ms     after a deep sleep, ms until the next send
    """
    return struct.unpack_from(_LAYOUT, port.retained() + bytes(12))


def keep(port, crashes, memory_reset=0, attempts=0, sample_in_ms=0, send_in_ms=0) -> None:
    """Leave that for the next boot, where the port retains anything."""
    if port.retained_bytes:
        state = crashes, memory_reset, attempts, sample_in_ms, send_in_ms
        port.retain(struct.pack(_LAYOUT, *state))


def memory_reset_is_left(port) -> bool:
    """Tell whether a reset for lack of memory may be tried, and remember that it was."""
    crashes, memory_reset = kept(port)[:2]
    if memory_reset or not port.retained_bytes:
        return False
    keep(port, crashes, 1)
    return True


def begin(port, log) -> bool:
    """Tell whether the app is to start: not where the board is held. Counts the boot.

    In safe mode it waits here before it lets the app try again.
    """
    if HOLD in os.listdir():
        keep(port, 0)
        log.warning("app", "held: not started", "file", HOLD)
        return False
    if port.reset_cause() != "deep sleep":
        crashes, memory_reset = kept(port)[:2]
        if crashes >= CRASHES_MAX:
            about = "boots_failed", crashes, "again_in_ms", _SAFE_MODE_MS
            log.error("app", "safe mode", *about)
            _wait(port, _SAFE_MODE_MS)
            crashes = CRASHES_MAX - 1  # one more try, then back here
        keep(port, crashes + 1, memory_reset)
    return True


def prove(port, accepted) -> None:
    """Note that this boot is healthy, and where a report was accepted, that it has memory."""
    if accepted and hasattr(gc, "mem_free"):  # CPython has none
        gc.collect()
        # For `linkpost status`: what is left for the user's own code. On esp32 mem_free counts the
        # largest block beside the heap, by which that could grow.
        port.free_at_rest = gc.mem_free() - (port.tls_memory()[1] or 0)
    keep(port, 0, 0 if accepted else kept(port)[1])


def ended(port, log, error) -> None:
    """Leave the board to the person who pressed Ctrl-C; or show what nobody expected, and wait.

    The caller resets the board in that case.
    """
    if isinstance(error, KeyboardInterrupt):
        port.feed_for(None)
        # A person is at it: boots that they end did not fail, and what they deploy is new.
        keep(port, 0)
        log.info("app", "stopped by Ctrl-C")
    elif isinstance(error, Exception):
        sys.print_exception(error)
        about = "error", type(error).__name__, "why", error, "reset_in_ms", _RESET_PAUSE_MS
        log.error("app", "crashed", *about)
        _wait(port, _RESET_PAUSE_MS)


def _wait(port, ms):
    # In slices, so that Ctrl-C gets in and a watchdog that runs is fed.
    while ms > 0:
        port.feed()
        port.sleep_ms(min(ms, _SLICE_MS))
        ms -= _SLICE_MS
