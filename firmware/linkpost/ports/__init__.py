"""What the firmware may ask of a chip, stated once, and `detect`, which finds the chip's port.

Only this room imports `machine`, `network`, `esp32` and `rp2`. Everyone else is handed a port, or
a piece of one. A capability is data (`port.can_deep_sleep`), never an ImportError.

A port has two parts. What the loop asks for in each step are methods, here and in the chip's file.
What is asked for once a boot or once a day (setting the clock, starting the radio, why the chip
started, sleep) are functions of the modules named `..._rare`, one of which is loaded when asked
for, and let go of with the next `feed` or for another one; their first argument is the port, and
they are called as its methods: `port.reset_cause()`.

Hold on to no such function, nor to a generator or lambda of one: it keeps its whole module.
"""

import os
import sys

from micropython import const

from ..loader import load

# 2000-01-01 in Unix ms. esp32 counts from 2000, all others from 1970 (docs/porting.md, "Clock and
# ticks"); `time.gmtime(0)[0]` tells. This is the one place that knows the offset.
_EPOCH_2000_MS = const(946_684_800_000)

# ticks_ms wraps there on both chips (docs/porting.md, "Clock and ticks").
_TICKS_MASK = const(0x3FFF_FFFF)
# A Timer's callback may ask for the uptime in the middle of being told it: later, by that much.
_LATE_MS = const(0x10_0000)


class Port:
    """A chip that runs MicroPython. Times are in ms; `unix_ms` is since 1970 on every port.

    Args: the firmware's modules; tests hand in fakes.

    name               "esp32", "rp2" or "host"
    has_temperature    a temperature sensor of the chip's own that is worth the name
    has_radio          whether `station()` gives a Wi-Fi interface
    watchdog_max_ms    longest watchdog period the chip takes; None: there is no watchdog
    retained_bytes     of `retained()`: memory that outlives a reset and, where there is one, deep
                       sleep
    free_at_rest       bytes of MicroPython's heap that were free after this boot's first report;
                       None: there was none yet
    random_bytes(length)  random bytes of the chip
    sleep_ms(ms)       wait, awake
    """

    free_at_rest: int = None
    # What is rare: a module of this room, and its functions; the last one has all others.
    _RARE: tuple = (
        "radio start_station stop_station wifi_status wifi_code wifi_rssi",
        "chip heap heap_free heap_largest unique_id pin led analog",
        "sleep light_sleep deep_sleep feed_for_good",
        "boots",
    )
    _rare = _rare_names = None
    _watchdog = None
    _wlan = None

    def __init__(self, machine, network, time):
        self._machine = machine
        self._network = network
        self._time = time
        self.sleep_ms = time.sleep_ms
        self.random_bytes = os.urandom
        self._epoch_ms = 0 if time.gmtime(0)[0] == 1970 else _EPOCH_2000_MS
        self._uptime_ms = 0
        self._ticks = time.ticks_ms()

    def __getattr__(self, name):
        # Only asked for what an object and its class have not: a rare method.
        for names in self._RARE:
            if name in names.split():
                break
        if self._rare is None or names != self._rare_names:
            self._rare = None  # never beside another
            self._rare = load("ports.%s_rare" % names.split()[0])
            self._rare_names = names
        function = getattr(self._rare, name)
        return lambda *arguments: function(self, *arguments)

    def uptime_ms(self) -> int:
        """Return ms since boot; right for as long as it is asked for once in 12 days.

        Whoever counts by it need not know of the ticks' wrap.
        """
        ticks = self._time.ticks_ms()
        passed_ms = (ticks - self._ticks + _LATE_MS & _TICKS_MASK) - _LATE_MS
        self._ticks = ticks
        self._uptime_ms += passed_ms
        return self._uptime_ms

    def unix_ms(self) -> int:
        """Return what the RTC says, ms since 1970, right or not; `clock_marked` tells."""
        # time_ns is an int, where time() is only whole seconds.
        return self._time.time_ns() // 1_000_000 + self._epoch_ms

    def feed(self) -> None:
        """Feed the watchdog if it was started; cheap, called between all steps."""
        self._rare = None
        if self._watchdog is not None:
            self._watchdog.feed()

    def station(self):
        """Return the Wi-Fi station interface (`network.WLAN`), or None where there is no radio."""
        if self._wlan is None:
            # STA_IF is the name that both chips and all versions have.
            self._wlan = self._network.WLAN(self._network.STA_IF)
        return self._wlan

    if __debug__:
        # What each chip's file brings along. On a board, whose byte code is made with -O2, these
        # are not there.

        def feed_for(self, ms) -> None:
            """Keep the watchdog quiet for up to `ms` while one call blocks; 0 ends it; never
            raises. None: for good.

            For what cannot be cut into steps: name resolution, which on rp2 takes up to 14 s with
            two servers that are silent, longer than its watchdog can be set. The bound stays, so a
            call that hangs still ends in a reset. None is for after Ctrl-C, until the reset. Does
            nothing where no watchdog was started.
            """
            raise NotImplementedError

        def tls_memory(self) -> tuple:
            """Return (bytes free, largest block) of the memory that a TLS connection takes.

            On esp32 that is the IDF heap; else the GC heap, whose largest block is None: only
            `heap` can find it. Cheap: nothing is loaded, nothing is collected.
            """
            raise NotImplementedError

        def chip_temperature(self):
            """Return the chip's own temperature in degrees Celsius, None where no sensor works."""
            raise NotImplementedError


_port = None


def detect():
    """Return the port of the chip this runs on; a host port on a desktop.

    It is one object for all who ask, as there is one chip: it knows whether the watchdog was
    started, and counts the time. Nothing is touched before somebody asks. The only place in the
    firmware that branches on `sys.platform`.
    """
    global _port
    if _port is None:
        if sys.platform == "esp32":
            from .esp32 import ESP32Port as Detected
        elif sys.platform == "rp2":
            from .rp2 import RP2Port as Detected
        else:
            from .host import HostPort as Detected
        _port = Detected()
    return _port
