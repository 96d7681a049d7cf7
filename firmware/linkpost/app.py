"""The loop a board runs: sample, store, send what waits, sleep.

Booting is treated like any outage: platform, Wi-Fi or clock may be missing, and readings are taken
and stored all the same. Sampling and sending have a schedule each, and neither holds up the other:
a send is cut into requests, joining a network into steps, and readings are taken in between. The
one place that decides when to try again is `backoff`; its state outlives deep sleep.
"""

import json

from .clock import Clock
from .errors import StorageError
from .loader import load
from .log import Log
from .ports.base import DEEP_SLEEP_WAKE
from .retained import Retained
from .schedule import Schedule
from .sender import Sender
from .sensors import check_value, read_all
from .sensors.system import System

# With interval_s 0 a reading is taken as soon as the one before is sent; while nothing can be
# sent, this often, so that an outage does not wear out the flash.
_FASTEST_WAITING_MS = 1_000
# A boot that has run for so long, or has sent a reading, is healthy (boot.py, rule 3).
_HEALTHY_MS = 60_000
# A sleep shorter than this is waited out: falling asleep and waking takes as long.
_SLEEP_MIN_MS = 2_000
_SLICE_MS = 100
# Flash that a reading takes beyond its values as JSON; more than measured, so that the hours hold.
_STORED_BESIDE_VALUES = 24


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
        if client is None:
            from .client import Client

            # First of all: its buffer is the largest single piece, and the heap is still whole.
            client = Client(config, port=port, log=self._log)
        self._client = client
        self._outbox = outbox or self._open_outbox()
        self._clock = Clock(port, self._outbox.newest_unix_ms)
        self._retained = Retained(port)
        self._sender = Sender(
            port, config, client, self._outbox, self._clock, self._log, self._time_known
        )
        self._sensors = load("sensors.building").build(config.sensors, port)
        for sensor in sensors:
            self._sensors.append(("", sensor))
        for _, sensor in self._sensors:
            if isinstance(sensor, System):
                sensor.counters = self._counters

    def _open_outbox(self):
        from .storage.outbox import Outbox

        config = self._config
        return Outbox("outbox", config.outbox_max_bytes, self._port.random_bytes, self._log)

    def _time_known(self):
        # Readings of this boot that were stored without a time get theirs.
        self._outbox.set_time(self._clock.unix_ms_at(0))

    @property
    def accepted(self) -> int:
        return self._sender.accepted

    @property
    def last_error(self):
        return self._sender.last_error

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

        Args: values, {name: number | string | bool}.
        Raises: SensorError for a name or value that a reading cannot carry, StorageError where
        the flash refuses; nothing is stored then.
        """
        for name in values:
            check_value(name, values[name])
        return self._put(values)

    def _put(self, values):
        return self._outbox.append(values, self._clock.unix_ms(), self._port.uptime_ms())

    def drain(self, deadline_ms: int = 30_000) -> None:
        """Send what waits; for people who write their own loop.

        Raises: the LinkpostError that stopped it; all that was not accepted still waits.
        """
        self._sender.drain(deadline_ms)

    def run(self, reports=None) -> None:
        """Run for ever, or until `reports` readings were accepted since boot.

        KeyboardInterrupt passes, with the outbox in order. Raises: what no retry can mend.
        """
        self._start()
        try:
            while reports is None or self.accepted < reports:
                self._port.feed()
                self._sample_if_due()
                self._sender.step()
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
        self._told = False
        if port.reset_cause() == DEEP_SLEEP_WAKE:
            self._samples = Schedule(port, self._retained.sample_in_ms)
            self._sender.resume(self._retained.send_in_ms, self._retained.attempts)
            return
        self._samples = Schedule(port, 0)
        self._sender.start()
        # Nothing is dropped in silence: each boot reports why it came, and what was lost so far.
        self._store(read_all([("", System(port, self._counters))]))

    def _counters(self):
        counters = {"dropped": self.dropped, "quarantined": self.quarantined}
        if self._config.format == "alink":
            counters["stream"] = self._outbox.stream
        return counters

    # -- sampling -------------------------------------------------------------------------------

    def _sample_if_due(self):
        interval_ms = self._config.interval_ms
        if self._samples.left_ms() or (self._sender.busy and interval_ms == 0):
            return
        self.sample()
        if not self._told:
            self._tell_capacity()
        failing = self.last_error is not None
        self._samples.again(max(interval_ms, _FASTEST_WAITING_MS if failing else 0))
        # A reading is sent when it is taken, unless `send_s` says that it may wait.
        if self._config.send_ms <= interval_ms:
            self._sender.hurry()

    def _tell_capacity(self):
        # By the reading just taken: in a frame its values are about as long as in JSON.
        self._told = True
        newest = self._outbox.newest()
        if newest is None or not self._config.interval_ms:
            return
        size = len(json.dumps(newest[2])) + _STORED_BESIDE_VALUES
        readings = self._outbox.max_bytes // size
        hours = readings * (self._config.interval_ms // 100) // 36_000
        self._log.info("store", "an outage may last", "hours", hours, "readings", readings)

    def sample(self) -> None:
        """Read all sensors and store the reading. A flash that refuses is logged, not fatal."""
        values = read_all(self._sensors)
        errors = values.get("error", {})
        for name in sorted(errors):
            self._log.warning("sensor", "failed", "name", name, "why", errors[name])
        self._store(values)

    def _store(self, values):
        try:
            seq = self._put(values)
        except StorageError as error:
            self._log.error("store", "reading not stored", "why", error)
        else:
            self._log.debug("store", "stored", "seq", seq, "pending", self.pending)

    # -- between ----------------------------------------------------------------------------------

    def _rest(self):
        if not self._proven and (self.accepted or not self._healthy.left_ms()):
            self._proven = True
            self._retained.crashes = 0
            self._retained.keep()
        left_ms = min(self._samples.left_ms(), self._sender.left_ms())
        sleep = self._config.sleep
        if sleep == "none" or left_ms < _SLEEP_MIN_MS:
            self._port.sleep_ms(min(left_ms, _SLICE_MS))
            return
        self._sender.off()
        self._log.debug("app", "sleeping", "ms", left_ms)
        if sleep == "light":
            self._port.light_sleep(left_ms)
        else:
            self._deep_sleep(left_ms)

    def _deep_sleep(self, ms):
        retained = self._retained
        retained.crashes = 0
        retained.attempts = self._sender.attempts
        retained.sample_in_ms = max(0, self._samples.left_ms() - ms)
        retained.send_in_ms = max(0, self._sender.left_ms() - ms)
        retained.keep()
        # Before deep sleep only: light sleep keeps RAM, and a cursor for each reading would take
        # rp2's flash over its budget of erases.
        self._outbox.sync()
        self._port.deep_sleep(ms)
