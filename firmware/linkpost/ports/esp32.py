"""The ESP32 family: ESP32, S2, S3, C3, C6.

Source: docs/porting.md, "What MicroPython does on each chip". Tried with fakes, not on hardware.

Light sleep is reported not to wake up by itself on some S2, S3 and C6 (MicroPython issues 16462
and 19694, ESP-IDF issue 18122), and no watchdog runs meanwhile: deep sleep is the safe choice.
"""

from micropython import const

from ..errors import DRIVER_ERRORS
from . import Port

# Many a plain ESP32's temperature sensor says 128 (53.3 degrees) for ever, or now and then:
# Espressif took it out of the manual (arduino-esp32 issue 2422), ESPHome's internal_temperature
# leaves every 128 out. So many in a row, of 0.1 ms each, are no temperature until this boot has
# seen another.
_STUCK_RAW = const(128)
_STUCK_READS = const(8)


class ESP32Port(Port):
    """An ESP32. The arguments are the firmware's modules; tests hand in fakes."""

    name = "esp32"
    can_light_sleep = True
    can_deep_sleep = True
    has_radio = True
    # The task watchdog takes any period; a day is as good as none.
    watchdog_max_ms = 86_400_000
    # Of RTC memory's 2048 bytes; it survives reset, watchdog and deep sleep.
    retained_bytes = 64
    _raw_moves = False

    def __init__(self, machine=None, network=None, esp32=None, time=None):
        if machine is None:
            import time

            import esp32
            import machine
            import network
        super().__init__(machine, network, time)
        self._esp32 = esp32
        # The first ESP32 has an uncalibrated one in Fahrenheit, which many a chip has not at all.
        self.has_temperature = hasattr(esp32, "mcu_temperature")

    def feed_for(self, ms):
        # A call that blocks here blocks the task that would run a Timer's callback, so the period
        # is made longer instead: constructing the watchdog again sets it (docs/porting.md,
        # "Reset, watchdog and sleep").
        if self._watchdog is None:
            return
        if ms is None:
            self.feed_for_good()
            return
        try:
            self._watchdog = self._machine.WDT(timeout=max(ms, self._watchdog_ms))
        except DRIVER_ERRORS:
            pass  # the old period goes on
        self.feed()

    def tls_memory(self):
        # (total, free, largest block, lowest ever) of each region of the IDF heap.
        regions = self._esp32.idf_heap_info(self._esp32.HEAP_DATA)
        return sum([region[1] for region in regions]), max([region[2] for region in regions])

    def chip_temperature(self):
        if self.has_temperature:
            return self._esp32.mcu_temperature()
        for _ in range(_STUCK_READS):
            raw = self._esp32.raw_temperature()
            if raw != _STUCK_RAW:
                self._raw_moves = True
                break
        return (raw - 32) * 5 / 9 if self._raw_moves else None
