"""The way to the platform before the first request: Wi-Fi, and a clock to check dates by.

It stands on its own: a program without the App, with `Client` for one, takes steps before it
sends, tells `succeeded` or `failed` afterwards, and takes the time from `unix_ms`.

Nothing in `step` waits for long: the app goes on sampling between two steps.
"""

from .errors import DRIVER_ERRORS, NetworkError
from .loader import load


class Link:
    """Wi-Fi where the config has networks and the port a radio; else the machine's own network.

    A chip whose time was lost is set to a floor before the first request (`clock`). That is not a
    right clock: `unix_ms` stays None until NTP or a verified reply has set it. The port remembers
    that it was set for as long as the RTC runs.

    Args: config; port; log; newest_unix_ms, the newest time that is on flash, or 0; on_clock_set,
        called when the clock was set with the Unix time at uptime 0, or None.
    Attributes: is_up, whether there is a network, as far as the board can see; failures, rounds
        of joining and links in a row without a request that succeeded; is_right, whether the clock
        was set; ntp_ms, the uptime from which NTP may be asked; joining, what `net.wifi` goes on
        with, while it does. `clock` and `backoff` work on these.
    """

    def __init__(self, config, port, log, newest_unix_ms=0, on_clock_set=None):
        self.config = config
        self.port = port
        self.log = log
        self.newest_unix_ms = newest_unix_ms
        self.on_clock_set = on_clock_set
        self.is_right = self._ceiling_ms = None
        self.ntp_ms = self.failures = 0
        self.joining = None
        self._is_doubted = False  # the last request failed
        self._radio = port.has_radio and bool(config.networks)
        self.is_up = not self._radio
        version = load("version")
        self.is_right = port.clock_marked() and version.can_be_right(port.unix_ms())
        # A clock that jumps beyond it while the board runs is not right either; one that jumps
        # back finds no certificate valid.
        self._ceiling_ms = version.CLOCK_CEILING_UNIX_MS

    def step(self) -> bool:
        """Do the next small thing; True once a request can be made.

        Raises: NetworkError where no network could be joined; the next step begins anew, when to
        take it is up to the caller.
        """
        if self._radio and not self._join():
            return False
        if not self.is_right and self.port.uptime_ms() >= self.ntp_ms:
            load("clock").ask(self)
        return True

    def _join(self):
        port = self.port
        try:
            if self.is_up and port.station().isconnected():
                return True
        except DRIVER_ERRORS:
            pass
        joining = self.joining
        self.is_up = False
        self.joining = None
        try:
            if joining is None:
                joining = load("net.wifi").join(port, self.config, self.log, self.failures)
            self.is_up = next(joining)
        except NetworkError:
            self.failures += 1
            raise
        if not self.is_up:
            self.joining = joining
        return False  # the next step is another one: what joined has gone by then

    def unix_ms(self):
        """Return Unix time in ms, or None while the clock is not right."""
        now_ms = self.port.unix_ms()
        return now_ms if self.is_right and now_ms < self._ceiling_ms else None

    def succeeded(self, date) -> None:
        """Take note of a reply over verified TLS; `date` is its Date header, or None.

        It sets a clock that is not right.
        """
        self.failures = 0
        self._is_doubted = False
        if date is not None and self.unix_ms() is None:
            load("clock").take_date(self, date)

    def failed(self, error) -> None:
        """Take note of a request that failed, and of why.

        A refusal does not count against the link: whatever the platform or its TLS answers proves
        that it works.
        """
        if self._radio and isinstance(error, NetworkError):
            # Both chips may show a link, and an address, after the access point has gone: after
            # two requests that failed in a row the link is made anew.
            self._is_doubted = not self._is_doubted
            if not self._is_doubted:
                self.failures += 1
                self.is_up = False
        if getattr(error, "reason", None) in ("expired", "not yet valid"):
            load("clock").doubt(self)

    def off(self) -> None:
        """Leave the network and power the radio down, before sleep; `step` powers it up again."""
        if self._radio:
            self.joining = None
            self.is_up = False
            self.port.stop_station()
