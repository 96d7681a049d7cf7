"""Sending on its own schedule: when, and what a failure means for the next time.

One step towards the platform, or one request, at a time; the app takes readings in between.
"""

from . import led
from .backoff import Backoff
from .clock import Deadline
from .delivery import Delivery
from .errors import RETRY_NEVER, RETRY_SLOWLY, LinkpostError
from .link import Link
from .schedule import Schedule

# The first send after a boot waits up to this, or up to `send_s` where that is less: three hundred
# boards after a blackout would meet 40000.
_FIRST_SEND_JITTER_MS = 10_000
# One request and what it may need before it: connection, authentication, a second send.
_REQUEST_DEADLINE_MS = 30_000
# Between two steps of joining a network.
_JOIN_STEP_MS = 100
# From so many waiting readings on, one request each takes long enough to say how it could be less.
_BACKLOG_HINT = 20


class Sender:
    """Brings what waits in the outbox to the platform when it is due.

    Attributes: last_error, what stopped the last send, None after a success; busy, more waits and
    is being sent right now.
    """

    def __init__(self, port, config, client, outbox, clock, log, on_clock_set):
        self._port = port
        self._config = config
        self._client = client
        self._outbox = outbox
        self._log = log
        self._backoff = Backoff(port.random_bytes)
        self._delivery = Delivery(port, config, client, outbox, log)
        self._link = Link(config, port, clock, log, on_clock_set)
        self._led = led.LED(port, None if config.led_pin is None else port.led(config.led_pin))
        self._schedule = Schedule(port, 0)
        self._joining = False
        self._first = False
        self._hinted = False
        self.last_error = None
        self.busy = False

    @property
    def accepted(self) -> int:
        """Readings accepted since boot."""
        return self._delivery.accepted

    @property
    def attempts(self) -> int:
        """Failures in a row; what `resume` takes."""
        return self._backoff.attempts

    def start(self) -> None:
        """Begin after a boot: the first send is jittered."""
        self._first = True
        jitter_ms = min(self._config.send_ms, _FIRST_SEND_JITTER_MS)
        self._schedule.after(self._backoff.jitter_ms(jitter_ms))

    def resume(self, in_ms: int, attempts: int) -> None:
        """Go on after a deep sleep where the last wake left off."""
        self._backoff.attempts = attempts
        self._schedule.after(in_ms)

    def left_ms(self) -> int:
        """Return the ms until there is something to do."""
        return _JOIN_STEP_MS if self._joining else self._schedule.left_ms()

    def hurry(self) -> None:
        """Send now, unless the first send or a retry has its own time."""
        if not self._first and self.last_error is None and not self._backoff.attempts:
            self._schedule.after(0)

    def off(self) -> None:
        """Close the connection and power the radio down, before sleep."""
        self._client.close()
        self._link.off()

    def step(self) -> None:
        """Do what is due, if anything: a step of joining the network, or one request."""
        self._led.step()
        if self._schedule.left_ms():
            return
        self._first = False
        if not self._outbox.pending:
            self._schedule.again(self._config.send_ms)
            return
        try:
            self._joining = not self._link.step()
            if self._joining:
                return
            self._hint_backlog()
            self.busy = self._request(_REQUEST_DEADLINE_MS)
        except LinkpostError as error:
            self.busy = self._joining = False
            self._schedule.after(self._wait_after(error))
            return
        self.last_error = None
        self._backoff.succeeded()
        self._led.code = led.ALL_WELL
        if not self.busy:
            self._schedule.again(self._config.send_ms)

    def drain(self, deadline_ms: int) -> None:
        """Send all that waits, blocking. Raises: the LinkpostError that stopped it."""
        deadline = Deadline(self._port, deadline_ms)
        while self._outbox.pending:
            self._port.feed()
            if self._link.step() or not deadline.left_ms():
                self._request(deadline.left_ms())
            else:
                self._port.sleep_ms(min(_JOIN_STEP_MS, deadline.left_ms()))

    def _request(self, deadline_ms):
        # The link learns from each request how good it is.
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
            self._outbox.pending,
            "again_ms",
            wait_ms,
        )
        if self._link.wants_reset:
            self._log.error("send", "resetting: trying again has not helped")
            self._outbox.sync()
            self._port.reset()
        return wait_ms

    def _hint_backlog(self):
        config = self._config
        if self._hinted or self._outbox.pending < _BACKLOG_HINT or config.batch_bytes:
            return
        self._hinted = True
        if config.format != "alink":
            self._log.info(
                "send",
                "backlog: outbox.batch_bytes would send many in one request",
                "pending",
                self._outbox.pending,
            )
