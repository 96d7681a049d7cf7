"""The status LED: how often it blinks says what is wrong, once every three seconds.

1  no Wi-Fi
2  Wi-Fi, but the platform does not answer
3  the platform refuses (authentication, topic)
0: short flash  all well

Loaded by boards that have one (`loader`).
"""

from micropython import const

from .errors import DRIVER_ERRORS

_ALL_WELL = const(0)
_PERIOD_MS = const(3_000)
_BLINK_MS = const(400)  # on for half of it
_FLASH_MS = const(30)


class LED:
    """The LED on that pin of the port. Nothing waits: call `step` often.

    Whatever its driver raises is logged once: a light stops nothing.
    """

    def __init__(self, port, pin, log):
        self._port = port
        self._log = log
        self._lit = False
        self._switch = None
        try:
            self._switch = port.led(pin)
        except DRIVER_ERRORS as error:
            log.warning("app", "no LED", "why", error)

    def step(self, code: int) -> None:
        """Switch the LED as the code, one of the numbers above (0: all well), and the time say."""
        at = self._port.uptime_ms() % _PERIOD_MS
        if code == _ALL_WELL:
            lit = at < _FLASH_MS
        else:
            lit = at < code * _BLINK_MS and at % _BLINK_MS < _BLINK_MS // 2
        if lit != self._lit and self._switch is not None:
            self._lit = lit
            try:
                self._switch(1 if lit else 0)
            except DRIVER_ERRORS as error:
                self._switch = None
                self._log.warning("app", "no LED", "why", error)
