"""What an ESP32 does in its own way of what is rare; see `rare` and `esp32`."""

from micropython import const

from ..errors import DRIVER_ERRORS

# station.status(): 1000 and above are states, below stand the reasons of the last disconnection.
_STATUS_IDLE = const(1000)
_STATUS_JOINING = const(1001)
_STATUS_UP = const(1010)
_REASONS = {
    201: "not found",
    202: "wrong password",
    # With WPA2 a wrong password shows as a four-way handshake that never ends: 15 from the access
    # point's side, 204 from ours.
    15: "wrong password",
    204: "wrong password",
    # ESP-IDF's WIFI_REASON_NO_AP_FOUND_...: there, with a security that is not taken, 210 by what
    # it offers (WPA3 only), 211 below the least one; 212, or no beacon any more: too weak.
    210: "security",
    211: "security",
    212: "weak",
    200: "weak",
}
_FEED_PERIOD_MS = const(500)


def deep_sleep(port, ms: int) -> None:
    """Sleep and boot again after `ms`; does not return; only where `can_deep_sleep`."""
    port._machine.deepsleep(ms)


def feed_for_good(port) -> None:
    """Feed the watchdog until the reset: after Ctrl-C the task that runs a Timer is free."""
    watchdog = port._watchdog
    timers = port._machine.Timer
    try:
        timers(0).init(
            mode=timers.PERIODIC, period=_FEED_PERIOD_MS, callback=lambda timer: watchdog.feed()
        )
    except DRIVER_ERRORS:
        pass  # the program has Timer 0: then it has to feed


def _read_memory(port):
    return port._machine.RTC().memory()


def _write_memory(port, frame):
    port._machine.RTC().memory(frame)


def analog(port, pin):
    """Return a function that reads the pin's voltage in microvolts (int).

    Raises: ValueError where the pin has no ADC.
    """
    adc = port._machine.ADC
    # 11 dB: the whole range the pin can take, about 0.1 to 3.1 V, in calibrated microvolts.
    return adc(port._machine.Pin(pin), atten=adc.ATTN_11DB).read_uv


def wifi_status(port) -> str:
    """Return what the station is doing: "idle", "joining", "no address", "up", "not found",
    "wrong password", "security", "weak" or "failed", the same words on every port; never raises.
    """
    station = port.station()
    try:
        code = station.status()
    except DRIVER_ERRORS:
        return "failed"
    if code == _STATUS_UP:
        return "up"
    if code == _STATUS_JOINING:
        # The driver does not say whether it waits for the access point or for an address; it
        # knows a signal only where it has joined.
        try:
            station.status("rssi")
        except DRIVER_ERRORS:
            return "joining"
        return "no address"
    return "idle" if code == _STATUS_IDLE else _REASONS.get(code, "failed")
