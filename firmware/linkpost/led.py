"""The status LED: how often it blinks says what is wrong, once every three seconds.

1  no Wi-Fi
2  Wi-Fi, but the platform does not answer
3  the platform refuses (authentication, topic)
short flash  all well
"""

NO_WIFI = 1
NO_PLATFORM = 2
REFUSED = 3
ALL_WELL = 0

_PERIOD_MS = 3_000
_BLINK_MS = 400  # on for half of it
_FLASH_MS = 30


class LED:
    """Args: port; switch, a function that takes 1 or 0, or None where there is no LED.

    `code` is one of the numbers above. Nothing waits: call `step` often.
    """

    def __init__(self, port, switch):
        self._port = port
        self._switch = switch
        self._lit = 0
        self.code = NO_PLATFORM

    def step(self) -> None:
        """Switch the LED as the code and the time say."""
        if self._switch is None:
            return
        at = self._port.uptime_ms() % _PERIOD_MS
        if self.code == ALL_WELL:
            lit = at < _FLASH_MS
        else:
            lit = at < self.code * _BLINK_MS and at % _BLINK_MS < _BLINK_MS // 2
        if lit != self._lit:
            self._lit = lit
            self._switch(1 if lit else 0)
