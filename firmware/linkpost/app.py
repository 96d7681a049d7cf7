"""The loop a board runs: sample, store, send, sleep.

Booting is treated like any outage: platform, Wi-Fi or clock may be missing, and readings are taken
and stored all the same. Sampling and sending have a schedule each, and neither holds up the other:
a send is cut into requests, joining a network into steps, and readings are taken in between. What
is needed once a boot is in `lifecycle`, loaded for it; a `drain` is in `draining`.

All times are uptimes in ms, which are plain integers and never wrap.
"""

import gc

from micropython import const

from .errors import StorageError
from .link import Link
from .loader import load, sweep
from .log import Log
from .sender import Sender
from .sensors import check_value, read_all
from .storage.outbox import Outbox

# With interval_s 0 a reading is taken as soon as the one before is sent; while nothing can be
# sent, this often, so that an outage does not wear out the flash.
_FASTEST_WAITING_MS = const(1_000)
# A sleep shorter than this is waited out: falling asleep and waking takes as long.
_SLEEP_MIN_MS = const(2_000)
_SLICE_MS = const(100)
# Out of memory for so long, without a reading stored and without room to say so.
_BLIND_MAX_MS = const(600_000)
_LITTER_OF_WORK = const(16)
_LITTER_MAX = const(64)
_HAS_THRESHOLD = hasattr(gc, "threshold")  # MicroPython; CPython collects by itself


class App:
    """Samples sensors, keeps the readings on flash, and sends them until they are accepted.

    Args: config; sensors, more sensors beside those of the config, each with
    `read() -> {"name": number | string | bool}`; the rest is found by itself where not given.
    Attributes: accepted (readings accepted since boot), quarantined, pending, dropped (of the
    outbox), last_error (what stopped the last send, None after a success). The others are for
    the firmware's own `lifecycle` and `backoff`: the arguments; link; sender; due_ms, the uptime
    of the next reading; healthy_ms, from when on the boot is healthy; sleep, the config's while it
    works; starved, times out of memory in a row, and starved_ms, the uptime of the last one.

    `with App(config) as app:` closes it at the end.
    """

    def __init__(self, config, sensors=(), port=None, client=None, outbox=None, log=None):
        if port is None:
            from . import ports

            port = ports.detect()
        config.check_port(port)
        self.config = config
        self.port = port
        self.log = log or Log(port)
        # All there are before anything is loaded: what grows then lies behind it.
        self.outbox = self.link = self.sender = None
        self._more_sensors = sensors
        self._sensors = None  # until they are read: the boot's own reading is stored before
        self._first_values = None  # from the first reading on until the room for more is told
        self.due_ms = self.healthy_ms = self.starved = self.starved_ms = 0
        self._proven = 0  # 1: it has run for long enough, 2: a report was accepted
        self._litter = 0
        self.sleep = config.sleep
        self.outbox = outbox or Outbox(
            "outbox", config.outbox_max_bytes, port.random_bytes, self.log
        )
        self.link = Link(config, port, self.log, self.outbox.newest_unix_ms, self._clock_was_set)
        port.feed()  # what that took goes first
        self.sender = Sender(port, config, self.outbox, self.link, self.log, client)

    def _clock_was_set(self):
        # Readings of this boot that were stored without a time get theirs.
        self.outbox.set_time(self.link.unix_ms() - self.port.uptime_ms())

    def __getattr__(self, name):
        # Only asked for what an object and its class have not.
        if name in ("accepted", "last_error"):
            return getattr(self.sender, name)
        if name in ("quarantined", "pending", "dropped"):
            return getattr(self.outbox, name)
        raise AttributeError(name)

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
        return self.outbox.append(values, self.link.unix_ms(), self.port.uptime_ms())

    def drain(self, deadline_ms: int = 30_000) -> None:
        """Send waiting readings; for people who write their own loop.

        What was accepted is not sent again, by a later boot neither.
        Raises: the LinkpostError that stopped it; all that was not accepted still waits.
        """
        load("draining").drain(self.sender, deadline_ms)

    def close(self) -> None:
        """Close the connection, power the radio down, and leave the outbox in order.

        Nothing accepted is sent again. The app may be used on: what it needs is opened again.
        """
        self.sender.close()
        self.link.off()
        self.outbox.sync()

    def __enter__(self):
        return self

    def __exit__(self, *details):
        self.close()

    def run(self, reports=None) -> None:
        """Run for ever, or until `reports` readings were accepted since boot.

        KeyboardInterrupt passes, with the outbox in order. Raises: what no retry can mend.
        """
        # In a frame of its own, which lies where nothing is left of Config.load and others.
        sweep()
        self._run(reports)

    def _run(self, reports):
        self._start()
        if _HAS_THRESHOLD:
            gc.threshold(-1)  # from here on `_rest` collects
        try:
            while reports is None or self.sender.accepted < reports:
                self.port.feed()
                sweep()
                try:
                    sampled = self._sample_if_due()
                    self._rest(self.sender.step() or sampled)
                except MemoryError:
                    self._out_of_memory()
        finally:
            # A clean stop: the cursor is on flash, and the next boot sends nothing twice.
            self.sender.close()
            self.outbox.sync()

    def _start(self):
        # Of its own: `run` has a frame for ever, which may hold on to a loaded module (2 KB).
        values = load("lifecycle").start(self)
        self.port.feed()
        if values:
            self.store(values)

    # -- sampling -------------------------------------------------------------------------------

    def _sample_if_due(self):
        # Returns whether it was, or what there is once before and after the first.
        if self._first_values is not None:
            self._once()
            return True
        now_ms = self.port.uptime_ms()
        interval_ms = self.config.interval_ms
        if now_ms < self.due_ms or (self.sender.busy and interval_ms == 0):
            return False
        if self._sensors is None:
            self._once()
            return True
        every_ms = interval_ms
        if self.sender.last_error is not None:
            every_ms = max(interval_ms, _FASTEST_WAITING_MS)
        # Before it is taken: what fails is not tried again at once.
        self.due_ms = self.sender.next_due_ms(self.due_ms, now_ms, every_ms)
        values = read_all(self._sensors)
        for name in values.get("error", ()):
            self.log.warning("sensor", "failed", "name", name, "why", values["error"][name])
        self.store(values)
        self.starved = 0
        if self._more_sensors is not None:
            self._more_sensors = None
            self._first_values = values
        # A reading is sent when it is taken, unless `send_s` says that it may wait.
        if self.config.send_ms <= interval_ms:
            self.sender.hurry()
        return True

    def _once(self):
        # A step of its own, as `_start`: what is loaded for it is gone by the next.
        if self._sensors is None:
            self._sensors = load("sensors.building").build_for(self, self._more_sensors)
        else:
            max_bytes = self.outbox.max_bytes  # loads something: before, not beside
            load("lifecycle").tell_room(self, self._first_values, max_bytes)
            self._first_values = None

    def _prove(self):
        load("boot_work").prove(self.port, self.sender.accepted)

    def store(self, values) -> None:
        """Store a reading. A flash that refuses is logged, not fatal."""
        try:
            seq = self._put(values)
        except StorageError as error:
            self.log.error("store", "reading not stored", "why", error)
        else:
            self.log.debug("store", "stored", "seq", seq, "pending", self.outbox.pending)

    # -- between ----------------------------------------------------------------------------------

    def _out_of_memory(self):
        # What was to be done is done when it is due again; what was stored waits.
        gc.collect()
        self.port.sleep_ms(_SLICE_MS)
        try:
            load("backoff").out_of_memory(self)
        except MemoryError:
            # Not even room to count it. `boot` has, once the app is gone, and resets.
            now_ms = self.port.uptime_ms()
            if not self.starved:
                self.starved = 1
                self.starved_ms = now_ms
            elif now_ms - self.starved_ms > _BLIND_MAX_MS:
                raise

    def _rest(self, has_worked):
        port = self.port
        now_ms = port.uptime_ms()
        proven = 2 if self.sender.accepted else 1 if now_ms >= self.healthy_ms else 0
        if proven > self._proven:
            self._prove()
            port.feed()  # what that took goes, also where this is the last step
            self._proven = proven
        left_ms = min(max(0, self.due_ms - now_ms), self.sender.left_ms())
        # Collected here, where nobody waits for it, and not in the middle of an append or a
        # handshake, where a threshold would. Work leaves a few KB, a look next to nothing.
        self._litter += _LITTER_OF_WORK if has_worked else 1
        if self._litter >= _LITTER_MAX or (self._litter >= _LITTER_OF_WORK and left_ms):
            self._litter = 0
            if _HAS_THRESHOLD:
                gc.collect()
        if self.sleep == "none" or left_ms < _SLEEP_MIN_MS:
            port.sleep_ms(min(left_ms, _SLICE_MS))
        else:
            load("lifecycle").sleep(self, left_ms)
