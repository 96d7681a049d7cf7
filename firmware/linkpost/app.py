"""The loop a board runs: sample, store, send what waits, sleep.

Booting is treated like any outage: platform, Wi-Fi or clock may be missing, and readings are taken
and stored all the same. Sampling and sending have a schedule each; a failure of one never holds up
the other. The one place that decides when to try again is `backoff`.
"""

from .backoff import Backoff
from .clock import Clock
from .errors import LinkpostError, StorageError
from .log import Log

# The first send after a boot waits up to this, or up to `send_s` where that is less: three hundred
# boards after a blackout would meet 40000.
_FIRST_SEND_JITTER_MS = 10_000
# With interval_s 0 a reading is taken as soon as the one before is sent; while nothing can be
# sent, this often, so that an outage does not wear out the flash.
_FASTEST_WAITING_MS = 1_000
# One request and what it may need before it: connection, authentication, a second send.
_SEND_DEADLINE_MS = 30_000
_SLICE_MS = 500


class App:
    """Samples sensors, keeps the readings on flash, and sends them until they are accepted.

    Args: config; sensors, more sensors beside those of the config, each with `read()`; the rest is
    found by itself where not given.
    Attributes: accepted (readings accepted since boot), quarantined, pending, dropped (of the
    outbox), last_error (the last LinkpostError of sending, None after a success).
    """

    def __init__(
        self, config, sensors=(), port=None, client=None, outbox=None, log=None, backoff=None
    ):
        if port is None:
            from .ports import detect

            port = detect()
        config.check_port(port)
        self._config = config
        self._port = port
        self._log = log or Log(port)
        self._clock = Clock(port)
        self._backoff = backoff or Backoff(port.random_bytes)
        self._outbox = outbox or self._open_outbox()
        if client is None:
            from .client import Client

            client = Client(config, port=port, log=self._log)
        self._client = client
        from .delivery import Delivery
        from .sensors import build

        self._delivery = Delivery(port, config, client, self._outbox, self._log)
        self._sensors = build(config.sensors, port)
        for sensor in sensors:
            self._sensors.append(("", sensor))
        self.last_error = None
        self._sending = False

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
        from .clock import Deadline

        deadline = Deadline(self._port, deadline_ms)
        while self._outbox.pending:
            self._delivery.step(deadline.left_ms())
            self._port.feed()

    def run(self, reports=None) -> None:
        """Run for ever, or until `reports` readings were accepted since boot.

        Raises: nothing that a retry can mend; KeyboardInterrupt passes, with the outbox in order.
        """
        config = self._config
        self._log.info(
            "app",
            "started",
            "device",
            "%s/%s" % (config.product_key, config.device_name),
            "endpoint",
            config.endpoint,
            "stream",
            self._outbox.stream,
            "next",
            self._outbox.next_seq,
            "pending",
            self.pending,
        )
        if config.watchdog_s:
            self._port.start_watchdog(int(config.watchdog_s * 1000))
        port = self._port
        sample = _Schedule(port, 0)
        jitter = min(config.send_ms, _FIRST_SEND_JITTER_MS)
        send = _Schedule(port, self._backoff.jitter_ms(jitter))
        booted = False  # the jitter of the first send has passed
        try:
            while reports is None or self.accepted < reports:
                port.feed()
                if sample.left_ms() == 0 and not (self._sending and config.interval_ms == 0):
                    self.sample()
                    waiting = self.last_error is not None
                    fastest = _FASTEST_WAITING_MS if waiting else 0
                    sample.again(max(config.interval_ms, fastest))
                    if booted and not waiting and config.send_ms <= config.interval_ms:
                        send.after(0)
                if send.left_ms() == 0:
                    booted = True
                    self._send(send)
                left = min(sample.left_ms(), send.left_ms())
                if left:
                    port.sleep_ms(min(left, _SLICE_MS))
        finally:
            # A clean stop: the cursor is on flash, and the next boot sends nothing twice.
            self._client.close()
            self._outbox.sync()

    def sample(self) -> None:
        """Read all sensors and store the reading. A flash that refuses is logged, not fatal."""
        from .sensors import read_all

        values = read_all(self._sensors)
        try:
            seq = self.append(values)
        except StorageError as error:
            self._log.error("store", "reading not stored", "error", error)
            return
        for name in sorted(values.get("error", ())):
            self._log.warning("sensor", "failed", "name", name, "error", values["error"][name])
        self._log.debug("store", "stored", "seq", seq, "pending", self.pending)

    def _send(self, send):
        # One request; the loop comes back at once while more waits, and samples in between.
        try:
            self._sending = self._delivery.step(_SEND_DEADLINE_MS)
        except LinkpostError as error:
            self._sending = False
            self.last_error = error
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
            send.after(wait_ms)
            return
        self.last_error = None
        self._backoff.succeeded()
        if not self._sending:
            send.again(self._config.send_ms)


class _Schedule:
    """When something is due, on ticks: a clock that is set does not disturb it."""

    def __init__(self, port, in_ms):
        self._port = port
        self.after(in_ms)

    def left_ms(self):
        """Return the ms until it is due, 0 when it is."""
        left = self._wait - self._port.ticks_diff(self._port.ticks_ms(), self._start)
        return left if left > 0 else 0

    def after(self, ms):
        """Make it due so long from now."""
        self._start = self._port.ticks_ms()
        self._wait = ms

    def again(self, every_ms):
        """Make it due one period after it last was, so that periods do not drift.

        Periods that have passed meanwhile are left out, not made up for.
        """
        now = self._port.ticks_ms()
        late = self._port.ticks_diff(now, self._start) - self._wait
        self._start = now
        self._wait = every_ms - late % every_ms if every_ms else 0
