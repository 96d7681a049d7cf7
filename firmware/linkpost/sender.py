"""Sending on its own schedule: when, and one request at a time; the app reads sensors in between.

The oldest waiting reading goes first. It is acknowledged when the platform has accepted it, and
the outbox moves its cursor once per accepted request. What is refused, and batches: `delivery`.
What a failure means for the next try: `backoff`. Both are loaded when needed.

All times are uptimes in ms, which are plain integers and never wrap.
"""

import gc

from micropython import const

from .client import Client
from .errors import DRIVER_ERRORS, LinkpostError, RejectedError
from .loader import load
from .storage.readings import seq_of

# One request and what it may need before it: connection, authentication, a second send.
_REQUEST_DEADLINE_MS = const(30_000)
# Between two steps of joining a network.
_JOIN_STEP_MS = const(100)
# From so many waiting readings on, one request each takes long enough to say how it could be less.
_HINT_READINGS = const(20)
# The pause after a failure where there is no memory left even for `backoff`.
_BLIND_PAUSE_MS = const(60_000)


class Sender:
    """Sends the outbox's readings to the platform when they are due.

    Args: port, config, outbox, link, log; client, or None: one is made.
    Attributes: accepted, readings accepted since boot; last_error, what stopped the last send,
    None after a success; busy, more waits and is being sent right now; attempts, failures in a
    row; due_ms, the uptime of the next send; is_first, the first send of a boot is to come;
    led_code, of `led`. `backoff`, `delivery` and `lifecycle` work on these and on the arguments.
    """

    def __init__(self, port, config, outbox, link, log, client=None):
        self.port = port
        self.config = config
        self.outbox = outbox
        self.link = link
        self.log = log
        self.client = client or Client(config, port=port, log=log)
        self.last_error = None
        self.busy = self.is_first = self._joining = self._hinted = False
        self.accepted = self.attempts = self.starved = self.due_ms = 0
        self.proof = 0  # the highest seq accepted since boot
        self.ahead = 0  # a seq accepted ahead of its turn; 0: none
        self.singly = 0  # up to this seq readings travel alone
        self.led_code = 2  # no answer of the platform yet
        self._led = None
        self._before = self._encode = None
        # Of the two formats a board keeps its own in heap; alink has no place for the stream.
        if config.format == "alink":
            self._before = []
            self._encode = load("protocol.alink").encode_alink
        else:
            self._before = [outbox.stream]
            self._encode = load("protocol.payloads").encode_json

    def next_due_ms(self, due_ms: int, now_ms: int, ms: int) -> int:
        """Return when something is due again that was due at `due_ms`, every `ms`, without drift.

        Periods that have passed meanwhile are left out, not made up for.
        """
        return now_ms + ms - (now_ms - due_ms) % ms if ms else now_ms

    def left_ms(self) -> int:
        """Return the ms until there is something to do."""
        return _JOIN_STEP_MS if self._joining else max(0, self.due_ms - self.port.uptime_ms())

    def hurry(self) -> None:
        """Send now, unless the first send or a retry has its own time."""
        if not self.is_first and self.last_error is None and not self.attempts:
            self.due_ms = self.port.uptime_ms()

    def close(self) -> None:
        """Close the connection, if there is one."""
        self.client.close()

    def step(self) -> bool:
        """Do what is due: a step of joining the network, or one request. Return whether any was.

        A failure is logged and sets when to try again; nothing passes but what ends a boot.
        """
        if self.config.led_pin is not None:
            if self._led is None:
                self._led = load("led").LED(self.port, self.config.led_pin, self.log)
            self._led.step(self.led_code)
        now_ms = self.port.uptime_ms()
        if now_ms < self.due_ms:
            return False
        self.is_first = False
        if self.outbox.pending:
            try:
                self._joining = not self.link.step()
                if self._joining:
                    return True
                self.busy = self.request(_REQUEST_DEADLINE_MS)
            except (LinkpostError,) + DRIVER_ERRORS as error:
                self._failed(error)
                return True
            self.last_error = None
            self.attempts = self.starved = 0
            self.led_code = 0
            if self.busy:
                return True
        self.due_ms = self.next_due_ms(self.due_ms, now_ms, self.config.send_ms)
        return True

    def _failed(self, error):
        self.busy = self._joining = False
        self.due_ms = self.port.uptime_ms() + _BLIND_PAUSE_MS
        for _ in range(2):
            try:
                load("backoff").after(self, error)
                return
            except MemoryError:
                self.close()
                gc.collect()
        self.starved += 1
        try:
            self.log.error("send", "failed", "why", "out of memory")
        except MemoryError:
            pass  # not even room to say so

    def request(self, deadline_ms: int) -> bool:
        """Send one request's worth; return whether more waits.

        Raises: LinkpostError when nothing could be accepted now; all of it still waits.
        """
        frame = self.outbox.oldest_frame()
        if frame is None:
            return False
        seq = seq_of(frame)
        if seq == self.ahead:
            self.outbox.acknowledge(self.ahead)
            return self.outbox.pending > 0
        if not self._hinted and self.outbox.pending >= _HINT_READINGS:
            self._hinted = True
            load("delivery").hint_batches(self)
        # One deadline over all of it: a peer that stalls each request cannot reset it.
        end_ms = self.port.uptime_ms() + deadline_ms
        try:
            # The connection first, while the heap is whole; then what it is to carry.
            self.client.open(deadline_ms)
            if self.config.batch_bytes and seq > self.singly:
                load("delivery").send_batch(self, end_ms)
            else:
                try:
                    self.publish(self.encode(self.outbox.reading(frame)), end_ms, seq, 1)
                except RejectedError as refusal:
                    load("delivery").refused(self, seq, refusal, end_ms)
                else:
                    self.took(seq)
        except LinkpostError as error:
            self.link.failed(error)
            raise
        self.link.succeeded(self.client.date())
        return self.outbox.pending > 0

    def encode(self, reading) -> bytes:
        """Return a reading as the config's format has it."""
        return self._encode(*self._before, *reading).encode()

    def publish(self, payload, end_ms, seq, count) -> None:
        """Publish `count` readings, the last of them `seq`. Raises: LinkpostError."""
        now_ms = self.port.uptime_ms()
        message_id = self.client.publish(self.config.topic, payload, max(0, end_ms - now_ms))
        self.accepted += count
        ms = self.port.uptime_ms() - now_ms
        if count == 1:
            self.log.info("send", "accepted", "seq", seq, "ms", ms, "id", message_id)
        else:
            self.log.info("send", "accepted", "seq", seq, "count", count, "ms", ms)

    def took(self, seq) -> None:
        """Forget all readings up to `seq`: they were accepted."""
        self.proof = max(self.proof, seq)
        self.outbox.acknowledge(seq)
