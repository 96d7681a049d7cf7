"""Raspberry Pi Pico W and Pico 2 W (RP2040 and RP2350, with the CYW43 radio).

Source: docs/porting.md, "What MicroPython does on each chip". Tried with fakes and on the chip's
own build in an emulator without its radio, not on hardware yet.
"""

import gc

from micropython import const

from ..errors import DRIVER_ERRORS
from . import Port

# The watchdog's scratch registers 0 to 3. They outlive every reset but power-on and the RUN pin.
# Nothing else writes them: the SDK keeps its notes in 4 (that the watchdog was started on purpose)
# and, for a reboot to a given address, in 5 to 7, which MicroPython never asks for. They are also
# the first region of `machine.mem_backup()` (1.29), so one way, `mem32`, serves all versions.
_SCRATCH_RP2040 = const(0x4005_800C)
_SCRATCH_RP2350 = const(0x400D_800C)

# The Timer that feeds while one call blocks: several feeds in the shortest period that makes
# sense. -1 is a soft timer, rp2 has no others.
_FEED_PERIOD_MS = const(500)
_TIMER = const(-1)


class RP2Port(Port):
    """A Pico W. The arguments are the firmware's modules and `sys.implementation`."""

    name = "rp2"
    can_light_sleep = True
    # deepsleep() is a light sleep and then a reset: no power saved, and the clock is lost.
    can_deep_sleep = False
    has_temperature = True
    has_radio = True
    # The counter has 24 bits, and counts twice per microsecond. RP2350 counts once, but only from
    # MicroPython 1.29 on does that give it 16,777.
    watchdog_max_ms = 8388
    # Four words less the frame's head.
    retained_bytes = 12
    # The RTC stands still in a light sleep from MicroPython 1.23 to 1.29 (its issue 16519), and
    # knows whole seconds only; the timer behind the ticks runs on. So once the time is set, it
    # is counted by uptime, and the RTC is a copy for those who look at it: TLS, a soft reset.
    _unix_at_boot_ms = None
    _feeder = None
    _feeds = 0

    def __init__(self, machine=None, network=None, implementation=None, time=None):
        if machine is None:
            import sys
            import time

            import machine
            import network

            implementation = sys.implementation
        super().__init__(machine, network, time)
        is_rp2350 = "RP2350" in implementation._machine
        self._scratch = _SCRATCH_RP2350 if is_rp2350 else _SCRATCH_RP2040

    def unix_ms(self):
        if self._unix_at_boot_ms is None:
            return super().unix_ms()
        return self._unix_at_boot_ms + self.uptime_ms()

    def feed_for(self, ms):
        if self._feeder is not None:
            self._feeder.deinit()
            self._feeder = None
        self.feed()
        if self._watchdog is not None and ms != 0:
            self._feeds = -1 if ms is None else ms // _FEED_PERIOD_MS
            timer = self._machine.Timer
            try:
                self._feeder = timer(
                    _TIMER,
                    mode=timer.PERIODIC,
                    period=_FEED_PERIOD_MS,
                    callback=self._feeder_fires,
                )
            except DRIVER_ERRORS:
                pass  # then the watchdog ends a call that takes too long

    def _feeder_fires(self, timer):
        if self._feeds:
            self._feeds -= 1
            self._watchdog.feed()  # type: ignore[attr-defined]

    def tls_memory(self):
        return gc.mem_free(), None

    def chip_temperature(self):
        adc = self._machine.ADC(self._machine.ADC.CORE_TEMP)
        # 0.706 V at 27 degrees, 1.721 mV less per degree (RP2040 datasheet, temperature sensor).
        return 27 - (adc.read_u16() * 3.3 / 65535 - 0.706) / 0.001721
