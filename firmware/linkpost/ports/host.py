"""The desktop as a port: CPython, and MicroPython's unix port (the virtual board).

On the virtual board a `machine` module stands earlier on `sys.path` and gives reset, deep sleep
and watchdog; the host port finds it, or is handed it. On a plain desktop there is none, and a
capability that would need it is absent.
"""

import os
import sys
import time

from . import Port

if hasattr(time, "ticks_ms"):
    _ticks_ms = time.ticks_ms
else:

    def _ticks_ms():
        return time.monotonic_ns() // 1_000_000  # type: ignore[attr-defined]


class HostPort(Port):
    """A desktop process. `machine` is the virtual board's module, or None."""

    name = "host"
    can_light_sleep = can_deep_sleep = has_radio = False
    watchdog_max_ms = None
    retained_bytes = 0
    _watchdog_ms = 0
    _RARE = ("chip heap heap_free heap_largest", "host")

    def __init__(self, machine=None):
        if machine is None:
            # The unix port has a `machine` of its own, without what a chip's power and reset need.
            machine = sys.modules.get("machine")
            if not hasattr(machine, "WATCHDOG_MAX_MS"):
                machine = None
        self._machine = machine
        # A desktop has no sensor of its own; a virtual board may have one.
        self.has_temperature = hasattr(machine, "chip_temperature")
        if machine is not None:
            self.can_light_sleep = True
            self.can_deep_sleep = getattr(machine, "CAN_DEEP_SLEEP", True)
            self.watchdog_max_ms = machine.WATCHDOG_MAX_MS
            self.retained_bytes = machine.RETAINED_BYTES
        self._boot_ms = _ticks_ms()

    def uptime_ms(self):
        # 62-bit ticks do not wrap in the life of a process.
        return _ticks_ms() - self._boot_ms  # type: ignore[operator]

    def unix_ms(self):
        return time.time_ns() // 1_000_000

    def sleep_ms(self, ms):
        time.sleep(ms / 1000)

    def random_bytes(self, length):
        return os.urandom(length)

    def station(self):
        return None

    def feed_for(self, ms):
        if self._watchdog is not None:
            self._machine.feed_for(ms)

    def tls_memory(self):
        return 1 << 30, None  # malloc's, not the GC heap's: enough

    def chip_temperature(self):
        return self._machine.chip_temperature() if self.has_temperature else None

    def analog(self, pin):
        raise ValueError("this machine has no analog pins")
