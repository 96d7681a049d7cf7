"""Wi-Fi: a state machine over the port's station, never blocking, and what to say when it fails.

Rules, and why:

1. Before connecting, disconnect and wait: the ESP32's driver raises on a connect() while one is
   going on, and goes on trying the old network for ever.
2. `isconnected()` is necessary, not sufficient: both chips may show a link, and an address, after
   the access point has gone. A link is good while requests succeed; after two that failed it is
   made anew, whatever the driver says.
3. What fails again and again is made anew from further down: after three failures in a row the
   interface is powered down and up, after twelve `wants_reset` asks for a reset of the chip.
   Only a request that succeeded ends the row.
4. Every wait is bounded and cut into steps; between them the caller feeds the watchdog.

The words of the port's `wifi_status()` (ports/base.py) are compared here; numbers of the chips are
in the port files only.
"""

from micropython import const

from ..errors import NetworkError

# One network's time from connect() to an address. Joining takes 2 to 5 s, DHCP up to 10.
_JOIN_MS = const(20_000)
# A driver that says "idle" after connect() has not begun, or has given up without a word.
_IDLE_MS = const(3_000)
# Between disconnect() and connect(), and while powered down.
_SETTLE_MS = const(500)
_POWER_DOWN_MS = const(1_000)
_SLICE_MS = const(100)
# Rules 2 and 3.
_REQUESTS_PER_LINK = const(2)
_FAILURES_PER_CYCLE = const(3)
_FAILURES_PER_RESET = const(12)
# A driver's first try often fails for nothing, with any of the reasons.
_TRIES = const(2)

_DOWN = const(0)  # nothing is going on; the next step begins
_POWERED_DOWN = const(1)  # waits before powering up
_SETTLING = const(2)  # disconnected, waits before connect()
_JOINING = const(3)
_UP = const(4)

# What is told of a network, and which of two tries' reasons tells more: the earlier one here.
_TELLING = ("wrong password", "not found", "no address", "failed", "joining", "idle")
_REASONS = {
    "not found": "not found. 5 GHz only? This chip needs 2.4 GHz",
    "wrong password": "refused the password. Upper and lower case matter",
    "no address": "joined, but it gave no address (DHCP)",
    "joining": "did not answer",
    "idle": "did not answer",
    "failed": "failed",
}


class Wifi:
    """The link to one of several networks.

    Args:
        port: its station is used; `port.station()` must not be None.
        networks: list of (ssid, password), in order of preference; "" where it is open.
        country: two letters such as "CN", or None. hostname: up to 32 characters, or None.
        power_save: True lets the radio sleep between beacons: less current, slower replies.

    `reason` holds the port's word for the last failure, "" while all is well; `wants_reset` says
    that only a reset of the chip is left to try. Passwords are in no message.
    """

    def __init__(self, port, networks, country=None, hostname=None, power_save=False):
        self._port = port
        self._station = port.station()
        self._networks = networks
        self._country = country
        self._hostname = hostname
        self._power_save = power_save
        self._state = _DOWN
        self._since = 0
        self._network = 0
        self._tries = 0
        self._statuses = []
        self._told = []
        self._failed_requests = 0
        self.failures = 0
        self.reason = ""

    @property
    def wants_reset(self) -> bool:
        """Tell whether so much failed in a row that the chip should be reset."""
        return self.failures >= _FAILURES_PER_RESET

    def is_up(self) -> bool:
        """Tell whether there is a link that is worth a request."""
        return self._state == _UP and self._station.isconnected()

    def ssid(self) -> str:
        """Return the name of the network that is joined or being tried."""
        return self._networks[self._network][0]

    def rssi(self):
        """Return the signal in dBm, or None while not joined."""
        return self._port.wifi_rssi()

    def step(self) -> bool:
        """Do the next small thing towards a link; True once it is up. Returns within a moment.

        Raises: NetworkError when every network has been tried once in vain: it says for each of
            them why, and holds the chip's number for the last. The next step begins anew; when to
            take it is up to the caller.
        """
        if self._state == _UP:
            if self._station.isconnected():
                return True
            self._state = _DOWN
        if self._state == _DOWN:
            self._begin()
        elif self._state == _POWERED_DOWN:
            if self._passed_ms() >= _POWER_DOWN_MS:
                self._settle(0)
        elif self._state == _SETTLING:
            if self._passed_ms() >= _SETTLE_MS:
                self._connect()
        else:
            self._look()
        return self._state == _UP

    def connect(self, deadline) -> None:
        """Step until the link is up, feeding the watchdog.

        Args: deadline, a `clock.Deadline`.
        Raises: NetworkError, as `step` does, and at the deadline.
        """
        while not self.step():
            self._port.feed()
            left_ms = deadline.left_ms()
            if not left_ms:
                self._tell()
                self._fail(self._port.wifi_code())
            self._port.sleep_ms(min(_SLICE_MS, left_ms))

    def request_failed(self) -> None:
        """Count a request that failed on its way: no name, no answer, a connection that broke.

        Not for refusals: whatever the platform or its TLS answers proves that the link works.
        """
        self._failed_requests += 1
        if self._failed_requests >= _REQUESTS_PER_LINK:
            self._failed_requests = 0
            self.failures += 1
            self._state = _DOWN

    def request_succeeded(self) -> None:
        """Note that the other end has answered: the link is good."""
        self._failed_requests = 0
        self.failures = 0
        self.reason = ""

    def off(self) -> None:
        """Leave the network and power the radio down, before sleep; `step` powers it up again."""
        self._port.stop_station()
        self._state = _DOWN

    # -- the states -----------------------------------------------------------------------------

    def _begin(self):
        self._told = []
        if self.failures and self.failures % _FAILURES_PER_CYCLE == 0:
            self._port.stop_station()
            self._enter(_POWERED_DOWN)
            return
        # Wi-Fi outlives a soft reset: a link to one of our networks is taken as it is, but not
        # after failures (rule 2).
        if not self.failures and self._adopt():
            self._enter(_UP)
            return
        self._settle(0)

    def _adopt(self):
        try:
            if not self._station.isconnected():
                return False
            joined = self._station.config("ssid")
        except (OSError, ValueError):  # the interface is down
            return False
        for i, network in enumerate(self._networks):
            if network[0] == joined:
                self._network = i
                return True
        return False

    def _settle(self, network):
        """Begin with that network: first leave what the driver may be about."""
        self._network = network
        self._tries = 0
        self._statuses = []
        self._leave()

    def _leave(self):
        try:
            self._port.start_station(self._country, self._hostname, self._power_save)
        except OSError as error:
            self._tried("failed", _number(error))
            return
        try:
            self._station.disconnect()
        except OSError:
            pass  # there was nothing to disconnect
        self._enter(_SETTLING)

    def _connect(self):
        ssid, password = self._networks[self._network]
        try:
            self._station.connect(ssid, password or None)
        except OSError as error:
            self._tried("failed", _number(error))
            return
        self._enter(_JOINING)

    def _look(self):
        status = self._port.wifi_status()
        if status == "up":
            self.reason = ""
            self._enter(_UP)
        elif status in ("not found", "wrong password", "failed"):
            self._tried(status, self._port.wifi_code())
        else:
            if not self._statuses or self._statuses[-1] != status:
                self._statuses.append(status)
            if self._passed_ms() >= (_IDLE_MS if status == "idle" else _JOIN_MS):
                self._next(self._port.wifi_code())

    def _tried(self, status, code):
        """Note a try that failed with a reason; try once more, or go on."""
        self._statuses.append(status)
        self._tries += 1
        if self._tries < _TRIES:
            self._leave()
        else:
            self._next(code)

    def _next(self, code):
        """Note why this network failed; go on to the next, or end the round."""
        self._tell()
        if self._network + 1 < len(self._networks):
            self._settle(self._network + 1)
        else:
            self._fail(code)

    def _tell(self):
        seen = [word for word in _TELLING if word in self._statuses]
        self.reason = seen[0] if seen else "joining"
        self._told.append('Wi-Fi "%s" %s.' % (self.ssid(), _REASONS[self.reason]))

    def _fail(self, code):
        self.failures += 1
        self._state = _DOWN
        try:
            # Not to go on by itself while nobody looks: it takes current and answers later.
            self._station.disconnect()
        except OSError:
            pass
        raise NetworkError(" ".join(self._told), code)

    def _enter(self, state):
        self._state = state
        self._since = self._port.ticks_ms()

    def _passed_ms(self):
        return self._port.ticks_diff(self._port.ticks_ms(), self._since)


def _number(error):
    """Return the number of an OSError; the drivers raise some with a text only."""
    return error.args[0] if error.args and isinstance(error.args[0], int) else None
