"""The loop a board runs: sample, store, send what waits, sleep.

Booting is treated like any outage: platform, Wi-Fi or clock may be missing, and readings are taken
and stored all the same. Sampling and sending have a schedule each, and neither holds up the other:
a send is cut into requests, joining a network into steps, and readings are taken in between. What
is needed once a boot is in `lifecycle`, loaded for it.

All times are uptimes in ms, which are plain integers and never wrap.
"""

import gc

from micropython import const

from .errors import DRIVER_ERRORS, StorageError
from .link import Link
from .loader import keep, load
from .log import Log
from .sensors import check_value, read_all
from .storage.outbox import Outbox

# With interval_s 0 a reading is taken as soon as the one before is sent; while nothing can be
# sent, this often, so that an outage does not wear out the flash.
_FASTEST_WAITING_MS = const(1_000)
# A boot that has run for so long, or has sent a reading, is healthy (boot.py, rule 3).
_HEALTHY_MS = const(60_000)
# A sleep shorter than this is waited out: falling asleep and waking takes as long.
_SLEEP_MIN_MS = const(2_000)
_SLICE_MS = const(100)
# Want of memory is told, and counted, so often: what takes it may be gone soon.
_STARVED_MS = const(10_000)
_LITTER_OF_WORK = const(16)
_LITTER_MAX = const(64)
_HAS_THRESHOLD = hasattr(gc, "threshold")  # MicroPython; CPython collects by itself


class App:
    """Samples sensors, keeps the readings on flash, and sends them until they are accepted.

    Args: config; sensors, more sensors beside those of the config, each with
    `read() -> {"name": number | string | bool}`; the rest is found by itself where not given.
    Attributes: accepted (readings accepted since boot), quarantined, pending, dropped (of the
    outbox), last_error (what stopped the last send, None after a success).

    `with App(config) as app:` closes it at the end.
    """

    def __init__(self, config, sensors=(), port=None, client=None, outbox=None, log=None):
        if port is None:
            from . import ports

            port = ports.detect()
        config.check_port(port)
        self._config = config
        self._port = port
        self._log = log or Log(port)
        self._outbox = outbox or Outbox(
            "outbox", config.outbox_max_bytes, port.random_bytes, self._log
        )
        self._link = Link(
            config, port, self._log, self._outbox.newest_unix_ms, self._clock_was_set
        )
        self._client = client
        self._sender = None  # until something is to be sent: readings are stored before it loads
        self._more_sensors = sensors
        self._sensors = None  # until they are read: the boot's own reading is stored before
        self._due_ms = 0  # the uptime of the next reading
        self._told = False
        self._proven = 0  # 1: it has run for long enough, 2: a report was accepted
        self._litter = 0
        self._starved = self._starved_ms = 0  # times without memory in a row; the last one
        self._sleep = config.sleep

    def _clock_was_set(self):
        # Readings of this boot that were stored without a time get theirs.
        self._outbox.set_time(self._link.unix_ms() - self._port.uptime_ms())

    @property
    def accepted(self) -> int:
        return self._sender.accepted if self._sender else 0

    @property
    def last_error(self):
        return self._sender.last_error if self._sender else None

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
        return self._outbox.append(values, self._link.unix_ms(), self._port.uptime_ms())

    def drain(self, deadline_ms: int = 30_000) -> None:
        """Send what waits; for people who write their own loop.

        What was accepted is not sent again, by a later boot neither.
        Raises: the LinkpostError that stopped it; all that was not accepted still waits.
        """
        self._get_sender().drain(deadline_ms)

    def _get_sender(self):
        if self._sender is None:
            sender = keep("sender").Sender
            self._sender = sender(
                self._port, self._config, self._outbox, self._link, self._log, self._client
            )
        return self._sender

    def close(self) -> None:
        """Close the connection, power the radio down, and leave the outbox in order.

        Nothing accepted is sent again. The app may be used on: what it needs is opened again.
        """
        if self._sender:
            self._sender.off()
        self._outbox.sync()

    def __enter__(self):
        return self

    def __exit__(self, *details):
        self.close()

    def run(self, reports=None) -> None:
        """Run for ever, or until `reports` readings were accepted since boot.

        KeyboardInterrupt passes, with the outbox in order. Raises: what no retry can mend.
        """
        self._start()
        try:
            while reports is None or self.accepted < reports:
                self._port.feed()
                try:
                    sampled = self._sample_if_due()
                    self._rest(self._sender.step() or sampled)
                except MemoryError:
                    self._out_of_memory()
        finally:
            # A clean stop: the cursor is on flash, and the next boot sends nothing twice.
            self._sender.close()
            self._outbox.sync()

    def _start(self):
        port = self._port
        woken = port.reset_cause() == "deep sleep"
        if not woken:
            # First of all, before anything more is loaded. Nothing is dropped in silence: each
            # boot reports why it came, and what was lost so far.
            system = load("sensors.system").System(port, self._counters)
            self._store(read_all([("", system)]))
        lifecycle = load("lifecycle")
        lifecycle.tell_start(self._log, self._config, port, self._outbox)
        if self._config.watchdog_s:
            port.start_watchdog(int(self._config.watchdog_s * 1000))
        self._get_sensors()  # what is wrong with them in the config is said now
        sender = self._get_sender()
        if _HAS_THRESHOLD:
            gc.threshold(-1)  # from here on `_collect` does it
        self._due_ms = now_ms = port.uptime_ms()
        self._healthy_ms = now_ms + _HEALTHY_MS
        if woken:
            sample_in_ms, send_in_ms, sender.attempts = lifecycle.resume(port)
            self._due_ms += sample_in_ms
            sender.due_ms = now_ms + send_in_ms
        else:
            sender.start()

    def _counters(self):
        counters = {"dropped": self.dropped, "quarantined": self.quarantined}
        if self._config.format == "alink":
            counters["stream"] = self._outbox.stream
        return counters

    # -- sampling -------------------------------------------------------------------------------

    def _sample_if_due(self):
        # Returns whether it was.
        now_ms = self._port.uptime_ms()
        interval_ms = self._config.interval_ms
        if now_ms < self._due_ms or (self._sender.busy and interval_ms == 0):
            return False
        every_ms = interval_ms
        if self.last_error is not None:
            every_ms = max(interval_ms, _FASTEST_WAITING_MS)
        # Before it is taken: what fails is not tried again at once.
        self._due_ms = self._sender.next_due_ms(self._due_ms, now_ms, every_ms)
        self.sample()
        self._starved = 0
        if not self._told:
            self._told = True
            load("lifecycle").tell_room(self._log, self._config, self._port, self._outbox)
        # A reading is sent when it is taken, unless `send_s` says that it may wait.
        if self._config.send_ms <= interval_ms:
            self._sender.hurry()
        return True

    def sample(self) -> None:
        """Read all sensors and store the reading. A flash that refuses is logged, not fatal."""
        values = read_all(self._get_sensors())
        errors = values.get("error", {})
        for name in sorted(errors):
            self._log.warning("sensor", "failed", "name", name, "why", errors[name])
        self._store(values)

    def _get_sensors(self):
        if self._sensors is None:
            built = load("sensors.building").build(self._config.sensors, self._port)
            built += [("", sensor) for sensor in self._more_sensors]
            for _, sensor in built:
                if hasattr(sensor, "counters"):
                    sensor.counters = self._counters
            self._sensors = built
        return self._sensors

    def _store(self, values):
        try:
            seq = self._put(values)
        except StorageError as error:
            self._log.error("store", "reading not stored", "why", error)
        else:
            self._log.debug("store", "stored", "seq", seq, "pending", self.pending)

    # -- between ----------------------------------------------------------------------------------

    def _out_of_memory(self):
        # What was to be done is done when it is due again; what was stored waits.
        gc.collect()
        self._port.sleep_ms(_SLICE_MS)
        now_ms = self._port.uptime_ms()
        if self._starved and now_ms - self._starved_ms < _STARVED_MS:
            return
        self._starved += 1
        self._starved_ms = now_ms
        try:
            load("backoff").out_of_memory(self._sender, self._starved)
        except MemoryError:
            pass

    def _collect(self, left_ms, has_worked):
        # Here, where nobody waits for it, and not in the middle of an append or a handshake, where
        # a threshold would (main.py). Work leaves a few KB, a look at the time next to nothing.
        self._litter += _LITTER_OF_WORK if has_worked else 1
        if self._litter >= _LITTER_MAX or (self._litter >= _LITTER_OF_WORK and left_ms):
            self._litter = 0
            if _HAS_THRESHOLD:
                gc.collect()

    def _rest(self, has_worked):
        port = self._port
        now_ms = port.uptime_ms()
        proven = 2 if self.accepted else 1 if now_ms >= self._healthy_ms else 0
        if proven > self._proven:
            load("lifecycle").prove(port, self.accepted)
            self._proven = proven
        left_ms = min(max(0, self._due_ms - now_ms), self._sender.left_ms())
        self._collect(left_ms, has_worked)
        if self._sleep == "none" or left_ms < _SLEEP_MIN_MS:
            port.sleep_ms(min(left_ms, _SLICE_MS))
            return
        self._sender.off()
        self._log.debug("app", "sleeping", "ms", left_ms)
        if self._sleep == "deep":
            # Before deep sleep only: light sleep keeps RAM, and a cursor for each reading would
            # take rp2's flash over its budget of erases.
            self._outbox.sync()
            wake_ms = port.uptime_ms() + left_ms
            in_ms = self._sender.due_ms - wake_ms
            load("lifecycle").keep(port, self._due_ms - wake_ms, in_ms, self._sender)
        try:
            if self._sleep == "deep":
                port.deep_sleep(left_ms)
            else:
                port.light_sleep(left_ms)
        except DRIVER_ERRORS as error:
            self._log.warning("app", "cannot sleep, stays awake", "why", error)
            self._sleep = "none"  # until the next boot
