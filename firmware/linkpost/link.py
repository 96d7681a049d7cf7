"""The way to the platform before the first request: Wi-Fi, and a clock to check dates by.

Nothing here waits for long: the app goes on sampling between two steps.
"""

from .clock import Deadline
from .errors import (
    TLS_EXPIRED,
    TLS_MEMORY,
    TLS_NOT_YET_VALID,
    LinkpostError,
    NetworkError,
    TLSError,
)
from .loader import load

# NTP is asked again at most this often while the clock is not right; the `Date` of a reply may set
# it before.
_NTP_AGAIN_MS = 300_000
_NTP_DEADLINE_MS = 6_000
# Requests in a row for which TLS found no memory: pieces of the heap that do not come together
# again, or memory of the radio's own, are whole again only after a reset.
_STARVED_MAX = 5


class Link:
    """Wi-Fi where the config has networks and the port a radio; else the machine's own network.

    Args: config, port, clock, log; on_clock_set, called without arguments when the clock was set.
    """

    def __init__(self, config, port, clock, log, on_clock_set):
        self._config = config
        self._port = port
        self._clock = clock
        self._log = log
        self._on_clock_set = on_clock_set
        self._ntp_since = None
        self._starved = 0
        self._wifi = None
        if config.networks and port.station() is not None:
            from .net.wifi import Wifi

            self._wifi = Wifi(port, config.networks, config.country or "", config.hostname or "")
        self._was_up = self._wifi is None

    def step(self) -> bool:
        """Do the next small thing; True once a request can be made.

        Raises: NetworkError where no network could be joined.
        """
        if self._wifi is not None:
            up = self._wifi.step()
            if up and not self._was_up:
                self._log.info("wifi", "up", "ssid", self._wifi.ssid(), "rssi", self._wifi.rssi())
            self._was_up = up
            if not up:
                return False
        if not self._clock.is_right():
            self._ask_ntp()
        return True

    def _ask_ntp(self):
        now = self._port.ticks_ms()
        since = self._ntp_since
        if since is not None and self._port.ticks_diff(now, since) < _NTP_AGAIN_MS:
            return
        self._ntp_since = now
        try:
            deadline = Deadline(self._port, _NTP_DEADLINE_MS)
            unix_ms = load("net.ntp").fetch(self._config.ntp, self._port, deadline)
        except LinkpostError as error:
            # Not fatal: TLS is judged by the floor, and a reply over it sets the clock.
            shows = "%d-%02d-%02d" % load("dates").civil(self._port.unix_ms() // 1000)[:3]
            self._log.warning("clock", "not set by NTP", "shows", shows, "why", error)
            return
        if self._clock.set_unix_ms(unix_ms):
            self._log.info("clock", "set by NTP", "unix_ms", unix_ms)
            self._on_clock_set()

    def succeeded(self, date) -> None:
        """Take note of a reply over verified TLS; `date` is its Date header, or None."""
        self._starved = 0
        if self._wifi is not None:
            self._wifi.request_succeeded()
        if date is None or self._clock.is_right():
            return
        if self._clock.set_from_http_date(date):
            self._log.info("clock", "set by the platform", "date", date)
            self._on_clock_set()

    def failed(self, error) -> None:
        """Take note of a request that failed, and of why."""
        if self._wifi is not None and isinstance(error, NetworkError):
            self._wifi.request_failed()
        reason = error.reason if isinstance(error, TLSError) else None
        self._starved = self._starved + 1 if reason == TLS_MEMORY else 0
        if reason in (TLS_EXPIRED, TLS_NOT_YET_VALID):
            self._clock.doubt()
            self._ntp_since = None

    @property
    def wants_reset(self) -> bool:
        """Tell whether only a reset of the chip is left to try."""
        if self._starved >= _STARVED_MAX:
            return True
        return self._wifi is not None and self._wifi.wants_reset

    @property
    def is_joined(self) -> bool:
        """Tell whether there is a network, as far as the board can see."""
        return self._was_up

    def off(self) -> None:
        """Power the radio down, before sleep."""
        if self._wifi is not None:
            self._wifi.off()
            self._was_up = False
