"""Chips without hardware: fakes of `time`, `machine` and `esp32`, as docs/porting.md says.

A `Chip` outlives its boots, as the real one does: its RTC memory or scratch registers, its clock
and the cause of the last reset stay with it. A reset ends a boot by raising `Reset`; the next boot
is a new port on the same chip. Nothing here sleeps: time is a number that `advance` moves, and the
watchdog bites when it has moved too far.
"""

_TICKS_PERIOD = 1 << 30  # docs/porting.md, "Clock and ticks": ticks_ms wraps there on the chips


class Reset(BaseException):
    """The chip starts again; passes through `except Exception` as a real reset would."""


class Time:
    """MicroPython's `time` on a chip, and the chip's passing of time."""

    def __init__(self, chip):
        self._chip = chip

    def ticks_ms(self):
        return (self._chip.ticks_at_boot + self._chip.now_ms - self._chip.boot_ms) % _TICKS_PERIOD

    def ticks_diff(self, later, earlier):
        half = _TICKS_PERIOD // 2
        return (later - earlier + half) % _TICKS_PERIOD - half

    def sleep_ms(self, ms):
        self._chip.advance(ms)

    def time_ns(self):
        epoch_ms = 0 if self._chip.epoch == 1970 else 946_684_800_000
        # A whole number of ms, as nothing here is finer.
        return (self._chip.rtc_ms() - epoch_ms) * 1_000_000

    def gmtime(self, seconds):
        assert seconds == 0, "the firmware uses it to find the epoch only"
        return (self._chip.epoch, 1, 1, 0, 0, 0, 3, 1)


class Chip:
    """What both chips share. `machine` is the fake module of the boot that runs now."""

    epoch = 1970
    rtc_has_fractions = False
    # A soft Timer's callback runs while a blocking call waits, on rp2 only (docs/porting.md,
    # "Reset, watchdog and sleep").
    timers_run_while_blocked = True

    def __init__(self):
        self.now_ms = 0
        self.ticks_at_boot = 0
        self.resets = 0
        self.slept_ms = 0
        self.time = Time(self)
        self.wlan = None  # the fake station, so that a light sleep can look at it
        self._power_on()

    def _power_on(self):
        self.cause = 1
        self._boot()

    def _boot(self):
        self.boot_ms = self.now_ms
        self.timers = []
        self.watchdog_ms = None
        self.fed_ms = 0
        self.pins = {}
        self.machine = self._machine()

    def power_cut(self):
        """Lose the power, and come back."""
        self.lose_memory()
        self._power_on()

    def restart(self, cause):
        """Boot again with that cause and tell so; the caller's boot has ended."""
        self.cause = cause
        self.resets += 1
        self._boot()
        raise Reset

    def rtc_ms(self):
        return self.rtc_base_ms + self.now_ms

    def set_rtc_ms(self, unix_ms):
        self.rtc_base_ms = unix_ms - self.now_ms

    def advance(self, ms, blocked=False):
        """Let time pass: timers fire in their order, the watchdog bites when it is due."""
        end_ms = self.now_ms + ms
        while True:
            next_ms = end_ms
            due = None
            if not blocked or self.timers_run_while_blocked:
                for timer in self.timers:
                    if timer.due_ms <= next_ms:
                        next_ms = timer.due_ms
                        due = timer
            if self.watchdog_ms is not None and self.fed_ms + self.watchdog_ms <= next_ms:
                self.now_ms = self.fed_ms + self.watchdog_ms
                self.restart(3)
            self.now_ms = next_ms
            if due is None:
                return
            due.due_ms += due.period_ms
            due.callback(due)

    def block(self, ms):
        """One C call that takes so long, name resolution for one."""
        self.advance(ms, blocked=True)


class Timer:
    """machine.Timer of one chip; made by the factories below."""

    ONE_SHOT = 0
    PERIODIC = 1

    def __init__(self, chip):
        self._chip = chip

    def init(self, mode, period, callback):
        assert mode == self.PERIODIC
        self.period_ms = period
        self.due_ms = self._chip.now_ms + period
        self.callback = callback
        self._chip.timers.append(self)

    def deinit(self):
        if self in self._chip.timers:
            self._chip.timers.remove(self)


class TimerClass:
    """Stands for the class `machine.Timer`, with the numbers that chip has."""

    ONE_SHOT = Timer.ONE_SHOT
    PERIODIC = Timer.PERIODIC

    def __init__(self, chip, numbers):
        self._chip = chip
        self._numbers = numbers

    def __call__(self, number=-1, **settings):
        if number not in self._numbers:
            raise ValueError("Timer doesn't exist")
        timer = Timer(self._chip)
        if settings:
            timer.init(**settings)
        return timer


class WDT:
    """machine.WDT: cannot be stopped; constructed again it has the new period (esp32)."""

    def __init__(self, chip, timeout):
        self._chip = chip
        chip.watchdog_ms = timeout
        chip.fed_ms = chip.now_ms

    def feed(self):
        self._chip.fed_ms = self._chip.now_ms


class Pin:
    """machine.Pin; `level` is what was written last."""

    IN = 0
    OUT = 1

    def __init__(self, chip, number, mode):
        if number not in chip.pin_names:
            raise ValueError("invalid pin")
        self.number = number
        self.mode = mode
        self.level = 0
        chip.pins[number] = self

    def value(self, level=None):
        if level is not None:
            self.level = level
        return self.level


class PinClass:
    """Stands for the class `machine.Pin`."""

    IN = Pin.IN
    OUT = Pin.OUT

    def __init__(self, chip):
        self._chip = chip

    def __call__(self, number, mode=Pin.IN):
        return Pin(self._chip, number, mode)


class Machine:
    """What the two `machine` modules share."""

    def __init__(self, chip):
        self.chip = chip
        self.Pin = PinClass(chip)

    def reset_cause(self):
        return self.chip.cause

    def unique_id(self):
        return self.chip.unique_id

    def RTC(self):  # noqa: N802 - MicroPython's name
        return RTC(self.chip)


class RTC:
    """machine.RTC: one object, however often it is constructed."""

    def __init__(self, chip):
        self._chip = chip

    def datetime(self, fields):
        year, month, day, _, hour, minute, second, microsecond = fields
        days = -719_468
        if month < 3:
            year, month = year - 1, month + 12
        days += year * 365 + year // 4 - year // 100 + year // 400
        days += (153 * (month - 3) + 2) // 5 + day - 1
        unix_ms = (days * 86_400 + hour * 3600 + minute * 60 + second) * 1000
        if self._chip.rtc_has_fractions:
            unix_ms += microsecond // 1000
        self._chip.set_rtc_ms(unix_ms)

    def memory(self, data=None):
        return self._chip.rtc_memory_access(data)


# -- ESP32 ----------------------------------------------------------------------------------------


class ESP32Chip(Chip):
    """Epoch 2000; clock and RTC memory outlive every reset but power-on."""

    epoch = 2000
    rtc_has_fractions = True
    timers_run_while_blocked = False
    unique_id = b"\x24\x0a\xc4\x01\x02\x03"
    pin_names = tuple(range(40))

    def __init__(self):
        self.lose_memory()
        self.rtc_base_ms = 946_684_800_000
        super().__init__()

    def lose_memory(self):
        # RTC_NOINIT: after power-on it holds anything; length 0 where its own magic is wrong.
        self.rtc_memory = b""
        self.rtc_base_ms = 946_684_800_000 - getattr(self, "now_ms", 0)

    def _machine(self):
        return ESP32Machine(self)

    def rtc_memory_access(self, data):
        if data is None:
            return self.rtc_memory
        if len(data) > 2048:
            raise ValueError("buffer too long")
        self.rtc_memory = bytes(data)
        return None


class ESP32Machine(Machine):
    """`machine` on esp32."""

    def __init__(self, chip):
        super().__init__(chip)
        self.ADC = ESP32ADC
        self.Timer = TimerClass(chip, (0, 1, 2, 3))

    def WDT(self, id=0, timeout=5000):  # noqa: N802
        if timeout <= 0:
            raise ValueError("WDT timeout too short")
        return WDT(self.chip, timeout)

    def reset(self):
        self.chip.restart(2)

    def deepsleep(self, ms):
        # The watchdog does not run in deep sleep, the clock does.
        self.chip.watchdog_ms = None
        self.chip.now_ms += ms
        self.chip.slept_ms += ms
        self.chip.restart(4)

    def lightsleep(self, ms):
        self.chip.slept_ms += ms
        self.chip.advance(ms)


class ESP32ADC:
    """machine.ADC on esp32: calibrated microvolts with read_uv."""

    ATTN_11DB = 3
    microvolts = 1_650_000

    def __init__(self, pin, atten=0):
        if pin.number not in (32, 33, 34, 35, 36, 39):
            raise ValueError("invalid pin")
        # Without 11 dB it reads up to 1.1 V only.
        self._most = 3_100_000 if atten == self.ATTN_11DB else 1_100_000

    def read_uv(self):
        return min(self.microvolts, self._most)


class ESP32Module:
    """The module `esp32` of the first chip: raw_temperature in Fahrenheit, heaps of the IDF."""

    HEAP_DATA = 4

    def __init__(self):
        # (total, free, largest free block, least free ever), one for each region.
        self.heaps = [(16_648, 120, 104, 0), (113_840, 61_000, 40_960, 30_000)]
        self.raw_temperatures = [127]  # the last one stays

    def idf_heap_info(self, capability):
        assert capability == self.HEAP_DATA
        return self.heaps

    def raw_temperature(self):
        left = self.raw_temperatures
        return left.pop(0) if len(left) > 1 else left[0]


class ESP32S3Module(ESP32Module):
    """The same of the later chips: mcu_temperature in Celsius."""

    raw_temperature = None

    def mcu_temperature(self):
        return 41


# -- rp2 ------------------------------------------------------------------------------------------


class Mem32:
    """machine.mem32: only the watchdog's scratch registers are there."""

    def __init__(self, chip):
        self._chip = chip

    def _index(self, address):
        index = (address - self._chip.scratch_address) // 4
        assert 0 <= index < 8 and address % 4 == 0, "not a scratch register"
        assert index < 4, "the SDK writes this one itself"
        return index

    def __getitem__(self, address):
        word = self._chip.scratch[self._index(address)]
        # A C int: the upper half comes out negative.
        return word - (1 << 32) if word >= 1 << 31 else word

    def __setitem__(self, address, word):
        self._chip.scratch[self._index(address)] = word & 0xFFFFFFFF


class Implementation:
    """sys.implementation of a Pico."""

    def __init__(self, machine, version):
        self._machine = machine
        self.version = version


class RP2Chip(Chip):
    """Epoch 1970; every hard boot starts at 2021-01-01; two causes; four scratch words."""

    unique_id = b"\xe6\x60\x44\x30\x43\x3a\x8b\x2f"
    pin_names = tuple(range(29)) + ("LED",)
    scratch_address = 0x4005_800C
    watchdog_max_ms = 8388

    def __init__(self, board="Raspberry Pi Pico W with RP2040", version=(1, 28, 0, "")):
        self.implementation = Implementation(board, version)
        if "RP2350" in board:
            self.scratch_address = 0x400D_800C
            if version >= (1, 29):
                self.watchdog_max_ms = 16777
        self.early_returns = 0  # so many light sleeps come back at once
        self.lose_memory()
        super().__init__()

    def lose_memory(self):
        self.scratch = [0] * 8

    def _boot(self):
        # main.c sets the RTC at each start (docs/porting.md, "Clock and ticks").
        self.rtc_base_ms = 1_609_459_200_000 - self.now_ms
        super()._boot()

    def _machine(self):
        return RP2Machine(self)


class RP2Machine(Machine):
    """`machine` on rp2: reset and deepsleep go through the watchdog."""

    def __init__(self, chip):
        super().__init__(chip)
        self.mem32 = Mem32(chip)
        self.ADC = RP2ADC
        self.Timer = TimerClass(chip, (-1,))

    def WDT(self, id=0, timeout=5000):  # noqa: N802
        if timeout > self.chip.watchdog_max_ms:
            raise ValueError("timeout exceeds %d" % self.chip.watchdog_max_ms)
        return WDT(self.chip, timeout)

    def reset(self):
        self.chip.restart(3)

    def deepsleep(self, ms):
        self.lightsleep(ms)
        self.chip.restart(3)

    def lightsleep(self, ms):
        if ms >= (1 << 32) // 1000:
            raise ValueError("sleep too long")
        if self.chip.wlan is not None and self.chip.wlan.polls:
            return  # CYW43 has a poll pending
        if self.chip.early_returns:
            self.chip.early_returns -= 1
            return
        self.chip.slept_ms += ms
        # The RTC stands still meanwhile (MicroPython 1.23 to 1.29, its issue 16519).
        self.chip.rtc_base_ms -= ms
        self.chip.advance(ms)


class RP2ADC:
    """machine.ADC on rp2: 16 bits of 3.3 V."""

    CORE_TEMP = 4
    raw = 32_768

    def __init__(self, pin):
        if pin != self.CORE_TEMP and pin.number not in (26, 27, 28):
            raise ValueError("Pin doesn't have ADC capabilities")
        self._is_core = pin == self.CORE_TEMP

    def read_u16(self):
        # 0.706 V: 27 degrees.
        return 14_020 if self._is_core else self.raw
