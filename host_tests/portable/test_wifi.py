"""The Wi-Fi state machine on fakes of both chips' drivers, traps included."""

import fakes_chip
import fakes_wifi
from linkpost.backoff import give_up
from linkpost.errors import DeadlineError, NetworkError
from linkpost.link import Link
from linkpost.ports.esp32 import ESP32Port
from linkpost.ports.rp2 import RP2Port

LAB = ("lab", "opensesame")
HALL = ("hall", "swordfish")
BOTH = (fakes_chip.ESP32Chip, fakes_chip.RP2Chip)


def lab_air():
    return fakes_wifi.Air(lab=("opensesame", True))


def boot(make_chip, air, chip=None):
    """Make a port on a chip that hears that air."""
    chip = chip or make_chip()
    if make_chip is fakes_chip.ESP32Chip:
        network = fakes_wifi.Network(chip, air, fakes_wifi.ESP32Station)
        return ESP32Port(chip.machine, network, fakes_chip.ESP32Module(), chip.time)
    network = fakes_wifi.Network(chip, air, fakes_wifi.CYW43Station)
    return RP2Port(chip.machine, network, chip.implementation, chip.time)


class Config:
    ntp = []

    def __init__(self, networks, country, hostname):
        self.networks = networks
        self.country = country
        self.hostname = hostname


class FakeLog:
    def __init__(self):
        self.lines = []

    def info(self, *words):
        self.lines.append(words)

    warning = info


class Wifi(Link):
    """A link with nothing but these networks."""

    def __init__(self, port, networks, country=None, hostname=None):
        super().__init__(Config(networks, country, hostname), port, FakeLog())

    def up(self):
        """Return (ssid, rssi) of the last link."""
        line = [words for words in self.log.lines if words[:2] == ("wifi", "up")][-1]
        return line[3], line[5]

    def request_failed(self):
        self.failed(NetworkError("x"))

    def request_succeeded(self):
        self.succeeded(None)

    @property
    def wants_reset(self):
        return self.failures >= 12  # backoff.py

    def connect(self, ms):
        """Step until the link is up, feeding the watchdog, as `drain` does."""
        end_ms = self.port.uptime_ms() + ms
        while not self.step():
            self.port.feed()
            if self.port.uptime_ms() >= end_ms:
                give_up(self)
            self.port.sleep_ms(100)


def connect(wifi, port, ms=120_000):
    wifi.connect(ms)


def refused(wifi, port, ms=120_000):
    """Connect in vain; return the error."""
    try:
        connect(wifi, port, ms)
    except NetworkError as error:
        return error
    raise AssertionError("connected")


def test_connect_network_there_is_up():
    for chip in BOTH:
        air = fakes_wifi.Air()
        port = boot(chip, air)
        wifi = Wifi(port, [LAB], "CN", "board-7")
        assert not wifi.is_up
        refused(wifi, port)
        air.points.update(lab_air().points)
        connect(wifi, port)
        assert wifi.is_up and wifi.step(), port.name
        assert wifi.up() == ("lab", -61)
        assert port.station().country_at_start == "CN"
        assert port.station().hostname_at_start == "board-7"


def test_step_never_blocks():
    for chip in BOTH:
        port = boot(chip, lab_air())
        wifi = Wifi(port, [LAB])
        start = port.uptime_ms()
        for _ in range(100):
            wifi.step()
        assert port.uptime_ms() == start


def test_connect_watchdog_runs_is_fed():
    for chip in BOTH:
        air = fakes_wifi.Air()
        port = boot(chip, air)
        port.start_watchdog(2_000)
        refused(Wifi(port, [LAB, HALL]), port)  # a reset would pass through this


def test_connect_no_access_point_says_so_and_names_the_band():
    for chip in BOTH:
        port = boot(chip, fakes_wifi.Air())
        wifi = Wifi(port, [LAB])
        refused(wifi, port)
        error = refused(wifi, port)  # each round tells its own reasons only
        code = {"esp32": 201, "rp2": -2}[port.name]
        assert str(error) == 'Wi-Fi "lab" not found (%d). It takes 2.4 GHz and WPA2' % code
        assert not wifi.is_up


def test_connect_wrong_password_says_so_and_not_the_password():
    for chip in BOTH:
        port = boot(chip, lab_air())
        wifi = Wifi(port, [("lab", "0pensesame")])
        error = refused(wifi, port)
        code = {"esp32": 15, "rp2": -3}[port.name]
        assert str(error).startswith('Wi-Fi "lab" wrong password (%d).' % code)
        assert "0pensesame" not in repr(wifi) + repr(error)


def test_connect_first_try_fails_for_nothing_the_second_is_taken():
    for chip in BOTH:
        air = lab_air()
        air.flukes = 1
        port = boot(chip, air)
        connect(Wifi(port, [LAB, HALL]), port)
        assert port.station().connects == ["lab", "lab"]


def test_connect_two_tries_with_two_reasons_tells_the_second():
    for chip in BOTH:
        air = fakes_wifi.Air(lab=("other", True))
        air.flukes = 1
        port = boot(chip, air)
        wifi = Wifi(port, [LAB])
        assert str(refused(wifi, port)).startswith('Wi-Fi "lab" wrong password (')
        assert port.station().connects == ["lab", "lab"]


def test_connect_refused_for_its_security_or_signal_says_what_to_change():
    for reason, words in (
        (210, "security"),
        (211, "security"),
        (212, "weak"),
        (200, "weak"),
        (203, "failed"),
    ):
        air = lab_air()
        air.reason = reason
        port = boot(fakes_chip.ESP32Chip, air)
        error = refused(Wifi(port, [LAB]), port)
        expected = 'Wi-Fi "lab" %s (%d). It takes 2.4 GHz and WPA2' % (words, reason)
        assert str(error) == expected, error


def test_connect_no_dhcp_says_so():
    for chip in BOTH:
        port = boot(chip, fakes_wifi.Air(lab=("opensesame", False)))
        wifi = Wifi(port, [LAB])
        error = refused(wifi, port)
        assert str(error).startswith('Wi-Fi "lab" no address ('), error


def test_connect_access_point_that_is_silent_ends_by_itself():
    for chip in BOTH:
        air = lab_air()
        air.join_ms = 3_600_000
        port = boot(chip, air)
        error = refused(Wifi(port, [LAB]), port)
        assert str(error).startswith('Wi-Fi "lab" joining ('), error
        assert port.uptime_ms() < 25_000


def test_connect_open_network_needs_no_password():
    for chip in BOTH:
        port = boot(chip, fakes_wifi.Air(cafe=(None, True)))
        connect(Wifi(port, [("cafe", "")]), port)


def test_connect_first_network_missing_takes_the_second():
    for chip in BOTH:
        port = boot(chip, fakes_wifi.Air(hall=("swordfish", True)))
        wifi = Wifi(port, [LAB, HALL])
        connect(wifi, port)
        assert wifi.up()[0] == "hall"
        assert port.station().connects == ["lab", "lab", "hall"]


def test_connect_both_there_prefers_the_first():
    for chip in BOTH:
        air = fakes_wifi.Air(lab=("opensesame", True), hall=("swordfish", True))
        port = boot(chip, air)
        wifi = Wifi(port, [LAB, HALL])
        connect(wifi, port)
        assert wifi.up()[0] == "lab" and port.station().connects == ["lab"]


def test_connect_all_fail_says_why_for_each():
    for chip in BOTH:
        port = boot(chip, fakes_wifi.Air(hall=("other", True)))
        error = refused(Wifi(port, [LAB, HALL]), port)
        assert '"lab" not found' in str(error) and '"hall" wrong password' in str(error)


def test_connect_deadline_ends_it_and_says_how_far_it_came():
    for chip in BOTH:
        port = boot(chip, fakes_wifi.Air(lab=("opensesame", False)))
        wifi = Wifi(port, [LAB])
        start = port.uptime_ms()
        error = refused(wifi, port, 4_000)
        assert 4_000 <= port.uptime_ms() - start < 4_200
        assert isinstance(error, DeadlineError) and "no address" in str(error), error


def test_connect_after_a_deadline_begins_anew_and_works():
    # The ESP32 raises on a second connect() unless it was disconnected.
    for chip in BOTH:
        air = lab_air()
        air.join_ms = 9_000
        port = boot(chip, air)
        wifi = Wifi(port, [LAB])
        refused(wifi, port, 5_000)
        air.join_ms = 1_000
        connect(wifi, port)
        assert wifi.is_up


def test_connect_driver_busy_with_another_network_is_disconnected_first():
    for chip in BOTH:
        port = boot(chip, lab_air())
        port.start_station("", "")
        port.station().connect("another", "")
        connect(Wifi(port, [LAB]), port)


def test_connect_joined_already_is_taken_as_it_is():
    for chip in BOTH:
        port = boot(chip, lab_air())
        connect(Wifi(port, [LAB]), port)
        after_soft_reset = Wifi(port, [LAB, HALL])
        connect(after_soft_reset, port)
        assert after_soft_reset.up()[0] == "lab"
        assert port.station().connects == ["lab"]


def test_connect_joined_to_a_strange_network_leaves_it():
    for chip in BOTH:
        air = fakes_wifi.Air(lab=("opensesame", True), cafe=(None, True))
        port = boot(chip, air)
        connect(Wifi(port, [("cafe", "")]), port)
        wifi = Wifi(port, [LAB])
        assert not wifi.step()
        connect(wifi, port)
        assert port.station().connects == ["cafe", "lab"]


def test_link_driver_says_gone_is_made_anew():
    for chip in BOTH:
        port = boot(chip, lab_air())
        wifi = Wifi(port, [LAB])
        connect(wifi, port)
        port.station().disconnect()
        assert not wifi.step()
        connect(wifi, port)
        assert wifi.is_up


def test_link_requests_fail_is_made_anew_though_the_driver_says_connected():
    for chip in BOTH:
        port = boot(chip, lab_air())
        wifi = Wifi(port, [LAB])
        connect(wifi, port)
        wifi.request_failed()
        assert wifi.is_up  # one may be the platform's
        wifi.request_failed()
        assert port.station().isconnected() and not wifi.is_up
        connect(wifi, port)
        assert port.station().connects == ["lab", "lab"]


def test_link_requests_fail_and_succeed_in_turn_stays():
    port = boot(fakes_chip.RP2Chip, lab_air())
    wifi = Wifi(port, [LAB])
    connect(wifi, port)
    for _ in range(20):
        wifi.request_failed()
        wifi.request_succeeded()
    assert wifi.is_up and wifi.failures == 0


def test_failures_three_in_a_row_cycle_the_interface():
    for chip in BOTH:
        port = boot(chip, fakes_wifi.Air())
        wifi = Wifi(port, [LAB])
        for _ in range(3):
            refused(wifi, port)
        assert port.station().starts == 1, port.name
        refused(wifi, port)
        assert port.station().starts == 2, port.name


def test_failures_links_without_requests_count_too():
    # Joins every time, and nothing ever gets through: only further down can help.
    for chip in BOTH:
        port = boot(chip, lab_air())
        wifi = Wifi(port, [LAB])
        for _ in range(3):
            connect(wifi, port)
            wifi.request_failed()
            wifi.request_failed()
        connect(wifi, port)
        assert port.station().starts == 2, port.name
        assert not wifi.wants_reset
        for _ in range(9):
            connect(wifi, port)
            wifi.request_failed()
            wifi.request_failed()
        assert wifi.wants_reset


def test_failures_twelve_in_a_row_want_a_reset_and_success_ends_the_row():
    port = boot(fakes_chip.ESP32Chip, lab_air())
    wifi = Wifi(port, [("lab", "wrong")])
    for _ in range(11):
        refused(wifi, port)
    assert not wifi.wants_reset
    refused(wifi, port)
    assert wifi.wants_reset
    wifi.request_succeeded()
    assert not wifi.wants_reset


def test_failed_round_leaves_the_driver_idle():
    # It must not go on trying by itself for ever, as the ESP32 does.
    for chip in BOTH:
        port = boot(chip, fakes_wifi.Air())
        refused(Wifi(port, [LAB]), port)
        assert port.wifi_status() == "idle", port.name


def test_off_and_on_again():
    for chip in BOTH:
        port = boot(chip, lab_air())
        wifi = Wifi(port, [LAB])
        connect(wifi, port)
        wifi.off()
        assert not port.station().powered and not wifi.is_up
        connect(wifi, port)
        assert wifi.is_up


def test_light_sleep_link_lost_is_noticed_and_made_anew():
    for chip in BOTH:
        port = boot(chip, lab_air())
        wifi = Wifi(port, [LAB])
        connect(wifi, port)
        port.light_sleep(60_000)
        assert not wifi.step()
        connect(wifi, port)


def test_driver_raises_everywhere_ends_in_a_network_error():
    class Broken(fakes_wifi.ESP32Station):
        def active(self, up=None):
            raise OSError("Wifi Unknown Error 0x0101")

        def disconnect(self):
            raise OSError("Wifi Internal Error")

    chip = fakes_chip.ESP32Chip()
    network = fakes_wifi.Network(chip, lab_air(), Broken)
    port = ESP32Port(chip.machine, network, fakes_chip.ESP32Module(), chip.time)
    wifi = Wifi(port, [LAB, HALL])
    for _ in range(13):  # cycling the interface fails as well
        error = refused(wifi, port)
        assert "failed" in str(error) and error.errno is None
    assert wifi.wants_reset


def test_connect_refused_by_the_driver_goes_on_to_the_next_network():
    class Picky(fakes_wifi.CYW43Station):
        def connect(self, ssid, key=None):
            if ssid == "lab":
                raise OSError(-5)
            super().connect(ssid, key)

    chip = fakes_chip.RP2Chip()
    air = fakes_wifi.Air(lab=("opensesame", True), hall=("swordfish", True))
    network = fakes_wifi.Network(chip, air, Picky)
    port = RP2Port(chip.machine, network, chip.implementation, chip.time)
    wifi = Wifi(port, [LAB, HALL])
    connect(wifi, port)
    assert wifi.up()[0] == "hall"
    assert "failed (OSError(-5" in str(refused(Wifi(port, [LAB, LAB]), port))
