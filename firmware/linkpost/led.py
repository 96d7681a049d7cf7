"""The status LED: how often it blinks says what is wrong, once every three seconds.

1  no Wi-Fi
2  Wi-Fi, but the platform does not answer
3  the platform refuses (authentication, topic)
short flash  all well

Loaded by boards that have one (`loader`).
"""

from micropython import const

from .errors import DRIVER_ERRORS

_PERIOD_MS = const(3_000)
_BLINK_MS = const(400)  # on for half of it
_FLASH_MS = const(30)


class LED:
    """Blinks as the app does. Nothing waits: call `step` often.

    Whatever its driver raises is logged once: a light stops nothing.
    """

    def __init__(self):
        self._lit = False
        self._switch = None

    def step(self, app) -> None:
        """Switch the LED of the config as the time and the app's last send say."""
        at = app.port.uptime_ms() % _PERIOD_MS
        failed = app.last_error
        if app.accepted and failed is None:
            lit = at < _FLASH_MS
        else:
            code = 2 if app.link.is_up else 1
            if failed is not None and failed.retry in ("slowly", "never"):
                code = 3
            lit = at < code * _BLINK_MS and at % _BLINK_MS < _BLINK_MS // 2
        if lit != self._lit:
            self._lit = lit
            try:
                if self._switch is None:
                    self._switch = app.port.led(app.config.led_pin)
                self._switch(lit)
            except DRIVER_ERRORS as error:
                app.log.warning("app", "no LED", "why", error)
                app.config.led_pin = None  # until the next boot
