"""The virtual board's `machine`: reset, sleep and watchdog, carried out by the supervisor.

It stands where a chip's own module stands, on MicroPython's unix port and on CPython. Only what a
chip's power and reset need is here: there are no pins.
"""

import binascii
import time

import virtual_control

PWRON_RESET = 1
HARD_RESET = 2
WDT_RESET = 3
DEEPSLEEP_RESET = 4
SOFT_RESET = 5

# Set by the boot script, before the firmware sees this module: the kind of board, and why it
# started.
WATCHDOG_MAX_MS = 0
RETAINED_BYTES = 0
CAN_DEEP_SLEEP = True
_cause = "power on"
_retained = b""

# In the words of the firmware's port contract.
_CAUSES = {
    "power on": PWRON_RESET,
    "hard": HARD_RESET,
    "watchdog": WDT_RESET,
    "deep sleep": DEEPSLEEP_RESET,
    "soft": SOFT_RESET,
}


def power_up(watchdog_max_ms, retained_bytes, can_deep_sleep, cause, retained) -> None:
    """Tell what a chip knows when it starts; `retained` in hex."""
    global WATCHDOG_MAX_MS, RETAINED_BYTES, CAN_DEEP_SLEEP, _cause, _retained
    CAN_DEEP_SLEEP = can_deep_sleep
    WATCHDOG_MAX_MS = watchdog_max_ms
    RETAINED_BYTES = retained_bytes
    _cause = cause
    known = binascii.unhexlify(retained)
    _retained = known + bytes(retained_bytes - len(known))


def cause() -> str:
    """Return why the board started, in the words of the firmware's port contract."""
    return _cause


def reset_cause() -> int:
    """Return why the board started, as a chip's `machine` does."""
    return _CAUSES[_cause]


def retained() -> bytes:
    """Return the memory that outlives a reset and deep sleep: zeros after a loss of power."""
    return _retained


def retain(data) -> None:
    """Keep `data`, at most RETAINED_BYTES of it, until the power goes."""
    global _retained
    if len(data) > RETAINED_BYTES:
        raise ValueError(f"at most {RETAINED_BYTES} bytes are retained")
    _retained = bytes(data) + _retained[len(data) :]
    virtual_control.say("retain", data=binascii.hexlify(_retained.rstrip(b"\0")).decode())


def reset() -> None:
    """Start again, as the reset button does; does not return."""
    virtual_control.end("reset")


def soft_reset() -> None:
    """Start MicroPython again; the watchdog goes on, and RAM is lost."""
    raise SystemExit


def deepsleep(ms=0) -> None:
    """End this life; the supervisor starts the next after `ms`. Does not return."""
    virtual_control.end("deep sleep", ms=ms)


def lightsleep(ms=0) -> None:
    """Wait. The watchdog goes on: who sleeps longer than it allows is bitten."""
    time.sleep(ms / 1000)


def unique_id() -> bytes:
    return b"virtual\x00"


def feed_for(ms) -> None:
    """Let a timer feed the watchdog for `ms`; None: until the next reset, soft or hard; 0 ends it.

    What a chip's `Timer` does when no code runs and the REPL waits: the unix port has no timers,
    so this one is the supervisor's.
    """
    virtual_control.say("feed for", ms=ms)


class WDT:
    """The watchdog. The supervisor counts, so that nothing in this process can stop it."""

    def __init__(self, id=0, timeout=5000):
        if not 0 < timeout <= WATCHDOG_MAX_MS:
            raise ValueError(f"timeout exceeds {WATCHDOG_MAX_MS}")
        virtual_control.say("watchdog", ms=timeout)

    def feed(self):
        virtual_control.say_fed()
