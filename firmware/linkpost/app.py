"""The loop a board runs: sample, store, send, sleep.

Booting is treated like any outage: platform, Wi-Fi or clock may be missing, and readings are taken
and stored all the same. Sampling and sending have a schedule each, and neither holds up the other:
joining a network is cut into steps and sending into requests, and readings are taken in between.

The oldest waiting reading goes first. It is acknowledged when the platform has accepted it, and
the outbox moves its cursor once per accepted request.

What is needed now and then is loaded for it, and works on the app's attributes: `lifecycle` at the
start and for a sleep, `backoff` after a failure, `delivery` for batches and what is refused.

All times are uptimes in ms, which are plain integers and never wrap.
"""

import gc

from micropython import const

from .client import Client
from .errors import DRIVER_ERRORS, LinkpostError, RejectedError, StorageError
from .link import Link
from .loader import load, sweep
from .log import Log
from .ports import detect
from .sensors import check_value, read_all
from .storage.outbox import Outbox
from .storage.readings import seq_of

# With interval_s 0 a reading is taken as soon as the one before is sent; while nothing can be
# sent, this often, so that an outage does not wear out the flash.
_FASTEST_WAITING_MS = const(1_000)
# A sleep shorter than this is waited out: falling asleep and waking takes as long.
_SLEEP_MIN_MS = const(2_000)
_SLICE_MS = const(100)  # of waiting, and between two steps of joining a network
# One request and what it may need before it: connection, authentication, a second send.
_REQUEST_DEADLINE_MS = const(30_000)
# A boot that has run for so long, or has sent a reading, is healthy (boot.py, rule 3).
_HEALTHY_MS = const(60_000)
# The pause after a failure to send where there is no memory left even for `backoff`.
_BLIND_PAUSE_MS = const(60_000)
# Out of memory for so long, without a reading stored and without room to say so.
_BLIND_MAX_MS = const(600_000)
_LITTER_OF_WORK = const(16)
_LITTER_MAX = const(32)
_ERRORS = (LinkpostError,) + DRIVER_ERRORS  # made before memory runs out
_HAS_THRESHOLD = hasattr(gc, "threshold")  # MicroPython; CPython collects by itself


class App:
    """Samples sensors, keeps the readings on flash, and sends them until they are accepted.

    Args: config; sensors, more sensors beside those of the config, each with
    `read() -> {"name": number | string | bool}`; the rest is found by itself where not given.
    Attributes: accepted (readings accepted since boot), quarantined, pending, dropped (of the
    outbox), last_error (what stopped the last send, None after a success).

    The others are for the modules that are loaded: the arguments; link; due_ms and send_due_ms,
    uptimes of the next reading and the next send; hurries, the first send of a boot, which has its
    own time, is over; attempts, failures to send in a row; starved, how often memory ran out since
    a send went well, and starved_ms, when it did, outside of sending, since a reading was stored
    (0: it did not); proof, the highest seq accepted since boot; singly, up to this seq readings
    travel alone.

    `with App(config) as app:` closes it at the end.
    """

    def __init__(self, config, sensors=(), port=None, client=None, outbox=None, log=None):
        port = port or detect()
        config.check_port(port)
        self.config = config
        self.port = port
        self.log = log = log or Log(port)
        # All there are before anything is loaded: what grows then lies behind it.
        self.outbox = self.link = self.client = self.last_error = None
        self._encode = self._led = None
        self.due_ms = self.send_due_ms = self.starved = self.starved_ms = 0
        self.accepted = self.attempts = self.proof = self.singly = 0
        self._healthy_ms = port.uptime_ms() + _HEALTHY_MS
        self._more_sensors = sensors
        self._sensors = None
        self._proven = 0  # 1: it has run for long enough, 2: a report was accepted
        self._litter = 0
        self.hurries = False
        self._busy = 0  # how many wait that are being sent right now
        self.outbox = outbox or Outbox("outbox", config.outbox_max_bytes, port.random_bytes, log)
        self.link = Link(config, port, log, self.outbox.newest_unix_ms, self.outbox.set_time)
        port.feed()  # what that took goes first
        self.client = client or Client(config, port=port, log=log)
        # Of the two formats a board keeps its own in heap.
        if config.format == "alink":
            self._encode = load("protocol.alink").encode_alink
        else:
            self._encode = load("protocol.payloads").encode_json

    def __getattr__(self, name):
        # Only asked for what an object and its class have not.
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
        port = self.port
        end_ms = port.uptime_ms() + deadline_ms
        accepted = self.accepted
        try:
            while self.outbox.pending:
                port.feed()
                # Here, where nothing is half done: no threshold is set, and what a full heap
                # collects lies in pieces between what is in use just then.
                gc.collect()
                left_ms = end_ms - port.uptime_ms()
                if left_ms <= 0:
                    load("backoff").give_up(self.link)
                if self.link.step():
                    self.request(left_ms)
                else:
                    port.sleep_ms(_SLICE_MS)
        except DRIVER_ERRORS as error:
            raise load("backoff").as_linkpost(error, port)
        finally:
            if self.accepted > accepted:
                # What was accepted is not sent again, whatever comes next: another boot for one.
                self.outbox.sync()

    def close(self) -> None:
        """Close the connection, power the radio down, and leave the outbox in order.

        Nothing accepted is sent again. The app may be used on: what it needs is opened again.
        """
        self.client.close()
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
            while reports is None or self.accepted < reports:
                self.port.feed()
                sweep()
                try:
                    sampled = self._sample_if_due()
                    self._rest(self.send() or sampled)
                except MemoryError:
                    self._out_of_memory()
        finally:
            # A clean stop: the cursor is on flash, and the next boot sends nothing twice.
            self.client.close()
            self.outbox.sync()

    def _start(self):
        # Of its own: `run` has a frame for ever, which may hold on to a loaded module (2 KB).
        values = load("lifecycle").start(self)
        self.port.feed()
        if values:
            self._store(values)

    # -- sampling -------------------------------------------------------------------------------

    def _sample_if_due(self):
        # Returns whether it was.
        now_ms = self.port.uptime_ms()
        interval_ms = self.config.interval_ms
        if now_ms < self.due_ms or (self._busy and not interval_ms):
            return False
        is_first = self._sensors is None
        if is_first:  # not before the boot's own reading was stored
            self._sensors = load("sensors.building").build_for(self, self._more_sensors)
        every_ms = max(interval_ms, _FASTEST_WAITING_MS) if self.attempts else interval_ms
        # Before it is taken: what fails is not tried again at once.
        self.due_ms = next_due_ms(self.due_ms, now_ms, every_ms)
        values = read_all(self._sensors)
        for name in values.get("error", ()):
            self.log.warning("sensor", "failed", "name", name, "why", values["error"][name])
        self._store(values)
        self.starved_ms = 0
        # A reading is sent when it is taken, unless `send_s` says that it may wait, or the first
        # send of a boot or a retry has its own time.
        if self.hurries and not self.attempts and self.config.send_ms <= interval_ms:
            self.send_due_ms = now_ms
        if is_first:
            load("lifecycle").tell_heap(self)
        return True

    def _store(self, values):
        # A flash that refuses is logged, not fatal.
        try:
            seq = self._put(values)
            self.log.debug("store", "stored", "seq", seq, "pending", self.outbox.pending)
        except StorageError as error:
            self.log.error("store", "reading not stored", "why", error)

    # -- sending --------------------------------------------------------------------------------

    def send(self) -> bool:
        """Do what is due: a step of joining the network, or one request. Return whether any was.

        A failure is logged and sets when to try again. Raises: MemoryError, and what ends a boot.
        """
        if self.config.led_pin is not None:
            if self._led is None:
                self._led = load("led").LED()
            self._led.step(self)
        now_ms = self.port.uptime_ms()
        if now_ms < self.send_due_ms:
            return False
        if self.outbox.pending:
            try:
                if not self.link.step():
                    return True
                self._busy = self.request(_REQUEST_DEADLINE_MS)
            except _ERRORS as error:
                self._busy = 0
                self.send_due_ms = self.port.uptime_ms() + _BLIND_PAUSE_MS
                load("backoff").after(self, error)
                return True
            self.last_error = None
            self.attempts = self.starved = 0
            self.hurries = True
            if self._busy:
                return True
        self.send_due_ms = next_due_ms(self.send_due_ms, now_ms, self.config.send_ms)
        return True

    def request(self, deadline_ms: int) -> int:
        """Send one request's worth; return how many readings wait then.

        Raises: LinkpostError when nothing could be accepted now; all of it still waits.
        """
        outbox = self.outbox
        frame = outbox.oldest_frame()
        if frame is None:
            return 0
        seq = seq_of(frame)
        if seq == self.proof:  # accepted ahead of its turn, or the flash did not take that it was
            outbox.acknowledge(seq)
            return outbox.pending
        # One deadline over all of it: a peer that stalls each request cannot reset it.
        end_ms = self.port.uptime_ms() + deadline_ms
        try:
            # The connection first, while the heap is whole; then what it is to carry.
            self.client.open(deadline_ms)
            if self.config.batch_bytes and seq > self.singly:
                load("delivery").send_batch(self, end_ms)
            else:
                try:
                    self.publish(self.encode(outbox.reading(frame)), end_ms, seq, 1)
                    outbox.acknowledge(seq)
                except RejectedError as refusal:
                    load("delivery").refused(self, seq, refusal, end_ms)
        except LinkpostError as error:
            self.link.failed(error)
            raise
        self.link.succeeded(self.client.date())
        return outbox.pending

    def encode(self, reading) -> bytes:
        """Return a reading as the config's format has it."""
        return self._encode(self.outbox.stream, *reading).encode()

    def publish(self, payload, end_ms, seq, count) -> None:
        """Publish `count` readings, the last of them `seq`. Raises: LinkpostError."""
        now_ms = self.port.uptime_ms()
        message_id = self.client.publish(self.config.topic, payload, end_ms - now_ms)
        self.accepted += count
        self.proof = max(self.proof, seq)
        counted = ("count", count) if count > 1 else ()
        ms = self.port.uptime_ms() - now_ms
        self.log.info("send", "accepted", "seq", seq, "ms", ms, "id", message_id, *counted)

    # -- between ----------------------------------------------------------------------------------

    def _out_of_memory(self):
        # What was to be done is done when it is due again; what was stored waits.
        gc.collect()
        self.client.close()
        self.port.sleep_ms(_SLICE_MS)
        try:
            load("backoff").out_of_memory(self)
        except MemoryError:
            # Not even room to count it. `boot` has, once the app is gone, and resets.
            now_ms = self.port.uptime_ms()
            if not self.starved_ms:
                self.starved_ms = now_ms
            elif now_ms - self.starved_ms > _BLIND_MAX_MS:
                raise

    def _rest(self, has_worked):
        port = self.port
        now_ms = port.uptime_ms()
        proven = 2 if self.accepted else now_ms >= self._healthy_ms
        if proven > self._proven:
            load("boot_work").prove(port, self.accepted)
            port.feed()  # what that took goes, also where this is the last step
            self._proven = proven
        send_in_ms = _SLICE_MS if self.link.joining else self.send_due_ms - now_ms
        left_ms = max(0, min(self.due_ms - now_ms, send_in_ms))
        # Collected here, where nobody waits for it, and not in the middle of an append or a
        # handshake, where a threshold would. Work leaves a few KB, a look next to nothing.
        self._litter += _LITTER_OF_WORK if has_worked else 1
        if self._litter >= _LITTER_MAX and _HAS_THRESHOLD:
            self._litter = 0
            gc.collect()
        if self.config.sleep == "none" or left_ms < _SLEEP_MIN_MS:
            port.sleep_ms(min(left_ms, _SLICE_MS))
        else:
            load("lifecycle").sleep(self, left_ms)


def next_due_ms(due_ms: int, now_ms: int, ms: int) -> int:
    """Return when something is due again that was due at `due_ms`, every `ms`, without drift.

    Periods that have passed meanwhile are left out, not made up for.
    """
    return now_ms + ms - (now_ms - due_ms) % ms if ms else now_ms
