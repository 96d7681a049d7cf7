"""The desktop as a port: CPython, and MicroPython's unix port (the virtual board).

On the virtual board a `machine` module stands earlier on `sys.path` and gives reset, deep sleep
and watchdog; the host port finds it, or is handed it. On a plain desktop there is none, and a
capability that would need it is absent.
"""

import gc
import os
import sys
import time

from ..errors import ConfigError
from .base import POWER_ON, Port


def _virtual_machine():
    """Return the virtual board's `machine`, which is loaded before the firmware; else None.

    The unix port has a `machine` of its own, without what a chip's power and reset need.
    """
    machine = sys.modules.get("machine")
    return machine if hasattr(machine, "WATCHDOG_MAX_MS") else None


class HostPort(Port):
    """A desktop process. `machine` is the virtual board's module, or None."""

    name = "host"

    def __init__(self, machine=None):
        if machine is None:
            machine = _virtual_machine()
        self._machine = machine
        if hasattr(time, "ticks_ms"):
            self.ticks_ms = time.ticks_ms
            self.ticks_diff = time.ticks_diff
        if machine is not None:
            self.can_light_sleep = True
            self.can_deep_sleep = getattr(machine, "CAN_DEEP_SLEEP", True)
            self.watchdog_max_ms = machine.WATCHDOG_MAX_MS
            self.retained_bytes = machine.RETAINED_BYTES
        # A desktop has none; a virtual board may have one.
        self.has_temperature = hasattr(machine, "chip_temperature")
        self._watchdog = None
        self._watchdog_ms = 0
        self._boot_ticks = self.ticks_ms()

    def ticks_ms(self):
        return time.monotonic_ns() // 1_000_000  # type: ignore[attr-defined]

    def ticks_diff(self, later, earlier):
        return later - earlier

    def uptime_ms(self):
        # 62-bit ticks do not wrap in the life of a process.
        return self.ticks_diff(self.ticks_ms(), self._boot_ticks)

    def unix_ms(self):
        return time.time_ns() // 1_000_000

    def set_unix_ms(self, unix_ms):
        """The desktop keeps its own time; a process does not set it."""

    def sleep_ms(self, ms):
        time.sleep(ms / 1000)

    def light_sleep(self, ms):
        # In pieces, as on the chips: the watchdog goes on.
        start = self.ticks_ms()
        while True:
            self.feed()
            left_ms = ms - self.ticks_diff(self.ticks_ms(), start)
            if left_ms <= 0:
                return
            piece_ms = min(left_ms, self._watchdog_ms // 2) if self._watchdog_ms else left_ms
            self._machine.lightsleep(piece_ms)

    def deep_sleep(self, ms):
        self._machine.deepsleep(ms)

    def start_watchdog(self, ms):
        if self._machine is None:
            return
        if ms > self.watchdog_max_ms:
            raise ConfigError(
                "watchdog_s", "this board takes at most %d ms" % self.watchdog_max_ms
            )
        self._watchdog = self._machine.WDT(timeout=ms)
        self._watchdog_ms = ms

    def feed(self):
        if self._watchdog is not None:
            self._watchdog.feed()

    def feed_for(self, ms):
        if self._watchdog is not None:
            self._machine.feed_for(ms)

    def reset(self):
        if self._machine is None:
            raise SystemExit
        self._machine.reset()

    def reset_cause(self):
        return POWER_ON if self._machine is None else self._machine.cause()

    def retained(self):
        return b"" if self._machine is None else self._machine.retained()

    def retain(self, data):
        room = self.retained_bytes - len(data)
        if room < 0:
            raise ValueError("at most %d bytes are retained" % self.retained_bytes)
        if self._machine is not None:
            self._machine.retain(bytes(data) + bytes(room))

    def chip_temperature(self):
        return self._machine.chip_temperature() if self.has_temperature else None

    def unique_id(self):
        return b"host"

    def heap_free(self):
        # CPython has no bound to report.
        return gc.mem_free() if hasattr(gc, "mem_free") else 0

    def random_bytes(self, length):
        return os.urandom(length)
