"""The ESP32 family: ESP32, S2, S3, C3, C6.

Source: PLATFORM.md sections 2, 4, 5, 7. Tried with fakes, not on hardware yet.

Light sleep is reported not to wake up by itself on some S2, S3 and C6 (MicroPython issues 16462
and 19694, ESP-IDF issue 18122), and no watchdog runs meanwhile: deep sleep is the safe choice.
"""

import gc

from micropython import const

from ..errors import DRIVER_ERRORS
from .base import (
    DEEP_SLEEP_WAKE,
    HARD_RESET,
    POWER_ON,
    SOFT_RESET,
    WATCHDOG_RESET,
    WIFI_FAILED,
    WIFI_IDLE,
    WIFI_JOINING,
    WIFI_NO_ADDRESS,
    WIFI_NOT_FOUND,
    WIFI_UP,
    WIFI_WRONG_PASSWORD,
)
from .chip import ChipPort

# machine.reset_cause(). A panic counts as 2 as well.
_CAUSES = {
    1: POWER_ON,
    2: HARD_RESET,
    3: WATCHDOG_RESET,
    4: DEEP_SLEEP_WAKE,
    5: SOFT_RESET,
}

# station.status(): 1000 and above are states, below stand the reasons of the last disconnection.
_STATUS_IDLE = const(1000)
_STATUS_JOINING = const(1001)
_STATUS_UP = const(1010)
_REASONS = {
    201: WIFI_NOT_FOUND,
    202: WIFI_WRONG_PASSWORD,
    # With WPA2 a wrong password shows as a four-way handshake that never ends: 15 from the access
    # point's side, 204 from ours.
    15: WIFI_WRONG_PASSWORD,
    204: WIFI_WRONG_PASSWORD,
}
# Tries of the driver per connect(). Its default is for ever, and then status() says "joining" for
# ever too, whatever the reason; and of several only the last one's reason is kept, which after a
# wrong password (15) is 205 (MicroPython issue 11625). `net.wifi` tries again itself.
_JOIN_TRIES = const(1)

# Many a plain ESP32's temperature sensor says 128 (53.3 degrees) for ever, or now and then:
# Espressif took it out of the manual (arduino-esp32 issue 2422), ESPHome's internal_temperature
# leaves every 128 out. So many in a row, of 0.1 ms each, are no temperature until this boot has
# seen another.
_STUCK_RAW = const(128)
_STUCK_READS = const(8)

# Of RTC memory's 2048 bytes; it survives reset, watchdog and deep sleep.
_RETAINED_BYTES = const(64)


class ESP32Port(ChipPort):
    """An ESP32. The arguments are the firmware's modules; tests hand in fakes."""

    name = "esp32"
    can_light_sleep = True
    can_deep_sleep = True
    # The task watchdog takes any period; a day is as good as none.
    watchdog_max_ms = 86_400_000
    retained_bytes = _RETAINED_BYTES
    _timer_id = 0
    _raw_moves = False

    def __init__(self, machine=None, network=None, esp32=None, time=None):
        if machine is None:
            import time

            import esp32
            import machine
            import network
        super().__init__(machine, network, time)
        self._esp32 = esp32
        # The first ESP32's is uncalibrated, and often stuck.
        self.has_temperature = hasattr(esp32, "mcu_temperature")

    def deep_sleep(self, ms):
        self._machine.deepsleep(ms)

    def reset_cause(self):
        return _CAUSES.get(self._machine.reset_cause(), POWER_ON)

    def feed_for(self, ms):
        # A call that blocks here blocks the task that would run a Timer's callback, so the period
        # is made longer instead: constructing the watchdog again sets it (PLATFORM section 7).
        # After Ctrl-C that task is free.
        if ms is None:
            super().feed_for(None)
            return
        super().feed_for(0)
        if self._watchdog is not None:
            self._watchdog = self._machine.WDT(timeout=max(ms, self._watchdog_ms))
            self._watchdog.feed()

    def _read_memory(self):
        return self._machine.RTC().memory()

    def _write_memory(self, frame):
        self._machine.RTC().memory(frame)

    def heap_free(self):
        # gc.mem_free() counts the largest block of the IDF heap, by which the GC heap may grow, as
        # its own; TLS, Wi-Fi and sockets live on the IDF heap.
        blocks = self._esp32.idf_heap_info(self._esp32.HEAP_DATA)
        idf_free = sum([block[1] for block in blocks])
        idf_largest = max([block[2] for block in blocks])
        return gc.mem_free() - idf_largest + idf_free

    def heap_largest(self):
        return max([block[2] for block in self._esp32.idf_heap_info(self._esp32.HEAP_DATA)])

    def chip_temperature(self):
        # The first ESP32 has an uncalibrated sensor in degrees Fahrenheit, the later ones Celsius.
        if self.has_temperature:
            return self._esp32.mcu_temperature()
        for _ in range(_STUCK_READS):
            raw = self._esp32.raw_temperature()
            if raw != _STUCK_RAW:
                self._raw_moves = True
                break
        return (raw - 32) * 5 / 9 if self._raw_moves else None

    def analog(self, pin):
        adc = self._machine.ADC
        # 11 dB: the whole range the pin can take, about 0.1 to 3.1 V, in calibrated microvolts.
        return adc(self._machine.Pin(pin), atten=adc.ATTN_11DB).read_uv

    def start_station(self, country, hostname, power_save):
        super().start_station(country, hostname, power_save)
        self.station().config(reconnects=_JOIN_TRIES)

    def wifi_status(self):
        station = self.station()
        code = station.status()
        if code == _STATUS_UP:
            return WIFI_UP
        if code == _STATUS_JOINING:
            # The driver does not say whether it waits for the access point or for an address; it
            # knows a signal only where it has joined.
            try:
                station.status("rssi")
            except DRIVER_ERRORS:
                return WIFI_JOINING
            return WIFI_NO_ADDRESS
        if code == _STATUS_IDLE:
            return WIFI_IDLE
        return _REASONS.get(code, WIFI_FAILED)
