"""What an ESP32 does in its own way of what is rare; see `rare` and `esp32`."""

from micropython import const

from ..errors import DRIVER_ERRORS

# machine.reset_cause(). A panic counts as 2 as well.
_CAUSES = {1: "power on", 2: "hard", 3: "watchdog", 4: "deep sleep", 5: "soft"}

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
# Tries of the driver per connect(). Its default is for ever, and then status() says "joining" for
# ever too, whatever the reason; and of several only the last one's reason is kept, which after a
# wrong password (15) is 205 (MicroPython issue 11625). `net.wifi` tries again itself.
_JOIN_TRIES = const(1)
_FEED_PERIOD_MS = const(500)


def deep_sleep(port, ms: int) -> None:
    """Sleep and boot again after `ms`; does not return; only where `can_deep_sleep`."""
    port._machine.deepsleep(ms)


def _after_light_sleep(port, unix_at_boot_ms):
    """Nothing: the RTC ran on."""


def reset_cause(port) -> str:
    """Return why the chip started: one of `_CAUSES`, the same words on every port."""
    return _CAUSES.get(port._machine.reset_cause(), "power on")


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


def heap(port, probe: bool = False) -> dict:
    """Return bytes of memory: total and free of MicroPython's heap as it is now, idf_free and
    idf_largest (block) of the heap that Wi-Fi, sockets and TLS live in.

    MicroPython's own largest block is not looked for: that would make its heap grow.
    """
    idf_free, idf_largest = port.tls_memory()
    # gc.mem_free() counts the largest block of the IDF heap, by which the GC heap may grow, as its
    # own.
    found = port._gc_heap(idf_largest, False)
    found["idf_free"] = idf_free
    found["idf_largest"] = idf_largest
    return found


def analog(port, pin):
    """Return a function that reads the pin's voltage in microvolts (int).

    Raises: ValueError where the pin has no ADC.
    """
    adc = port._machine.ADC
    # 11 dB: the whole range the pin can take, about 0.1 to 3.1 V, in calibrated microvolts.
    return adc(port._machine.Pin(pin), atten=adc.ATTN_11DB).read_uv


def _prepare_station(port, station):
    station.config(reconnects=_JOIN_TRIES)


def _power_down(port):
    port._wlan.active(False)


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
