"""The loop a board runs: sample, store, send what waits, sleep.

Booting is treated like any outage: platform, Wi-Fi or clock may be missing, and readings are taken
and stored all the same. Sampling and sending have a schedule each, and neither holds up the other:
a send is cut into requests, joining a network into steps, and readings are taken in between. The
one place that decides when to try again is `backoff`; its state outlives deep sleep.
"""

from . import led
from .backoff import Backoff
from .carried import Carried
from .clock import Clock, Deadline
from .errors import RETRY_NEVER, RETRY_SLOWLY, LinkpostError, StorageError
from .link import Link
from .log import Log
from .ports.base import DEEP_SLEEP_WAKE
from .schedule import Schedule
from .sensors import build, read_all
from .sensors.system import System

# The first send after a boot waits up to this, or up to `send_s` where that is less: three hundred
# boards after a blackout would meet 40000.
_FIRST_SEND_JITTER_MS = 10_000
# With interval_s 0 a reading is taken as soon as the one before is sent; while nothing can be
# sent, this often, so that an outage does not wear out the flash.
_FASTEST_WAITING_MS = 1_000
# One request and what it may need before it: connection, authentication, a second send.
_SEND_DEADLINE_MS = 30_000
# A boot that has run for so long, or has sent a reading, is healthy (boot.py, rule 3).
_HEALTHY_MS = 60_000
# A sleep shorter than this is waited out: falling asleep and waking takes as long.
_SLEEP_MIN_MS = 2_000
_SLICE_MS = 100
# From so many waiting readings on, one request each takes long enough to say how it could be less.
_BACKLOG_HINT = 20


class App:
    """Samples sensors, keeps the readings on flash, and sends them until they are accepted.

    Args: config; sensors, more sensors beside those of the config, each with
    `read() -> {"name": number | string | bool}`; the rest is found by itself where not given.
    Attributes: accepted (readings accepted since boot), quarantined, pending, dropped (of the
    outbox), last_error (what stopped the last send, None after a success).
    """

    def __init__(self, config, sensors=(), port=None, client=None, outbox=None, log=None):
        if port is None:
            from . import ports

            port = ports.detect()
        config.check_port(port)
        self._config = config
        self._port = port
        self._log = log or Log(port)
        self._clock = Clock(port)
        self._carried = Carried(port)
        self._backoff = Backoff(port.random_bytes)
        self._outbox = outbox or self._open_outbox()
        if client is None:
            from .client import Client

            client = Client(config, port=port, log=self._log)
        from .delivery import Delivery

        self._client = client
        self._delivery = Delivery(port, config, client, self._outbox, self._log)
        self._link = Link(config, port, self._clock, self._log)
        self._led = led.LED(port, None if config.led_pin is None else port.led(config.led_pin))
        self._sensors = build(config.sensors, port)
        for sensor in sensors:
            self._sensors.append(("", sensor))
        for _, sensor in self._sensors:
            if isinstance(sensor, System):
                sensor.counters = self._counters
        self.last_error = None
        self._sending = False
        self._hinted = False

    def _open_outbox(self):
        from .storage.outbox import Outbox

        config = self._config
        return Outbox("outbox", config.outbox_max_bytes, self._port.random_bytes, self._log)

    @property
    def accepted(self) -> int:
        return self._delivery.accepted

    @property
    def quarantined(self) -> int:
        return self._outbox.quarantined

    @property
    def pending(self) -> int:
        return self._outbox.pending

    @property
    def dropped(self) -> int:
        return self._outbox.dropped

    def append(self, values: dict) -> int:
        """Store one reading; return its seq. It is safe on flash when this returns.

        Args: values, {name: number | string | bool}. Raises: StorageError where the flash refuses.
        """
        return self._outbox.append(values, self._clock.unix_ms(), self._port.uptime_ms())

    def drain(self, deadline_ms: int = 30_000) -> None:
        """Send what waits; for people who write their own loop.

        Raises: the LinkpostError that stopped it; all that was not accepted still waits.
        """
        deadline = Deadline(self._port, deadline_ms)
        while self._outbox.pending:
            while not self._link.step():
                self._port.feed()
                self._port.sleep_ms(min(_SLICE_MS, deadline.left_ms()))
            self._request(deadline.left_ms())

    def run(self, reports=None) -> None:
        """Run for ever, or until `reports` readings were accepted since boot.

        KeyboardInterrupt passes, with the outbox in order. Raises: what no retry can mend.
        """
        self._start()
        try:
            while reports is None or self.accepted < reports:
                self._port.feed()
                self._led.step()
                self._sample_if_due()
                self._send_if_due()
                self._rest()
        finally:
            # A clean stop: the cursor is on flash, and the next boot sends nothing twice.
            self._client.close()
            self._outbox.sync()

    def _start(self):
        config = self._config
        port = self._port
        self._log.info(
            "app",
            "started",
            "device",
            "%s/%s" % (config.product_key, config.device_name),
            "endpoint",
            config.endpoint,
            "cause",
            port.reset_cause(),
            "stream",
            self._outbox.stream,
            "next",
            self._outbox.next_seq,
            "pending",
            self.pending,
        )
        if config.watchdog_s:
            port.start_watchdog(int(config.watchdog_s * 1000))
        self._healthy = Schedule(port, _HEALTHY_MS)
        self._proven = False
        if port.reset_cause() == DEEP_SLEEP_WAKE:
            self._backoff.attempts = self._carried.attempts
            self._sample_schedule = Schedule(port, self._carried.sample_in_ms)
            self._send_schedule = Schedule(port, self._carried.send_in_ms)
            self._first_sent = True
            return
        jitter_ms = self._backoff.jitter_ms(min(config.send_ms, _FIRST_SEND_JITTER_MS))
        self._sample_schedule = Schedule(port, 0)
        self._send_schedule = Schedule(port, jitter_ms)
        self._first_sent = False
        # Nothing is dropped in silence: each boot reports why it came, and what was lost so far.
        self._store(System(port, self._counters).read())

    def _counters(self):
        counters = {"dropped": self.dropped, "quarantined": self.quarantined}
        if self._config.format == "alink":
            counters["stream"] = self._outbox.stream
        return counters

    # -- sampling -------------------------------------------------------------------------------

    def _sample_if_due(self):
        config = self._config
        if self._sample_schedule.left_ms() or (self._sending and config.interval_ms == 0):
            return
        self.sample()
        failing = self.last_error is not None
        self._sample_schedule.again(max(config.interval_ms, _FASTEST_WAITING_MS if failing else 0))
        # A reading is sent when it is taken, unless `send_s` says that it may wait.
        if self._first_sent and not failing and config.send_ms <= config.interval_ms:
            self._send_schedule.after(0)

    def sample(self) -> None:
        """Read all sensors and store the reading. A flash that refuses is logged, not fatal."""
        values = read_all(self._sensors)
        errors = values.get("error", {})
        for name in sorted(errors):
            self._log.warning("sensor", "failed", "name", name, "why", errors[name])
        self._store(values)

    def _store(self, values):
        try:
            seq = self.append(values)
        except StorageError as error:
            self._log.error("store", "reading not stored", "why", error)
        else:
            self._log.debug("store", "stored", "seq", seq, "pending", self.pending)

    # -- sending --------------------------------------------------------------------------------

    def _send_if_due(self):
        # One step towards the platform, or one request; readings are taken in between.
        if self._send_schedule.left_ms():
            return
        self._first_sent = True
        if not self.pending:
            self._send_schedule.again(self._config.send_ms)
            return
        try:
            if not self._link.step():
                return
            self._hint_backlog()
            self._sending = self._request(_SEND_DEADLINE_MS)
        except LinkpostError as error:
            self._sending = False
            self._send_schedule.after(self._wait_after(error))
            return
        self.last_error = None
        self._backoff.succeeded()
        self._led.code = led.ALL_WELL
        self._prove_healthy()
        if not self._sending:
            self._send_schedule.again(self._config.send_ms)

    def _request(self, deadline_ms):
        # One request; the link learns from it how good it is.
        try:
            more = self._delivery.step(deadline_ms)
        except LinkpostError as error:
            self._link.failed(error)
            raise
        self._link.succeeded(self._client.date())
        return more

    def _wait_after(self, error):
        self.last_error = error
        if error.retry in (RETRY_SLOWLY, RETRY_NEVER):
            self._led.code = led.REFUSED
        else:
            self._led.code = led.NO_PLATFORM if self._link.is_joined else led.NO_WIFI
        wait_ms = self._backoff.next_ms(error)
        self._log.warning(
            "send",
            "failed",
            "error",
            type(error).__name__,
            "why",
            error,
            "pending",
            self.pending,
            "again_ms",
            wait_ms,
        )
        if self._link.wants_reset:
            self._log.error("wifi", "resetting: the network does not come back")
            self._outbox.sync()
            self._port.reset()
        return wait_ms

    def _hint_backlog(self):
        config = self._config
        if self._hinted or self.pending < _BACKLOG_HINT or config.batch_bytes:
            return
        self._hinted = True
        if config.format != "alink":
            self._log.info(
                "send",
                "backlog: outbox.batch_bytes would send many in one request",
                "pending",
                self.pending,
            )

    def _prove_healthy(self):
        if not self._proven:
            self._proven = True
            self._carried.crashes = 0
            self._carried.keep()

    # -- between --------------------------------------------------------------------------------

    def _rest(self):
        if not self._healthy.left_ms():
            self._prove_healthy()
        left_ms = min(self._sample_schedule.left_ms(), self._send_schedule.left_ms())
        if not left_ms:
            # Due at once, or a network that is being joined: come back soon, but not in a spin.
            if not self._sending and not self._link.is_joined:
                self._port.sleep_ms(_SLICE_MS)
            return
        sleep = self._config.sleep
        if sleep == "none" or left_ms < _SLEEP_MIN_MS:
            self._port.sleep_ms(min(left_ms, _SLICE_MS))
            return
        self._client.close()
        self._outbox.sync()
        self._link.off()
        self._log.debug("app", "sleeping", "ms", left_ms)
        if sleep == "light":
            self._port.light_sleep(left_ms)
        else:
            self._deep_sleep(left_ms)

    def _deep_sleep(self, ms):
        carried = self._carried
        carried.crashes = 0
        carried.attempts = self._backoff.attempts
        carried.sample_in_ms = self._sample_schedule.left_ms() - ms
        carried.send_in_ms = self._send_schedule.left_ms() - ms
        if carried.sample_in_ms < 0:
            carried.sample_in_ms = 0
        if carried.send_in_ms < 0:
            carried.send_in_ms = 0
        carried.keep()
        self._port.deep_sleep(ms)
