"""Wi-Fi, NTP and the clock together, on fakes of both chips and a real NTP exchange."""

import fakes_chip
import fakes_wifi
from fakes_ntp import Server, reply
from linkpost import clock
from linkpost.backoff import give_up
from linkpost.errors import (
    AuthError,
    DeadlineError,
    DNSError,
    NetworkError,
    TLSError,
)
from linkpost.link import Link
from linkpost.ports.esp32 import ESP32Port
from linkpost.ports.host import HostPort
from linkpost.ports.rp2 import RP2Port
from linkpost.version import RELEASED_UNIX_MS

NOW = 1_800_000_000_000
DATE = "Fri, 15 Jan 2027 08:00:00 GMT"  # NOW
BOTH = (fakes_chip.ESP32Chip, fakes_chip.RP2Chip)


class Config:
    networks = [("lab", "opensesame")]
    country = "CN"
    hostname = "board-7"

    def __init__(self, ntp=()):
        self.ntp = list(ntp)


class FakeLog:
    def __init__(self):
        self.said = []

    def info(self, area, phrase, *fields):
        self.said.append((area, phrase) + fields)

    warning = info


class World:
    """One chip in the air of one access point, and an NTP server that answers or not."""

    def __init__(self, make_chip, answers=True, points=None):
        self.chip = make_chip()
        points = {"lab": ("opensesame", True)} if points is None else points
        self.air = fakes_wifi.Air(**points)
        if make_chip is fakes_chip.ESP32Chip:
            network = fakes_wifi.Network(self.chip, self.air, fakes_wifi.ESP32Station)
            module = fakes_chip.ESP32Module()
            self.port = ESP32Port(self.chip.machine, network, module, self.chip.time)
        else:
            network = fakes_wifi.Network(self.chip, self.air, fakes_wifi.CYW43Station)
            chip = self.chip
            self.port = RP2Port(chip.machine, network, chip.implementation, chip.time)
        self.server = Server(lambda question: [reply(question, NOW)] if answers else [])
        self.port.sleep_ms = self._sleep_ms
        self.log = FakeLog()
        self.times_set = 0
        self.link = self.start()

    def start(self, newest_unix_ms=0):
        return Link(
            Config([self.server.name]), self.port, self.log, newest_unix_ms, self._clock_was_set
        )

    def _clock_was_set(self, unix_ms_at_boot):
        assert abs(unix_ms_at_boot + self.port.uptime_ms() - self.link.unix_ms()) < 10
        self.times_set += 1

    def set_clock(self, unix_ms):
        """Set the clock as an earlier boot may have done."""
        self.port.set_unix_ms(unix_ms)
        self.port.mark_clock(True)
        self.link = self.start()

    def _sleep_ms(self, ms):
        self.chip.advance(ms)
        self.server.look()

    def join(self, limit_ms=60_000):
        """Step as the app does; return the ms it took."""
        start = self.chip.now_ms
        while not self.link.step():
            self.port.feed()
            self.port.sleep_ms(100)
            assert self.chip.now_ms - start < limit_ms, "never up"
        return self.chip.now_ms - start

    def wants_reset(self):
        return self.link.failures >= 12  # backoff.py

    def phrases(self):
        return [said[:2] for said in self.log.said]


def on_both(test, **options):
    for make_chip in BOTH:
        world = World(make_chip, **options)
        try:
            test(world)
        finally:
            world.server.close()


def test_link_joins_sets_the_clock_and_says_so():
    def test(world):
        assert not world.link.is_up and world.link.unix_ms() is None
        world.join()
        assert world.link.is_up
        assert NOW <= world.link.unix_ms() <= NOW + 100
        assert world.times_set == 1
        assert world.phrases() == [("wifi", "up"), ("clock", "set by NTP")]
        assert "opensesame" not in str(world.log.said)

    on_both(test)


def test_link_with_a_watchdog_of_eight_seconds_survives():
    def test(world):
        world.port.start_watchdog(8_000)
        world.join()
        assert world.chip.resets == 0

    on_both(test, answers=False)


def test_link_ntp_blocked_is_not_fatal_and_is_not_asked_all_the_time():
    def test(world):
        world.join()
        asked = len(world.server.questions)
        assert asked == 1 and world.link.unix_ms() is None
        for _ in range(100):
            assert world.link.step()
        assert len(world.server.questions) == asked
        world.chip.advance(300_000)
        world.link.step()
        assert len(world.server.questions) == asked + 1

    on_both(test, answers=False)


def test_link_ntp_blocked_the_date_of_a_reply_sets_the_clock():
    def test(world):
        world.join()
        world.link.succeeded(None)
        assert world.link.unix_ms() is None
        world.link.succeeded(DATE)
        assert world.link.unix_ms() == NOW
        world.link.succeeded("Fri, 15 Jan 2027 09:00:00 GMT")  # right already: left alone
        assert world.link.unix_ms() == NOW
        assert world.times_set == 1

    on_both(test, answers=False)


def test_link_clock_right_asks_no_ntp():
    def test(world):
        world.set_clock(NOW)
        world.join()
        assert world.server.questions == []

    on_both(test)


def test_link_certificate_dates_refused_the_clock_is_doubted_and_asked_again_at_once():
    def test(world):
        world.set_clock(NOW + 20 * 365 * 86_400_000)  # a wrong time from somewhere
        world.join()
        world.link.failed(TLSError("the certificate has expired", "expired"))
        assert world.link.unix_ms() is None
        world.join()
        assert NOW <= world.link.unix_ms() <= NOW + 100
        assert world.times_set == 1

    on_both(test)


def test_link_untrusted_certificate_leaves_the_clock_alone():
    def test(world):
        world.join()
        world.link.failed(TLSError("not trusted", "untrusted"))
        assert world.link.unix_ms() is not None

    on_both(test)


def test_link_requests_that_fail_on_the_way_make_it_join_again():
    def test(world):
        world.join()
        world.link.failed(DNSError("no such name", -2))
        assert world.link.step()
        world.link.failed(NetworkError("reset", 104))
        assert not world.link.step()
        world.join()
        assert world.port.station().connects == ["lab", "lab"]

    on_both(test)


def test_link_refusals_of_the_platform_leave_it_as_it_is():
    def test(world):
        world.join()
        for _ in range(20):
            world.link.failed(AuthError(20000, "auth failed"))
        assert world.link.step() and not world.wants_reset()

    on_both(test)


def test_link_no_access_point_raises_and_asks_for_a_reset_in_the_end():
    def test(world):
        rounds = 0
        while not world.wants_reset():
            try:
                world.join()
            except NetworkError as error:
                assert "not found" in str(error)
                rounds += 1
            assert rounds < 50
        assert rounds == 12 and not world.link.is_up

    on_both(test, points={})


def test_link_off_and_light_sleep_and_on_again_keeps_the_time():
    def test(world):
        world.join()
        world.link.off()
        world.port.light_sleep(600_000)
        slept_until = world.link.unix_ms()
        assert NOW + 600_000 <= slept_until <= NOW + 601_000
        world.join()
        assert len(world.server.questions) == 1  # no NTP when the clock is right

    on_both(test)


def test_link_desktop_has_a_network_already():
    port = HostPort()
    link = Link(Config(), port, FakeLog())
    assert link.is_up and link.step()
    link.off()
    for _ in range(100):
        link.failed(NetworkError("x"))
    assert link.failures == 0 and link.is_up and link.step()


def test_link_fresh_board_without_ntp_judges_certificates_by_the_floor():
    def test(world):
        world.join()
        assert RELEASED_UNIX_MS <= world.port.unix_ms() < RELEASED_UNIX_MS + 60_000

    on_both(test, answers=False)


class Refuses:
    """A driver's call that raises what it was given, and counts."""

    def __init__(self, error):
        self.error = error
        self.calls = 0

    def __call__(self, *arguments, **named):
        self.calls += 1
        raise self.error


# What the ESP32's driver raises, newer MicroPythons included (its wifi_exceptions).
DRIVER = (
    RuntimeError("Wifi Unknown Error 0x0101"),
    MemoryError(),
    ValueError("unknown config param"),
    OSError("Wifi Internal Error"),
    OSError(-5),
)
RADIO_CALLS = ("active", "config", "connect", "disconnect", "isconnected", "status")


def test_link_driver_that_raises_anything_is_a_network_error_and_a_reset_in_the_end():
    for call in RADIO_CALLS:
        for error in DRIVER:

            def test(world, call=call, error=error):
                refuses = Refuses(error)
                setattr(world.port.station(), call, refuses)
                if call == "disconnect" or (call == "config" and world.port.name == "rp2"):
                    # Nothing that joining cannot do without.
                    return
                rounds = 0
                while not world.wants_reset():
                    try:
                        world.join()
                        world.link.failed(NetworkError("no answer"))
                    except NetworkError as failure:
                        assert str(failure).startswith('Wi-Fi "lab" '), failure
                        rounds += 1
                    assert rounds < 50
                assert refuses.calls

            on_both(test)


def test_link_radio_that_cannot_even_be_made_is_a_network_error():
    for error in DRIVER:

        def test(world, error=error):
            world.port.station = Refuses(error)
            for _ in range(12):
                try:
                    world.join()
                except NetworkError as failure:
                    assert 'Wi-Fi "lab" failed' in str(failure), failure
            assert world.wants_reset()

        on_both(test)


def test_link_driver_that_raises_once_up_is_joined_again():
    for error in DRIVER:

        def test(world, error=error):
            world.join()
            station = world.port.station()
            whole = station.isconnected
            station.isconnected = Refuses(error)
            assert not world.link.step()
            station.isconnected = whole
            world.join()
            assert world.link.is_up

        on_both(test)


def test_link_off_never_raises_and_powers_down_though_disconnect_does():
    for error in DRIVER:

        def test(world, error=error):
            world.join()
            world.port.station().disconnect = Refuses(error)
            world.link.off()
            assert not world.port.station().powered

        on_both(test)


def test_link_clock_that_refuses_to_be_set_is_told_and_stops_nothing():
    for error in DRIVER:

        def test(world, error=error):
            world.port.set_unix_ms = Refuses(error)
            world.port.mark_clock = Refuses(error)
            world.join()
            world.link.succeeded(DATE)
            world.link.failed(TLSError("the certificate has expired", "expired"))
            assert world.link.unix_ms() is None
            assert ("clock", "refused to be set") in world.phrases()

        on_both(test)


def test_link_no_memory_to_ask_for_the_time_is_told_and_stops_nothing():
    def test(world):
        whole = clock.load

        def load(name):
            if name == "net.ntp":
                raise MemoryError
            return whole(name)

        clock.load = load
        try:
            world.join()
        finally:
            clock.load = whole
        line = [said for said in world.log.said if said[1] == "not set by NTP"][0]
        assert line[-1] == "out of memory", line

    on_both(test)


def test_link_given_up_says_how_far_it_came_and_begins_anew():
    def test(world):
        for _ in range(10):
            world.link.step()
            world.port.sleep_ms(100)
        try:
            give_up(world.link)
        except DeadlineError as error:
            assert str(error).startswith('Wi-Fi "lab" joining ('), error
        else:
            raise AssertionError("nothing said")
        world.join()
        assert world.link.is_up

    on_both(test)


def test_link_ntp_is_asked_again_on_time_over_thirty_days():
    # Over half of the ticks' range at 6.2 days, and over their wrap at 12.4.
    def test(world):
        world.join()
        for hour in range(30 * 24):
            for ms, asks in ((290_000, 0), (1_110_000, 1), (2_200_000, 1)):
                world.chip.advance(ms)
                world.server.questions.clear()  # all of them do not fit a chip's heap
                assert world.link.step()
                assert len(world.server.questions) == asks, (hour, ms)
            world.log.said.clear()

    on_both(test, answers=False)
