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
# crashes, attempts, memory_reset, sample_in_ms, send_in_ms
_LAYOUT = const("<BBHII")


class Retained:
    """crashes      boots in a row that did not prove healthy; `boot_work` counts, `app` clears
    attempts       failures of sending in a row, of `backoff`
    memory_reset   1: a reset has tried to make the heap whole, and no report came since
    sample_in_ms   after a deep sleep, ms until the next reading
    send_in_ms     after a deep sleep, ms until the next send
    """

    def __init__(self, port):
        self._port = port
        size = struct.calcsize(_LAYOUT)
        data = port.retained()
        if len(data) < size:
            data = bytes(size)
        (
            self.crashes,
            self.attempts,
            self.memory_reset,
            self.sample_in_ms,
            self.send_in_ms,
        ) = struct.unpack_from(_LAYOUT, data)

    def keep(self, **changes) -> None:
        """Change attributes, and hand all to the port, where it retains anything."""
        for name in changes:
            setattr(self, name, changes[name])
        if self._port.retained_bytes >= struct.calcsize(_LAYOUT):
            attempts = min(self.attempts, 255)
            times = self.sample_in_ms, self.send_in_ms
            data = struct.pack(_LAYOUT, self.crashes, attempts, self.memory_reset, *times)
            self._port.retain(data)


def begin(port, log) -> bool:
    """Tell whether the app is to start: not where the board is held. Counts the boot.

    In safe mode it waits here before it lets the app try again.
    """
    if HOLD in os.listdir():
        Retained(port).keep(crashes=0)
        log.warning("app", "held: not started", "file", HOLD)
        return False
    if port.reset_cause() != "deep sleep":
        retained = Retained(port)
        if retained.crashes >= CRASHES_MAX:
            log.error(
                "app", "safe mode", "boots_failed", retained.crashes, "again_in_ms", _SAFE_MODE_MS
            )
            _wait(port, _SAFE_MODE_MS)
            retained.crashes = CRASHES_MAX - 1  # one more try, then back here
        retained.keep(crashes=retained.crashes + 1)
    return True


def prove(port, accepted) -> None:
    """Note that this boot is healthy, and where a report was accepted, that it has memory."""
    if accepted and hasattr(gc, "mem_free"):  # CPython has none
        gc.collect()
        # For `linkpost status`: what is left for the user's own code. On esp32 mem_free counts the
        # largest block beside the heap, by which that could grow.
        port.free_at_rest = gc.mem_free() - (port.tls_memory()[1] or 0)
    retained = Retained(port)
    retained.keep(crashes=0, memory_reset=0 if accepted else retained.memory_reset)


def ended(port, log, error, why) -> None:
    """Leave the board to the person who pressed Ctrl-C; or show what nobody expected, and wait.

    The caller resets the board in that case.
    """
    if isinstance(error, KeyboardInterrupt):
        port.feed_for(None)
        # A person is at it: boots that they end did not fail, and what they deploy is new.
        Retained(port).keep(crashes=0)
        log.info("app", "stopped by Ctrl-C")
    elif isinstance(error, Exception):
        # CPython has no sys.print_exception; its own hook prints the same.
        if hasattr(sys, "print_exception"):
            sys.print_exception(error)
        else:
            getattr(sys, "excepthook")(type(error), error, error.__traceback__)  # noqa: B009
        name = type(error).__name__
        log.error("app", "crashed", "error", name, "why", why, "reset_in_ms", _RESET_PAUSE_MS)
        _wait(port, _RESET_PAUSE_MS)


def _wait(port, ms):
    # In slices, so that Ctrl-C gets in and a watchdog that runs is fed.
    while ms > 0:
        port.feed()
        port.sleep_ms(min(ms, _SLICE_MS))
        ms -= _SLICE_MS
