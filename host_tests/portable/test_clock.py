"""The deadline, the calendar, and when the clock counts as right."""

import fakes_chip
import fakes_wifi
from linkpost.clock import _set
from linkpost.dates import civil, days_from_civil, parse_http_date
from linkpost.errors import TLSError
from linkpost.link import Link
from linkpost.log import Log
from linkpost.ports.esp32 import ESP32Port
from linkpost.ports.host import HostPort
from linkpost.ports.rp2 import RP2Port
from linkpost.version import CLOCK_CEILING_UNIX_MS, CLOCK_FLOOR_UNIX_MS, RELEASED_UNIX_MS

NOW = 1_800_000_000_000
DATE = "Fri, 15 Jan 2027 08:00:00 GMT"  # NOW
BOTH = (fakes_chip.ESP32Chip, fakes_chip.RP2Chip)


def boot(chip):
    air = fakes_wifi.Air()
    if isinstance(chip, fakes_chip.ESP32Chip):
        network = fakes_wifi.Network(chip, air, fakes_wifi.ESP32Station)
        return ESP32Port(chip.machine, network, fakes_chip.ESP32Module(), chip.time)
    network = fakes_wifi.Network(chip, air, fakes_wifi.CYW43Station)
    return RP2Port(chip.machine, network, chip.implementation, chip.time)


class Clock(Link):
    """The clock of a link without networks and NTP servers, after its first step."""

    networks = ntp = ()

    def __init__(self, port, newest_unix_ms=0):
        super().__init__(self, port, Log(port, lambda line: None), newest_unix_ms)
        self.step()

    def set_unix_ms(self, unix_ms):
        _set(self, unix_ms, "set by NTP")
        return self.unix_ms() == unix_ms

    def doubt(self):
        self.failed(TLSError("the certificate has expired", "expired"))


def until_reset(act, *args):
    try:
        act(*args)
    except fakes_chip.Reset:
        return
    raise AssertionError("no reset")


# -- deadline -------------------------------------------------------------------------------------


# -- calendar -------------------------------------------------------------------------------------


def test_calendar_known_days():
    for days, date in (
        (0, (1970, 1, 1)),
        (10_957, (2000, 1, 1)),
        (11_016, (2000, 2, 29)),
        (11_017, (2000, 3, 1)),
        (18_628, (2021, 1, 1)),
        (24_855, (2038, 1, 19)),
        (47_540, (2100, 2, 28)),
        (47_541, (2100, 3, 1)),
        (-25_567, (1900, 1, 1)),
    ):
        assert days_from_civil(*date) == days, date
        assert civil(days * 86_400)[:3] == date, date


def test_calendar_there_and_back_for_130_years():
    # Each day once; hours and weekdays run on. Years from 1970 to 2100.
    for days in range(0, 47_848, 7):
        year, month, day, hour, minute, second, weekday = civil(days * 86_400 + 86_399)
        assert days_from_civil(year, month, day) == days
        assert (hour, minute, second) == (23, 59, 59)
        assert weekday == 3  # every seventh day from a Thursday


def test_http_date_of_rfc_9110_is_its_time():
    assert parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT") == 784_111_777_000
    assert parse_http_date(DATE) == NOW
    assert parse_http_date("Thu, 29 Feb 2024 23:59:59 GMT") == 1_709_251_199_000


def test_http_date_every_month_is_known():
    names = "JanFebMarAprMayJunJulAugSepOctNovDec"
    for month in range(12):
        name = names[month * 3 : month * 3 + 3]
        text = "Sun, 28 %s 2026 01:02:03 GMT" % name
        expected = days_from_civil(2026, month + 1, 28) * 86_400 + 3723
        assert parse_http_date(text) == expected * 1000, name


def test_http_date_anything_else_is_none():
    for text in (
        "",
        "Sunday, 06-Nov-94 08:49:37 GMT",  # obsolete forms
        "Sun Nov  6 08:49:37 1994",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 gmt",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 29 Feb 2026 08:49:37 GMT",
        "Sun, 29 Feb 2100 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:49:37 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 08:49:60 GMT",
        "Sun, +6 Nov 1994 08:49:37 GMT",
        "Sun, 6  Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 19.4 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        " Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun; 06 Nov 1994 08:49:37 GMT",
        "Sun, 06-Nov-1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08.49.37 GMT",
        "Sun, 0\xb2 Nov 1994 08:49:37 GMT",
        "x" * 29,
    ):
        assert parse_http_date(text) is None, text


def test_http_date_every_changed_character_ends_in_a_time_or_none():
    for i in range(29):
        for c in "\x00 9a:,\xff":
            got = parse_http_date(DATE[:i] + c + DATE[i + 1 :])
            assert got is None or isinstance(got, int)
            if i >= 5 and c not in "9 :" and c != DATE[i]:
                assert got is None, (i, c)


# -- when it is right -----------------------------------------------------------------------------


def test_clock_after_power_on_is_not_right_and_at_the_floor():
    for make in BOTH:
        port = boot(make())
        clock = Clock(port)
        assert port.unix_ms() == RELEASED_UNIX_MS, port.name
        assert not clock.is_right and clock.unix_ms() is None


def test_clock_newest_time_on_flash_lifts_the_floor_but_is_not_right():
    for make in BOTH:
        port = boot(make())
        clock = Clock(port, NOW)
        assert port.unix_ms() == NOW
        assert not clock.is_right


def test_clock_time_on_flash_that_cannot_be_is_left_out():
    for newest in (-1, 0, 1, CLOCK_CEILING_UNIX_MS, 1 << 62):
        port = boot(fakes_chip.RP2Chip())
        Clock(port, newest)
        assert port.unix_ms() == RELEASED_UNIX_MS, newest


def test_clock_set_is_right_and_runs():
    for make in BOTH:
        chip = make()
        port = boot(chip)
        clock = Clock(port)
        assert clock.set_unix_ms(NOW)
        chip.advance(1_234)
        assert clock.is_right and clock.unix_ms() == NOW + 1_234


def test_clock_set_to_a_time_that_cannot_be_is_refused():
    for unix_ms in (0, CLOCK_FLOOR_UNIX_MS - 1, CLOCK_CEILING_UNIX_MS):
        port = boot(fakes_chip.ESP32Chip())
        clock = Clock(port)
        assert not clock.set_unix_ms(unix_ms)
        assert not clock.is_right and port.unix_ms() == RELEASED_UNIX_MS


def test_clock_set_from_the_date_of_a_reply():
    clock = Clock(boot(fakes_chip.RP2Chip()))
    for date in (None, "yesterday", "Sun, 06 Nov 1994 08:49:37 GMT"):
        clock.succeeded(date)
        assert clock.unix_ms() is None
    clock.succeeded(DATE)
    assert clock.unix_ms() == NOW


def test_clock_right_is_not_moved_by_a_later_time_on_flash():
    # That time may have been written while the clock was wrong.
    for make in BOTH:
        port = boot(make())
        Clock(port).set_unix_ms(NOW)
        clock = Clock(port, NOW + 86_400_000)
        assert clock.unix_ms() == NOW


def test_clock_wrong_time_on_flash_does_not_refuse_the_right_one():
    clock = Clock(boot(fakes_chip.ESP32Chip()), NOW + 10 * 365 * 86_400_000)
    assert clock.set_unix_ms(NOW)
    assert clock.unix_ms() == NOW


def test_clock_esp32_reset_and_deep_sleep_stays_right_power_cut_does_not():
    chip = fakes_chip.ESP32Chip()
    port = boot(chip)
    Clock(port).set_unix_ms(NOW)
    until_reset(port.deep_sleep, 60_000)
    assert Clock(boot(chip)).unix_ms() == NOW + 60_000
    until_reset(boot(chip).reset)
    assert Clock(boot(chip)).unix_ms() == NOW + 60_000
    chip.power_cut()
    assert Clock(boot(chip), NOW).unix_ms() is None


def test_clock_esp32_floor_is_not_taken_for_right_after_deep_sleep():
    chip = fakes_chip.ESP32Chip()
    port = boot(chip)
    Clock(port, NOW)
    until_reset(port.deep_sleep, 60_000)
    assert Clock(boot(chip)).unix_ms() is None


def test_clock_rp2_reset_is_not_right_though_the_mark_outlived_it():
    chip = fakes_chip.RP2Chip()
    port = boot(chip)
    Clock(port).set_unix_ms(NOW)
    until_reset(port.reset)
    port = boot(chip)
    assert port.clock_marked()
    clock = Clock(port, NOW)
    assert clock.unix_ms() is None
    # And it stays so when another boot, a soft reset, looks again at the same RTC.
    assert Clock(port).unix_ms() is None


def test_clock_light_sleep_stays_right():
    for make in BOTH:
        port = boot(make())
        clock = Clock(port)
        clock.set_unix_ms(NOW)
        port.light_sleep(3_600_000)
        assert clock.unix_ms() == NOW + 3_600_000


def test_clock_doubted_is_not_right_until_set_again():
    clock = Clock(boot(fakes_chip.ESP32Chip()))
    clock.set_unix_ms(NOW)
    clock.doubt()
    assert clock.unix_ms() is None
    clock.set_unix_ms(NOW + 5)
    assert clock.is_right


def test_clock_mark_leaves_the_app_its_retained_memory():
    for make in BOTH:
        port = boot(make())
        port.retain(b"crashes 2")
        clock = Clock(port)
        clock.set_unix_ms(NOW)
        clock.doubt()
        assert port.retained()[:9] == b"crashes 2"


def test_clock_desktop_is_right():
    clock = Clock(HostPort())
    assert clock.is_right and clock.unix_ms() >= CLOCK_FLOOR_UNIX_MS
