"""The way to the platform before the first request: Wi-Fi, and a clock to check dates by.

It stands on its own: a program without the App, with `Client` for one, calls `connect` before it
sends, tells `succeeded` or `failed` afterwards, and takes the time from `unix_ms`.

Nothing in `step` waits for long: the app goes on sampling between two steps.
"""

from micropython import const

from .errors import (
    DRIVER_ERRORS,
    DeadlineError,
    LinkpostError,
    NetworkError,
    TLSError,
)
from .loader import load

# NTP is asked again at most this often while the clock is not right; the `Date` of a reply may set
# it before.
_NTP_AGAIN_MS = const(300_000)
_NTP_DEADLINE_MS = const(6_000)
_SLICE_MS = const(100)
# `isconnected()` is necessary, not sufficient: both chips may show a link, and an address, after
# the access point has gone. After so many requests that failed the link is made anew.
_REQUESTS_PER_LINK = const(2)
# What fails again and again is made anew from further down: `net.wifi` powers the interface down
# and up, and after so many failures in a row only a reset of the chip is left to try.
_FAILURES_PER_RESET = const(12)


class Link:
    """Wi-Fi where the config has networks and the port a radio; else the machine's own network.

    A chip whose time was lost is set to a floor before the first request (`clock.raise_floor`).
    That is not a right clock: `unix_ms` stays None until NTP or a verified reply has set it. The
    port remembers that it was set for as long as the RTC runs.

    Args: config; port; log; newest_unix_ms, the newest time that is on flash, or 0; on_clock_set,
        called without arguments when the clock was set, or None.
    Attributes: is_up, whether there is a network, as far as the board can see; failures, rounds
        of joining and links in a row without a request that succeeded.
    """

    def __init__(self, config, port, log, newest_unix_ms=0, on_clock_set=None):
        self._config = config
        self._port = port
        self._log = log
        self._newest_unix_ms = newest_unix_ms
        self._on_clock_set = on_clock_set
        self._right = port.clock_marked() and load("clock").can_be_right(port.unix_ms())
        self._floored = False
        self._ntp_ms = 0  # the uptime from which NTP may be asked
        self._joining = None  # what `net.wifi` goes on with, while it does
        self._requests = 0  # that failed in a row
        self._radio = port.has_radio and bool(config.networks)
        self.is_up = not self._radio
        self.failures = 0

    def step(self) -> bool:
        """Do the next small thing; True once a request can be made.

        Raises: NetworkError where no network could be joined; the next step begins anew, when to
        take it is up to the caller.
        """
        if not self._floored:
            self._floored = True
            if not self._right:
                load("clock").raise_floor(self._port, self._newest_unix_ms)
        if self._radio and not self._join():
            return False
        if not self._right and self._port.uptime_ms() >= self._ntp_ms:
            self._ask_ntp()
        return True

    def connect(self, deadline_ms: int) -> None:
        """Step until a request can be made, feeding the watchdog.

        Raises: NetworkError as `step` does; DeadlineError that says how far it came.
        """
        end_ms = self._port.uptime_ms() + deadline_ms
        while not self.step():
            self._port.feed()
            left_ms = end_ms - self._port.uptime_ms()
            if left_ms <= 0:
                self._give_up()
            self._port.sleep_ms(min(_SLICE_MS, left_ms))

    def _join(self):
        port = self._port
        if self.is_up:
            try:
                if port.station().isconnected():
                    return True
            except DRIVER_ERRORS:
                pass
            self.is_up = False
        if self._joining is None:
            self._joining = load("net.wifi").join(port, self._config, self._log, self.failures)
        try:
            self.is_up = next(self._joining)
        except NetworkError:
            self.failures += 1
            self._joining = None
            raise
        if self.is_up:
            self._joining = None
        return self.is_up

    def _give_up(self):
        joining = self._joining
        self._joining = None
        self.failures += 1
        if joining is not None:
            joining.throw(DeadlineError("deadline"))  # it says how far it came
        raise DeadlineError("no network within its time")

    def _ask_ntp(self):
        self._ntp_ms = self._port.uptime_ms() + _NTP_AGAIN_MS
        try:
            unix_ms = load("net.ntp").fetch(self._config.ntp, self._port, _NTP_DEADLINE_MS)
        except (LinkpostError, MemoryError) as error:
            # Not fatal: TLS is judged by the floor, and a reply over it sets the clock.
            shows = "%d-%02d-%02d" % load("dates").civil(self._port.unix_ms() // 1000)[:3]
            why = str(error) or "out of memory"
            self._log.warning("clock", "not set by NTP", "shows", shows, "why", why)
            return
        self._set(unix_ms, "set by NTP", "unix_ms", unix_ms)

    def _set(self, unix_ms, phrase, key, value):
        try:
            self._right = load("clock").set_clock(self._port, unix_ms)
        except DRIVER_ERRORS as error:
            self._log.warning("clock", "refused to be set", "why", error)
            return
        if self._right:
            self._log.info("clock", phrase, key, value)
            if self._on_clock_set is not None:
                self._on_clock_set()

    def unix_ms(self):
        """Return Unix time in ms, or None while the clock is not right."""
        return self._port.unix_ms() if self._right else None

    def succeeded(self, date) -> None:
        """Take note of a reply over verified TLS; `date` is its Date header, or None.

        The date sets a clock that is not right: the certificate's dates bound what a forger could
        say. It may be late by the reply's way and by a second.
        """
        self.failures = self._requests = 0
        if date is not None and not self._right:
            unix_ms = load("dates").parse_http_date(date)
            if unix_ms is not None:
                self._set(unix_ms, "set by the platform", "date", date)

    def failed(self, error) -> None:
        """Take note of a request that failed, and of why.

        A refusal does not count against the link: whatever the platform or its TLS answers proves
        that it works.
        """
        if self._radio and isinstance(error, NetworkError):
            self._requests += 1
            if self._requests >= _REQUESTS_PER_LINK:
                self._requests = 0
                self.failures += 1
                self.is_up = False
        if isinstance(error, TLSError) and error.reason in ("expired", "not yet valid"):
            # The clock may be wrong: it is asked for at once.
            self._right = False
            self._ntp_ms = 0
            try:
                self._port.mark_clock(False)
            except DRIVER_ERRORS:
                pass

    @property
    def wants_reset(self) -> bool:
        """Tell whether only a reset of the chip is left to try."""
        return self.failures >= _FAILURES_PER_RESET

    def off(self) -> None:
        """Leave the network and power the radio down, before sleep; `step` powers it up again."""
        if self._radio:
            self._joining = None
            self.is_up = False
            self._port.stop_station()
