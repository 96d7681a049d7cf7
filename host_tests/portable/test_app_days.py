"""Thirty days of an app on both chips' own tick arithmetic: what is due comes on time.

`ticks_ms` wraps at 2**30 ms, 12.4 days, and `ticks_diff` is right for half of that
(docs/porting.md, "Clock and ticks"): a week is longer.
"""

import fakes_chip
import fakes_wifi
from fakes_app import FakeClient, FakeOutbox, Stop, app_config
from linkpost.app import App
from linkpost.errors import ConfigError
from linkpost.log import Log
from linkpost.ports.esp32 import ESP32Port
from linkpost.ports.rp2 import RP2Port

BOTH = (fakes_chip.ESP32Chip, fakes_chip.RP2Chip)
DAY_MS = 86_400_000
WEEK_S = 604_800
MONTH_MS = 30 * DAY_MS
# Awake the loop looks every 100 ms; here a slice takes as long as this, so that a month is short.
_SLICE_MS = 120_000


class Life:
    """An app on a fake chip, over as many boots as deep sleep makes of it."""

    def __init__(self, make_chip, **config):
        self.chip = make_chip()
        self.outbox = FakeOutbox()
        self.taken = []  # when readings were stored, ms since the first boot
        self.sent = []  # when requests were made
        self._config = config
        store = self.outbox.append

        def append(values, unix_ms, uptime_ms=None):
            self.taken.append(self.chip.now_ms)
            return store(values, unix_ms, uptime_ms)

        self.outbox.append = append

    def _port(self):
        chip = self.chip
        air = fakes_wifi.Air()
        if isinstance(chip, fakes_chip.ESP32Chip):
            network = fakes_wifi.Network(chip, air, fakes_wifi.ESP32Station)
            port = ESP32Port(chip.machine, network, fakes_chip.ESP32Module(), chip.time)
        else:
            network = fakes_wifi.Network(chip, air, fakes_wifi.CYW43Station)
            port = RP2Port(chip.machine, network, chip.implementation, chip.time)
        feed = port.feed

        def feed_or_stop():
            feed()
            if chip.now_ms >= MONTH_MS:
                raise Stop

        port.feed = feed_or_stop
        port.sleep_ms = lambda ms: chip.advance(_SLICE_MS if ms else 0)
        port.heap = lambda probe=False: {"total": 200_000, "free": 100_000}  # not on CPython
        return port

    def _publish(self, payload, number):
        self.sent.append(self.chip.now_ms)

    def run(self):
        while self.chip.now_ms < MONTH_MS:
            port = self._port()
            config = app_config(ntp=[], **self._config)
            client = FakeClient(Advancing(self.chip), self._publish, takes_ms=10)
            log = Log(port, lambda line: None)
            try:
                App(config, port=port, client=client, outbox=self.outbox, log=log).run()
            except (Stop, fakes_chip.Reset):
                pass
        return self


class Advancing:
    """The time of a fake chip, for a fake client."""

    def __init__(self, chip):
        self._chip = chip

    @property
    def now(self):
        return self._chip.now_ms

    @now.setter
    def now(self, ms):
        self._chip.advance(ms - self._chip.now_ms)


def on_time(times, every_ms):
    """Check that it came every so often over the month, each time within three slices."""
    bursts = []
    for at in times:
        if not bursts or at - bursts[-1] > 10 * _SLICE_MS:
            bursts.append(at)
    assert len(bursts) >= MONTH_MS // every_ms, bursts
    for i in range(1, len(bursts)):
        late_ms = bursts[i] - bursts[0] - i * every_ms
        assert abs(late_ms) <= 3 * _SLICE_MS, (i, bursts)
    return bursts


def test_month_interval_of_a_week_samples_and_sends_each_week():
    for make in BOTH:
        life = Life(make, interval_s=WEEK_S).run()
        assert len(on_time(life.taken, WEEK_S * 1000)) == 5
        assert len(on_time(life.sent, WEEK_S * 1000)) == 5
        assert life.outbox.pending == 0


def test_month_send_of_a_week_drains_each_week():
    for make in BOTH:
        life = Life(make, interval_s=7200, send_s=WEEK_S).run()
        assert 360 <= len(life.taken) - 1 <= 361, len(life.taken)
        assert len(on_time(life.sent, WEEK_S * 1000)) == 5
        assert life.outbox.pending < 7 * 12


def test_month_week_of_light_sleep():
    for make in BOTH:
        life = Life(make, interval_s=WEEK_S, sleep="light").run()
        assert len(on_time(life.taken, WEEK_S * 1000)) == 5
        assert life.chip.slept_ms > 27 * DAY_MS


def test_month_week_of_deep_sleep():
    life = Life(fakes_chip.ESP32Chip, interval_s=WEEK_S, sleep="deep").run()
    assert len(on_time(life.taken, WEEK_S * 1000)) == 5
    life = Life(fakes_chip.ESP32Chip, interval_s=86_400, send_s=WEEK_S, sleep="deep").run()
    assert len(on_time(life.taken, DAY_MS)) >= 30
    assert len(on_time(life.sent, WEEK_S * 1000)) == 5


def test_config_refuses_what_is_longer_than_a_week():
    for key in ("interval_s", "send_s"):
        app_config(**{key: WEEK_S})
        for seconds in (WEEK_S + 1, WEEK_S + 0.5, 1 << 29, 1e12):
            try:
                app_config(**{key: seconds})
            except ConfigError as error:
                assert key in str(error) and "604800" in str(error)
            else:
                raise AssertionError(seconds)
