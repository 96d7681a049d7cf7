"""Wi-Fi, NTP and the clock together, on fakes of both chips and a real NTP exchange."""

import fakes_chip
import fakes_wifi
from fakes_ntp import Server, reply
from linkpost.clock import Clock
from linkpost.errors import (
    TLS_EXPIRED,
    TLS_MEMORY,
    TLS_UNTRUSTED,
    AuthError,
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
        self.clock = Clock(self.port)
        self.log = FakeLog()
        self.times_set = 0
        self.link = Link(
            Config([self.server.name]), self.port, self.clock, self.log, self._clock_was_set
        )

    def _clock_was_set(self):
        assert self.clock.is_right()
        self.times_set += 1

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
        assert not world.link.is_joined and not world.clock.is_right()
        world.join()
        assert world.link.is_joined
        assert NOW <= world.clock.unix_ms() <= NOW + 100
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
        assert asked == 1 and world.clock.unix_ms() is None
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
        assert world.clock.unix_ms() is None
        world.link.succeeded(DATE)
        assert world.clock.unix_ms() == NOW
        world.link.succeeded("Fri, 15 Jan 2027 09:00:00 GMT")  # right already: left alone
        assert world.clock.unix_ms() == NOW
        assert world.times_set == 1

    on_both(test, answers=False)


def test_link_clock_right_asks_no_ntp():
    def test(world):
        world.clock.set_unix_ms(NOW)
        world.join()
        assert world.server.questions == []

    on_both(test)


def test_link_certificate_dates_refused_the_clock_is_doubted_and_asked_again_at_once():
    def test(world):
        world.clock.set_unix_ms(NOW + 20 * 365 * 86_400_000)  # a wrong time from somewhere
        world.join()
        world.link.failed(TLSError("the certificate has expired", TLS_EXPIRED))
        assert world.clock.unix_ms() is None
        world.join()
        assert NOW <= world.clock.unix_ms() <= NOW + 100
        assert world.times_set == 1

    on_both(test)


def test_link_untrusted_certificate_leaves_the_clock_alone():
    def test(world):
        world.join()
        world.link.failed(TLSError("not trusted", TLS_UNTRUSTED))
        assert world.clock.is_right()

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
        assert world.link.step() and not world.link.wants_reset

    on_both(test)


def test_link_no_access_point_raises_and_asks_for_a_reset_in_the_end():
    def test(world):
        rounds = 0
        while not world.link.wants_reset:
            try:
                world.join()
            except NetworkError as error:
                assert "not found" in str(error)
                rounds += 1
            assert rounds < 50
        assert rounds == 12 and not world.link.is_joined

    on_both(test, points={})


def test_link_without_memory_for_tls_five_times_in_a_row_asks_for_a_reset():
    def test(world):
        world.join()
        starved = TLSError("not enough memory", TLS_MEMORY)
        for ending in (lambda: world.link.succeeded(None), lambda: world.link.failed(refused)):
            for _ in range(4):
                world.link.failed(starved)
            assert not world.link.wants_reset
            ending()
        for _ in range(5):
            assert not world.link.wants_reset
            world.link.failed(starved)
        assert world.link.wants_reset

    refused = AuthError(20000, "auth failed")
    on_both(test)


def test_link_off_and_light_sleep_and_on_again_keeps_the_time():
    def test(world):
        world.join()
        world.link.off()
        world.port.light_sleep(600_000)
        slept_until = world.clock.unix_ms()
        assert NOW + 600_000 <= slept_until <= NOW + 601_000
        world.join()
        assert len(world.server.questions) == 1  # no NTP when the clock is right

    on_both(test)


def test_link_desktop_has_a_network_already():
    port = HostPort()
    link = Link(Config(), port, Clock(port), FakeLog(), None)
    assert link.is_joined and link.step()
    link.off()
    link.failed(NetworkError("x"))
    assert not link.wants_reset


def test_link_fresh_board_without_ntp_judges_certificates_by_the_floor():
    def test(world):
        world.join()
        assert RELEASED_UNIX_MS <= world.port.unix_ms() < RELEASED_UNIX_MS + 60_000

    on_both(test, answers=False)
