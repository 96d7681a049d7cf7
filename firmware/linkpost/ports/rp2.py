"""Raspberry Pi Pico W and Pico 2 W (RP2040 and RP2350, with the CYW43 radio).

Source: PLATFORM.md sections 4, 5, 7, 11. Tried with fakes, not on hardware yet.
"""

import struct

from micropython import const

from .base import (
    HARD_RESET,
    POWER_ON,
    WATCHDOG_RESET,
    WIFI_FAILED,
    WIFI_IDLE,
    WIFI_JOINING,
    WIFI_NO_ADDRESS,
    WIFI_NOT_FOUND,
    WIFI_UP,
    WIFI_WRONG_PASSWORD,
)
from .chip import RESET_ON_PURPOSE, ChipPort

# The watchdog's counter has 24 bits; RP2040 counts twice per microsecond, RP2350 once, which
# MicroPython makes use of from 1.29.
_WATCHDOG_MAX_RP2040_MS = const(8388)
_WATCHDOG_MAX_RP2350_MS = const(16777)

# The watchdog's scratch registers 0 to 3. They outlive every reset but power-on and the RUN pin.
# Nothing else writes them: the SDK keeps its notes in 4 (that the watchdog was started on purpose)
# and, for a reboot to a given address, in 5 to 7, which MicroPython never asks for. They are also
# the first region of `machine.mem_backup()` (1.29), so one way, `mem32`, serves all versions.
_SCRATCH_RP2040 = const(0x4005_800C)
_SCRATCH_RP2350 = const(0x400D_800C)
_SCRATCH_WORDS = const(4)

# machine.reset_cause() knows 1 and 3; reset() and deepsleep() go through the watchdog too.
_CAUSE_WATCHDOG = const(3)

# station.status() of the CYW43 driver; 2 has no name in `network`.
_STATUSES = {
    0: WIFI_IDLE,
    1: WIFI_JOINING,
    2: WIFI_NO_ADDRESS,
    3: WIFI_UP,
    -1: WIFI_FAILED,
    -2: WIFI_NOT_FOUND,
    -3: WIFI_WRONG_PASSWORD,
}


class RP2Port(ChipPort):
    """A Pico W. The arguments are the firmware's modules and `sys.implementation`."""

    name = "rp2"
    can_light_sleep = True
    # deepsleep() is a light sleep and then a reset: no power saved, and the clock is lost.
    can_deep_sleep = False
    has_temperature = True
    # Four words less the frame's head.
    retained_bytes = 12

    def __init__(self, machine=None, network=None, implementation=None, time=None):
        if machine is None:
            import sys
            import time

            import machine
            import network

            implementation = sys.implementation
        super().__init__(machine, network, time)
        is_rp2350 = "RP2350" in implementation._machine
        if is_rp2350 and tuple(implementation.version[:2]) >= (1, 29):
            self.watchdog_max_ms = _WATCHDOG_MAX_RP2350_MS
        else:
            self.watchdog_max_ms = _WATCHDOG_MAX_RP2040_MS
        self._scratch = _SCRATCH_RP2350 if is_rp2350 else _SCRATCH_RP2040
        self._unix_at_boot_ms = None

    # The RTC stands still in a light sleep from MicroPython 1.23 to 1.29 (its issue 16519), and
    # knows whole seconds only; the timer behind the ticks runs on. So once the time is set, it
    # is counted by uptime, and the RTC is a copy for those who look at it: TLS, a soft reset.

    def unix_ms(self):
        if self._unix_at_boot_ms is None:
            return super().unix_ms()
        return self._unix_at_boot_ms + self.uptime_ms()

    def set_unix_ms(self, unix_ms):
        self._unix_at_boot_ms = unix_ms - self.uptime_ms()
        # To the nearest second, as the RTC would leave the fraction out.
        super().set_unix_ms((unix_ms + 500) // 1000 * 1000)

    def light_sleep(self, ms):
        unix_ms = self.unix_ms()
        uptime_ms = self.uptime_ms()
        super().light_sleep(ms)
        self.set_unix_ms(unix_ms + self.uptime_ms() - uptime_ms)

    def reset_cause(self):
        # After a soft reset this is still what started the chip: nothing here tells the two apart.
        if self._machine.reset_cause() != _CAUSE_WATCHDOG:
            return POWER_ON
        return HARD_RESET if self._flag(RESET_ON_PURPOSE) else WATCHDOG_RESET

    def start_watchdog(self, ms):
        super().start_watchdog(ms)
        # From here on a reset may be the watchdog's; before, it can only have been on purpose.
        self._set_flag(RESET_ON_PURPOSE, False)

    def reset(self):
        self._set_flag(RESET_ON_PURPOSE, True)
        super().reset()

    def _read_memory(self):
        words = [self._machine.mem32[self._scratch + 4 * i] for i in range(_SCRATCH_WORDS)]
        # A word's upper half may come as a negative number.
        return struct.pack("<4I", *[word & 0xFFFFFFFF for word in words])

    def _write_memory(self, frame):
        for i, word in enumerate(struct.unpack("<4I", frame)):
            self._machine.mem32[self._scratch + 4 * i] = word

    def chip_temperature(self):
        adc = self._machine.ADC(self._machine.ADC.CORE_TEMP)
        # 0.706 V at 27 degrees, 1.721 mV less per degree (RP2040 datasheet, temperature sensor).
        return 27 - (adc.read_u16() * 3.3 / 65535 - 0.706) / 0.001721

    def analog(self, pin):
        adc = self._machine.ADC(self._machine.Pin(pin))
        return lambda: adc.read_u16() * 3_300_000 // 65535

    def _power_down(self):
        super()._power_down()
        # A radio with a poll pending makes lightsleep() return at once.
        self._wlan.deinit()

    def wifi_status(self):
        return _STATUSES.get(self.station().status(), WIFI_FAILED)
