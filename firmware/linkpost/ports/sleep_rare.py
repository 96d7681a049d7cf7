"""Sleep, and what goes on when the program has ended.

Loaded when asked for (`Port.__getattr__`), and called as methods of the port.

Tried with fakes that behave as docs/porting.md says, not on hardware yet: the file
host_tests/contract/port_contract.py runs on a board.
"""

from micropython import const

from ..errors import DRIVER_ERRORS

# A light sleep is cut into pieces: rp2 takes 71 minutes at most, and a watchdog goes on running.
# On an RP2040 before MicroPython 1.29 it must not bite meanwhile: the chip then hangs until its
# power is cut (MicroPython issue 17228).
_SLEEP_PIECE_MS = const(3_600_000)
# Awake for so long when a light sleep came back at once, before it is tried again: the radio's
# driver has to run before the chip can sleep (docs/porting.md, "Reset, watchdog and sleep").
_SLEEP_AGAIN_MS = const(50)
_FEED_PERIOD_MS = const(500)


def light_sleep(port, ms: int) -> None:
    """Sleep with RAM kept for at least `ms`, the radio off; only where `can_light_sleep`."""
    port.stop_station()
    # By uptime, which the pieces keep from losing a wrap of the ticks.
    end_ms = port.uptime_ms() + ms
    unix_at_boot_ms = port.unix_ms() - port.uptime_ms()
    left_ms = ms
    while left_ms > 0:
        port.feed()
        piece_ms = min(left_ms, _SLEEP_PIECE_MS)
        if port._watchdog is not None:
            piece_ms = min(piece_ms, port._watchdog_ms // 2)
        port._machine.lightsleep(piece_ms)
        slept_ms = left_ms - (end_ms - port.uptime_ms())
        left_ms -= slept_ms
        if slept_ms < piece_ms:
            # It may have come back at once, without sleeping at all.
            port.sleep_ms(min(_SLEEP_AGAIN_MS, left_ms))
            left_ms = end_ms - port.uptime_ms()
    port.feed()
    if port.name == "rp2":  # its RTC stood still
        port.set_unix_ms(unix_at_boot_ms + port.uptime_ms())


def deep_sleep(port, ms: int) -> None:
    """Sleep and boot again after `ms`; does not return; only where `can_deep_sleep`."""
    port._machine.deepsleep(ms)


def feed_for_good(port) -> None:
    """Feed the watchdog until the reset, on esp32: its task is free for a Timer after Ctrl-C."""
    watchdog = port._watchdog
    timers = port._machine.Timer
    try:
        timers(0).init(
            mode=timers.PERIODIC, period=_FEED_PERIOD_MS, callback=lambda timer: watchdog.feed()
        )
    except DRIVER_ERRORS:
        pass  # the program has Timer 0: then it has to feed
