"""The chips' differences and traps, each from docs/porting.md, against the port files."""

import sys

import fakes_chip
import fakes_wifi
from linkpost import ports
from linkpost.errors import ConfigError
from linkpost.ports import chip_rare, rp2
from linkpost.ports.esp32 import ESP32Port
from linkpost.ports.host import HostPort
from linkpost.ports.rp2 import RP2Port

PICO_2_W = "Raspberry Pi Pico 2 W with RP2350"
DAY_MS = 86_400_000


def esp32_chip():
    return fakes_chip.ESP32Chip()


def boot(chip, air=None):
    """Make a port on the chip, as a boot does."""
    air = air or fakes_wifi.Air()
    if isinstance(chip, fakes_chip.ESP32Chip):
        network = fakes_wifi.Network(chip, air, fakes_wifi.ESP32Station)
        return ESP32Port(chip.machine, network, fakes_chip.ESP32Module(), chip.time)
    network = fakes_wifi.Network(chip, air, fakes_wifi.CYW43Station)
    return RP2Port(chip.machine, network, chip.implementation, chip.time)


def both_chips():
    return (fakes_chip.ESP32Chip(), fakes_chip.RP2Chip())


def until_reset(act, *args):
    """Do what ends in a reset; the chip has booted again then."""
    try:
        act(*args)
    except fakes_chip.Reset:
        return
    raise AssertionError("no reset")


def test_detect_is_one_object_for_all_who_ask():
    # boot.py feeds what app.py has started: two ports would not know of each other's watchdog.
    assert ports.detect() is ports.detect()
    own = {"rp2": RP2Port, "esp32": ESP32Port}.get(sys.platform, HostPort)
    assert isinstance(ports.detect(), own), ports.detect()


# -- time -----------------------------------------------------------------------------------------


def test_unix_ms_epoch_2000_and_1970_gives_the_same_time():
    for chip in both_chips():
        port = boot(chip)
        chip.set_rtc_ms(1_800_000_000_123)
        assert port.unix_ms() == 1_800_000_000_123, chip.epoch


def test_unix_ms_after_power_on_is_each_chips_own_start():
    assert boot(fakes_chip.ESP32Chip()).unix_ms() == 946_684_800_000
    assert boot(fakes_chip.RP2Chip()).unix_ms() == 1_609_459_200_000


def test_set_unix_ms_is_exact_and_the_rtc_of_rp2_has_the_nearest_second():
    for wanted, nearest in (
        (1_835_481_599_499, 1_835_481_599_000),
        (1_835_481_599_500, 1_835_481_600_000),
        (1_709_164_800_000, 1_709_164_800_000),  # 2024-02-29
        (2_208_988_800_000, 2_208_988_800_000),  # 2040: past 2038
    ):
        chip = fakes_chip.ESP32Chip()
        port = boot(chip)
        port.set_unix_ms(wanted)
        assert port.unix_ms() == wanted and boot(chip).unix_ms() == wanted
        chip = fakes_chip.RP2Chip()
        port = boot(chip)
        port.set_unix_ms(wanted)
        assert port.unix_ms() == wanted and boot(chip).unix_ms() == nearest


def test_uptime_ms_ticks_wrapped_goes_on():
    for chip in both_chips():
        chip.ticks_at_boot = (1 << 30) - 1000
        port = boot(chip)
        chip.advance(5_000)
        assert port.uptime_ms() == 5_000
        for _ in range(20):  # 20 days: past 2^30 ms
            chip.advance(DAY_MS)
            port.uptime_ms()
        assert port.uptime_ms() == 5_000 + 20 * DAY_MS


def test_uptime_ms_not_asked_for_in_twelve_days_is_right_all_the_same():
    for ticks_at_boot in (0, 5, (1 << 29) - 7, (1 << 30) - 1):
        for chip in both_chips():
            chip.ticks_at_boot = ticks_at_boot
            port = boot(chip)
            passed = 0
            for ms in (12 * DAY_MS, 1, 12 * DAY_MS, 6 * DAY_MS + 3, (1 << 29), (1 << 29) + 1, 0):
                chip.advance(ms)
                passed += ms
                assert port.uptime_ms() == passed, (ms, ticks_at_boot)


def test_uptime_ms_asked_for_in_a_timers_callback_meanwhile_goes_on_from_there():
    # A callback runs between two byte codes: after the ticks were read, before they are compared.
    for chip in both_chips():
        port = boot(chip)
        chip.advance(1_000)

        class Interrupted:
            def __init__(self, chip, port):
                self.now = chip.time.ticks_ms
                self.chip = chip
                self.port = port
                self.is_inside = False
                self.seen = None

            def ticks_ms(self):
                read = self.now()
                if not self.is_inside:
                    self.is_inside = True
                    self.chip.advance(3)
                    self.seen = self.port.uptime_ms()
                return read

        port._time = Interrupted(chip, port)
        assert port.uptime_ms() == 1_000
        assert port._time.seen == 1_003
        chip.advance(7)
        assert port.uptime_ms() == 1_010


def test_uptime_ms_over_sleeps_and_blocking_calls_is_the_time_that_passed():
    for chip in both_chips():
        chip.ticks_at_boot = (1 << 30) - 4_000_000
        port = boot(chip)
        port.start_watchdog(8_000)
        for _ in range(3):
            port.light_sleep(3_700_000)
            port.feed_for(15_000)
            chip.block(14_000)
            port.feed_for(0)
        passed = port.uptime_ms()
        assert passed == chip.now_ms
        assert 3 * 3_714_000 <= passed < 3 * 3_714_000 + 1_000


# -- sleep ----------------------------------------------------------------------------------------


def test_light_sleep_returns_early_is_repeated_until_elapsed():
    chip = fakes_chip.RP2Chip()
    port = boot(chip)
    chip.early_returns = 5
    port.light_sleep(10_000)
    assert 10_000 <= chip.now_ms < 10_000 + 50
    # The early returns cost 50 ms awake each; the rest was sleep.
    assert chip.slept_ms == 10_000 - 5 * 50


def test_light_sleep_radio_on_is_powered_down_first():
    for chip in both_chips():
        port = boot(chip)
        port.start_station("", "")
        port.light_sleep(10_000)
        assert not chip.wlan.powered
        assert chip.slept_ms == 10_000, chip.epoch


def test_light_sleep_longer_than_71_minutes_is_cut_into_pieces():
    chip = fakes_chip.RP2Chip()
    port = boot(chip)
    port.light_sleep(DAY_MS)
    assert chip.slept_ms == DAY_MS


def test_light_sleep_longer_than_ticks_span_sleeps_it_all():
    chip = fakes_chip.RP2Chip()
    port = boot(chip)
    port.light_sleep(20 * DAY_MS)
    assert chip.slept_ms == 20 * DAY_MS
    assert port.uptime_ms() == 20 * DAY_MS


def test_light_sleep_rtc_that_stands_still_is_put_right():
    chip = fakes_chip.RP2Chip()
    port = boot(chip)
    port.set_unix_ms(1_800_000_000_400)
    for _ in range(1000):
        port.light_sleep(60_123)
        chip.advance(77)
    # To the millisecond, though the RTC has whole seconds only ...
    assert port.unix_ms() == 1_800_000_000_400 + 1000 * 60_200
    # ... and the RTC, which TLS and another boot look at, to one second.
    assert abs(boot(chip).unix_ms() - port.unix_ms()) <= 1000


def test_light_sleep_before_the_time_is_set_goes_on_from_the_rtcs_start():
    chip = fakes_chip.RP2Chip()
    port = boot(chip)
    port.light_sleep(3_600_000)
    assert port.unix_ms() == 1_609_459_200_000 + 3_600_000


def test_light_sleep_watchdog_runs_is_fed_in_time():
    for chip in both_chips():
        port = boot(chip)
        port.start_watchdog(8_000)
        port.light_sleep(60_000)
        assert chip.resets == 0
        assert chip.slept_ms >= 60_000


def test_deep_sleep_esp32_keeps_clock_and_memory_and_says_why_it_woke():
    chip = esp32_chip()
    port = boot(chip)
    port.set_unix_ms(1_800_000_000_000)
    port.mark_clock(True)
    port.retain(b"backoff 3")
    until_reset(port.deep_sleep, 60_000)
    port = boot(chip)
    assert port.reset_cause() == "deep sleep"
    assert port.unix_ms() == 1_800_000_060_000
    assert port.clock_marked()
    assert port.retained()[:9] == b"backoff 3"


def test_deep_sleep_rp2_is_not_offered():
    assert not boot(fakes_chip.RP2Chip()).can_deep_sleep
    assert boot(esp32_chip()).can_deep_sleep


# -- watchdog -------------------------------------------------------------------------------------


def test_watchdog_limit_is_each_chips_own():
    for board, version, limit in (
        ("Raspberry Pi Pico W with RP2040", (1, 25, 0, ""), 8388),
        ("Raspberry Pi Pico W with RP2040", (1, 29, 0, ""), 8388),
        (PICO_2_W, (1, 28, 0, ""), 8388),
        (PICO_2_W, (1, 29, 0, ""), 8388),  # it could be 16777 there
    ):
        chip = fakes_chip.RP2Chip(board, version)
        port = boot(chip)
        assert port.watchdog_max_ms == limit, (board, version)
        port.start_watchdog(limit)
        try:
            boot(chip).start_watchdog(limit + 1)
        except ConfigError as error:
            assert error.key == "watchdog_s"
        else:
            raise AssertionError((board, version))


def test_watchdog_not_fed_bites_and_fed_does_not():
    for chip in both_chips():
        port = boot(chip)
        port.start_watchdog(8_000)
        for _ in range(10):
            chip.advance(7_000)
            port.feed()
        until_reset(chip.advance, 8_000)
        assert boot(chip).reset_cause() == "watchdog", chip.epoch


def test_feed_for_a_blocking_call_survives_it_on_both_chips():
    for chip in both_chips():
        port = boot(chip)
        port.start_watchdog(8_000)
        port.feed_for(15_000)
        chip.block(14_500)
        port.feed_for(0)
        chip.advance(7_900)
        port.feed()
        # And the period is the old one again.
        until_reset(chip.advance, 8_100)


def test_feed_for_a_call_that_hangs_ends_in_a_reset():
    for chip in both_chips():
        port = boot(chip)
        port.start_watchdog(8_000)
        port.feed_for(15_000)
        until_reset(chip.block, 24_000)


def test_feed_for_none_feeds_for_good():
    for chip in both_chips():
        port = boot(chip)
        port.start_watchdog(8_000)
        port.feed_for(None)
        chip.advance(DAY_MS)
        assert chip.resets == 0


def test_feed_for_twice_leaves_one_timer():
    chip = fakes_chip.RP2Chip()
    port = boot(chip)
    port.start_watchdog(8_000)
    port.feed_for(15_000)
    port.feed_for(15_000)
    assert len(chip.timers) == 1
    port.feed_for(0)
    assert chip.timers == []


def test_feed_for_without_a_watchdog_starts_none():
    for chip in both_chips():
        port = boot(chip)
        port.feed_for(15_000)
        assert chip.timers == [] and chip.watchdog_ms is None


# -- reset and what outlives it -------------------------------------------------------------------


def test_reset_cause_esp32_each_number_has_its_word():
    chip = esp32_chip()
    port = boot(chip)
    for number, word in (
        (1, "power on"),
        (2, "hard"),
        (3, "watchdog"),
        (4, "deep sleep"),
        (5, "soft"),
        (0, "power on"),
        (6, "power on"),  # none yet
    ):
        chip.cause = number
        assert port.reset_cause() == word


def test_reset_cause_rp2_tells_our_reset_from_the_watchdogs():
    chip = fakes_chip.RP2Chip()
    port = boot(chip)
    assert port.reset_cause() == "power on"
    until_reset(port.reset)
    assert boot(chip).reset_cause() == "hard"
    assert boot(chip).reset_cause() == "hard"  # another port of the same boot
    port = boot(chip)
    port.start_watchdog(8_000)
    until_reset(chip.advance, 9_000)
    assert boot(chip).reset_cause() == "watchdog"
    chip.power_cut()
    assert boot(chip).reset_cause() == "power on"


def test_retained_outlives_reset_and_watchdog_but_not_power():
    for chip in both_chips():
        port = boot(chip)
        assert port.retained() == bytes(port.retained_bytes)
        port.retain(b"\xff\x01\x80")
        until_reset(port.reset)
        port = boot(chip)
        assert port.retained()[:3] == b"\xff\x01\x80"
        port.start_watchdog(5_000)
        until_reset(chip.advance, 6_000)
        assert boot(chip).retained()[:3] == b"\xff\x01\x80"
        chip.power_cut()
        assert boot(chip).retained() == bytes(port.retained_bytes)


def test_retained_noise_after_power_on_is_zeros():
    chip = esp32_chip()
    port = boot(chip)
    port.retain(b"something")
    good = chip.rtc_memory
    cases = [b"", b"\x00", b"\xff" * 2048, bytes(2048), good[:-1], b"\x4c" * 68]
    for i in range(4 + len(b"something")):  # any byte that changed
        cases.append(good[:i] + bytes((good[i] ^ 0x10,)) + good[i + 1 :])
    for noise in cases:
        chip.rtc_memory = noise
        assert port.retained() == bytes(64), noise
        assert not port.clock_marked()
    chip.rtc_memory = good + b"more behind"
    assert port.retained()[:9] == b"something"


def test_retained_rp2_noise_in_the_scratch_words_is_zeros():
    chip = fakes_chip.RP2Chip()
    port = boot(chip)
    port.retain(b"something")
    for i in range(4):
        kept = chip.scratch[i]
        chip.scratch[i] ^= 0x8000_0000
        assert port.retained() == bytes(12), i
        chip.scratch[i] = kept
    assert port.retained()[:9] == b"something"


def test_retained_rp2_pico_2_w_uses_its_own_addresses():
    chip = fakes_chip.RP2Chip(PICO_2_W, (1, 29, 0, ""))
    port = boot(chip)  # the fake raises for any other address
    port.retain(b"123456789012")
    assert boot(chip).retained() == b"123456789012"


def test_clock_mark_rp2_reset_outlives_though_the_clock_does_not():
    # So that `Clock` must look at the time as well; see test_clock.py.
    chip = fakes_chip.RP2Chip()
    port = boot(chip)
    port.mark_clock(True)
    until_reset(port.reset)
    assert boot(chip).clock_marked()
    assert boot(chip).unix_ms() < 1_735_689_600_000


# -- sensors of the chip, pins, heap --------------------------------------------------------------


def test_chip_temperature_fahrenheit_celsius_and_volts_are_celsius():
    chip = esp32_chip()
    assert abs(boot(chip).chip_temperature() - 52.8) < 0.1  # 127 F
    network = fakes_wifi.Network(chip, fakes_wifi.Air(), fakes_wifi.ESP32Station)
    s3 = ESP32Port(chip.machine, network, fakes_chip.ESP32S3Module(), chip.time)
    assert s3.chip_temperature() == 41
    assert abs(boot(fakes_chip.RP2Chip()).chip_temperature() - 27) < 0.1


def test_analog_both_chips_give_microvolts():
    assert boot(esp32_chip()).analog(34)() == 1_650_000
    assert abs(boot(fakes_chip.RP2Chip()).analog(26)() - 1_650_000) < 100


def test_led_pico_w_named_pin_is_switched():
    chip = fakes_chip.RP2Chip()
    led = boot(chip).led("LED")
    assert chip.pins["LED"].mode == fakes_chip.Pin.OUT
    led(1)
    assert chip.pins["LED"].level == 1
    led(0)
    assert chip.pins["LED"].level == 0


class FakeGC:
    """MicroPython's own figures: 56,000 of heap, 20,000 of it free, and what it could grow by."""

    def __init__(self, could_grow_by=0):
        self.could_grow_by = could_grow_by
        self.collected = 0

    def mem_free(self):
        return 20_000 + self.could_grow_by

    def mem_alloc(self):
        return 36_000

    def collect(self):
        self.collected += 1


def with_gc(fake, work):
    real = chip_rare.gc
    chip_rare.gc = rp2.gc = fake
    try:
        return work()
    finally:
        chip_rare.gc = rp2.gc = real


def test_heap_esp32_counts_the_block_it_may_grow_by_once():
    port = boot(esp32_chip())
    fake = FakeGC(could_grow_by=40_960)  # the largest block of the IDF heap
    assert with_gc(fake, port.heap_free) == 20_000 + 61_000 + 120
    assert fake.collected == 1
    wanted = {"total": 56_000, "free": 20_000, "idf_free": 61_120, "idf_largest": 40_960}
    assert with_gc(fake, port.heap) == wanted
    # To look for the largest block would make it grow.
    assert with_gc(fake, lambda: port.heap(True)) == wanted
    assert with_gc(fake, port.heap_largest) == 40_960
    assert with_gc(fake, port.tls_memory) == (61_120, 40_960)


def test_heap_rp2_has_one_heap_whose_largest_block_is_looked_for_where_asked():
    port = boot(fakes_chip.RP2Chip())
    assert with_gc(FakeGC(), port.heap) == {"total": 56_000, "free": 20_000}
    assert with_gc(FakeGC(), port.heap_free) == 20_000
    assert with_gc(FakeGC(), port.heap_largest) is None
    assert with_gc(FakeGC(), port.tls_memory) == (20_000, None)

    def short_of(limit):
        def bytearray(size):
            if size > limit:
                raise MemoryError

        return bytearray

    for limit in (0, 300, 7_000, 19_999, 20_000):
        chip_rare.bytearray = short_of(limit)
        try:
            largest = with_gc(FakeGC(), lambda: port.heap(True)["largest"])
        finally:
            del chip_rare.bytearray
        assert limit - 256 <= largest <= limit, limit


# -- radio ----------------------------------------------------------------------------------------


def test_start_station_country_and_hostname_come_before_the_interface():
    for chip in both_chips():
        port = boot(chip)
        port.start_station("CN", "board-7")
        station = port.station()
        assert station.country_at_start == "CN", chip.epoch
        assert station.hostname_at_start == "board-7"
        assert station.settings["pm"] == station.PM_NONE


def test_stop_station_never_started_or_twice_does_nothing():
    for chip in both_chips():
        port = boot(chip)
        port.stop_station()
        port.station()
        port.stop_station()
        port.start_station("", "")
        port.stop_station()
        port.stop_station()
        assert not port.station().powered


def _joined(port, ssid, password):
    """Connect and return the states one meets, in their order."""
    port.start_station("", "")
    port.station().connect(ssid, password)
    seen = []
    for _ in range(200):
        status = port.wifi_status()
        if not seen or seen[-1] != status:
            seen.append(status)
        port.sleep_ms(100)
    return seen


def test_wifi_status_both_chips_use_the_same_words():
    air = fakes_wifi.Air(lab=("secret", True), nodhcp=("secret", False))
    for make in (fakes_chip.ESP32Chip, fakes_chip.RP2Chip):
        for ssid, password, states in (
            ("lab", "secret", ["joining", "no address", "up"]),
            ("nodhcp", "secret", ["joining", "no address"]),
            ("lab", "wrong", ["joining", "wrong password"]),
            ("none", "secret", ["joining", "not found"]),
        ):
            port = boot(make(), air)
            assert _joined(port, ssid, password) == states, (port.name, ssid)
            up = states[-1] == "up"
            assert (port.wifi_rssi() == -61) is up
            assert isinstance(port.wifi_code(), int)


def test_wifi_status_numbers_of_the_chips_each_has_its_word():
    class Station:
        def status(self, what=None):
            if what is not None:
                raise OSError("Wifi Not Connected")
            return self.code

    for make, table in (
        (
            fakes_chip.ESP32Chip,
            {
                1000: "idle",
                1001: "joining",
                1010: "up",
                201: "not found",
                202: "wrong password",
                204: "wrong password",
                15: "wrong password",
                210: "security",
                211: "security",
                212: "weak",
                200: "weak",
                203: "failed",
                8: "failed",
            },
        ),
        (
            fakes_chip.RP2Chip,
            {
                0: "idle",
                1: "joining",
                2: "no address",
                3: "up",
                -1: "failed",
                -2: "not found",
                -3: "wrong password",
                7: "failed",
            },
        ),
    ):
        port = boot(make())
        station = port._wlan = Station()
        for code in table:
            station.code = code
            assert port.wifi_status() == table[code], (port.name, code)
            assert port.wifi_code() == code
