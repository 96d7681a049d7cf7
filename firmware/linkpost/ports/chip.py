"""What both chips share: MicroPython's own `machine`, `network` and `time`.

Tried with fakes that behave as PLATFORM.md says, not on hardware yet: the file
host_tests/contract/port_contract.py runs on a board.
"""

import gc
import os
from binascii import crc32

from micropython import const

from ..errors import DRIVER_ERRORS, ConfigError
from ..loader import load
from .base import EPOCH_2000_S, WIFI_UP, Port

# A light sleep is cut into pieces: rp2 takes 71 minutes at most, and a watchdog goes on running.
# On an RP2040 before MicroPython 1.29 it must not bite meanwhile: the chip then hangs until its
# power is cut (MicroPython issue 17228).
_SLEEP_PIECE_MS = 3_600_000
# Awake for so long when a light sleep came back at once, before it is tried again: the radio's
# driver has to run before the chip can sleep (PLATFORM section 7).
_SLEEP_AGAIN_MS = 50
# The Timer that feeds while one call blocks. Half a second: several feeds in the shortest period
# that makes sense.
_FEED_PERIOD_MS = 500


# Flags beside the retained data.
_CLOCK_RIGHT = const(1)
RESET_ON_PURPOSE = 2
# Tells our frame from noise, and from an older layout.
_MAGIC = const(0x4C)
_FRAME_HEAD = const(4)


class ChipPort(Port):
    """A chip that runs MicroPython. `time` may be a fake: a module with MicroPython's names."""

    has_radio = True
    # The number of the Timer that feeds: -1 is a soft timer, rp2 has no others.
    _timer_id = -1

    def __init__(self, machine, network, time):
        self._machine = machine
        self._network = network
        self._time = time
        self.ticks_ms = time.ticks_ms
        self.ticks_diff = time.ticks_diff
        self.sleep_ms = time.sleep_ms
        # 2000 on esp32, 1970 on rp2: found out.
        self._epoch_ms = 0 if time.gmtime(0)[0] == 1970 else EPOCH_2000_S * 1000
        self._uptime_ms = 0
        self._uptime_ticks = time.ticks_ms()
        self._watchdog = None
        self._watchdog_ms = 0
        self._feeder = None
        self._feeder_start = 0
        self._feeder_ms = None
        self._wlan = None

    # -- time ---------------------------------------------------------------------------------

    def uptime_ms(self):
        now = self._time.ticks_ms()
        self._uptime_ms += self._time.ticks_diff(now, self._uptime_ticks)
        self._uptime_ticks = now
        return self._uptime_ms

    def unix_ms(self):
        # time_ns is an int, where time() is only whole seconds.
        return self._time.time_ns() // 1_000_000 + self._epoch_ms

    def set_unix_ms(self, unix_ms):
        year, month, day, hour, minute, second, weekday = load("dates").civil(unix_ms // 1000)
        microsecond = unix_ms % 1000 * 1000
        self._machine.RTC().datetime(
            (year, month, day, weekday, hour, minute, second, microsecond)
        )

    def light_sleep(self, ms):
        self.stop_station()
        # By uptime, which the pieces keep from losing a wrap of the ticks.
        end_ms = self.uptime_ms() + ms
        left_ms = ms
        while left_ms > 0:
            self.feed()
            piece_ms = min(left_ms, _SLEEP_PIECE_MS)
            if self._watchdog is not None:
                piece_ms = min(piece_ms, self._watchdog_ms // 2)
            self._machine.lightsleep(piece_ms)
            slept_ms = left_ms - (end_ms - self.uptime_ms())
            left_ms -= slept_ms
            if slept_ms < piece_ms:
                # It may have come back at once, without sleeping at all.
                self._time.sleep_ms(min(_SLEEP_AGAIN_MS, left_ms))
                left_ms = end_ms - self.uptime_ms()
        self.feed()

    # -- watchdog and reset -------------------------------------------------------------------

    def start_watchdog(self, ms):
        if self.watchdog_max_ms is not None and ms > self.watchdog_max_ms:
            limit = "%d.%03d" % (self.watchdog_max_ms // 1000, self.watchdog_max_ms % 1000)
            raise ConfigError("watchdog_s", "this chip takes at most %s" % limit)
        self._watchdog = self._machine.WDT(timeout=ms)
        self._watchdog_ms = ms

    def feed(self):
        if self._watchdog is not None:
            self._watchdog.feed()

    def feed_for(self, ms):
        if self._feeder is not None:
            self._feeder.deinit()
            self._feeder = None
        if self._watchdog is None:
            return
        self.feed()
        if ms != 0:
            self._feeder_start = self._time.ticks_ms()
            self._feeder_ms = ms
            timer_class = self._machine.Timer
            self._feeder = timer_class(self._timer_id)
            self._feeder.init(
                mode=timer_class.PERIODIC, period=_FEED_PERIOD_MS, callback=self._feeder_fires
            )

    def _feeder_fires(self, timer):
        passed_ms = self._time.ticks_diff(self._time.ticks_ms(), self._feeder_start)
        if self._feeder_ms is None or passed_ms < self._feeder_ms:
            self.feed()
        else:
            timer.deinit()

    def reset(self):
        self._machine.reset()

    # -- retained memory ------------------------------------------------------------------------
    # Frame: magic (1 byte), flags (1), CRC-32's low 16 bits over flags and data (2), data. After a
    # loss of power it holds zeros or noise, which this does not take for a frame.

    def _read_memory(self):
        """Return the bytes of the memory that outlives a reset: a whole frame, or any others."""
        raise NotImplementedError

    def _write_memory(self, frame):
        raise NotImplementedError

    def _flags_and_data(self):
        frame = self._read_memory()
        length = self.retained_bytes
        if len(frame) >= _FRAME_HEAD + length and frame[0] == _MAGIC:
            data = bytes(frame[_FRAME_HEAD : _FRAME_HEAD + length])
            if _check(frame[1], data) == frame[2] | frame[3] << 8:
                return frame[1], data
        return 0, bytes(length)

    def _write_frame(self, flags, data):
        check = _check(flags, data)
        self._write_memory(bytes((_MAGIC, flags, check & 0xFF, check >> 8)) + data)

    def retained(self):
        return self._flags_and_data()[1]

    def retain(self, data):
        room = self.retained_bytes - len(data)
        if room < 0:
            raise ValueError("at most %d bytes are retained" % self.retained_bytes)
        self._write_frame(self._flags_and_data()[0], bytes(data) + bytes(room))

    def _flag(self, mask):
        return bool(self._flags_and_data()[0] & mask)

    def _set_flag(self, mask, on):
        flags, data = self._flags_and_data()
        self._write_frame(flags | mask if on else flags & ~mask, data)

    def clock_marked(self):
        return self._flag(_CLOCK_RIGHT)

    def mark_clock(self, right):
        self._set_flag(_CLOCK_RIGHT, right)

    # -- system -------------------------------------------------------------------------------

    def unique_id(self):
        return self._machine.unique_id()

    def heap_free(self):
        return gc.mem_free()

    def random_bytes(self, length):
        return os.urandom(length)

    # -- pins ---------------------------------------------------------------------------------

    def pin(self, pin):
        return self._machine.Pin(pin)

    def led(self, pin):
        return self._machine.Pin(pin, self._machine.Pin.OUT).value

    # -- radio --------------------------------------------------------------------------------

    def station(self):
        if self._wlan is None:
            # STA_IF is the name that both chips and all versions have.
            self._wlan = self._network.WLAN(self._network.STA_IF)
        return self._wlan

    def start_station(self, country, hostname, power_save):
        station = self.station()
        # Both count only if they come before the interface is up.
        if country:
            self._network.country(country)
        if hostname:
            self._network.hostname(hostname)
        station.active(True)
        station.config(pm=station.PM_POWERSAVE if power_save else station.PM_NONE)

    def stop_station(self):
        if self._wlan is None:
            return
        for stop in (self._wlan.disconnect, self._power_down):
            try:
                stop()
            except DRIVER_ERRORS:
                pass  # "Wifi Not Started": it is down already

    def _power_down(self):
        self._wlan.active(False)

    def wifi_code(self):
        return self.station().status()

    def wifi_rssi(self):
        # While not joined cyw43 gives a number that means nothing, esp32 an OSError.
        if self.wifi_status() != WIFI_UP:
            return None
        try:
            return self.station().status("rssi")
        except DRIVER_ERRORS:  # left in this very moment
            return None


def _check(flags, data):
    return crc32(bytes((flags,)) + data) & 0xFFFF
