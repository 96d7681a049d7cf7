"""The radio, and what its driver says of it.

Loaded when asked for (`Port.__getattr__`), and called as methods of the port.

Tried with fakes that behave as docs/porting.md says, not on hardware yet: the file
host_tests/contract/port_contract.py runs on a board.
"""

from micropython import const

from ..errors import DRIVER_ERRORS

# Tries of the ESP32's driver per connect(). Its default is for ever, and then status() says
# "joining" for ever too, whatever the reason; and of several only the last one's reason is kept,
# which after a wrong password (15) is 205 (MicroPython issue 11625). `net.wifi` tries again.
_JOIN_TRIES = const(1)

# station.status() of the CYW43 driver; 2 has no name in `network`.
_RP2_STATUSES = {
    0: "idle",
    1: "joining",
    2: "no address",
    3: "up",
    -2: "not found",
    -3: "wrong password",
}
# The same of esp32: 1000 and above are states, below stand the reasons of the last disconnection.
_JOINING = const(1001)
_ESP32_STATUSES = {
    1000: "idle",
    1010: "up",
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


def start_station(port, country, hostname) -> None:
    """Set country and host name (None leaves them), power the radio up and keep it awake.

    Raises: any of DRIVER_ERRORS, as the chip's driver does.
    """
    station = port.station()
    # Both count only if they come before the interface is up.
    if country:
        port._network.country(country)
    if hostname:
        port._network.hostname(hostname)
    station.active(True)
    station.config(pm=station.PM_NONE)
    if port.name == "esp32":
        station.config(reconnects=_JOIN_TRIES)


def stop_station(port) -> None:
    """Leave the network and power the radio down; never raises."""
    wlan = port._wlan
    if wlan is None:
        return
    stops = [(wlan.disconnect,), (wlan.active, False)]
    if port.name == "rp2":  # a radio with a poll pending makes lightsleep() return at once
        stops.append((wlan.deinit,))
    for stop, *arguments in stops:
        try:
            stop(*arguments)
        except DRIVER_ERRORS:
            pass  # "Wifi Not Started": it is down already


def wifi_status(port) -> str:
    """Return what the station is doing: "idle", "joining", "no address", "up", "not found",
    "wrong password", "security", "weak" or "failed", the same words on every port; never raises.
    """
    code = wifi_code(port)
    if port.name == "rp2":
        return _RP2_STATUSES.get(code, "failed")
    if code != _JOINING:
        return _ESP32_STATUSES.get(code, "failed")
    # The driver does not say whether it waits for the access point or for an address; it knows a
    # signal only where it has joined.
    return "joining" if _asked(port, "rssi") is None else "no address"


def wifi_code(port):
    """Return the chip's own status number, for the log; None where its driver fails."""
    return _asked(port)


def wifi_rssi(port):
    """Return the signal in dBm (-90 weak, -40 strong), or None while not joined."""
    # While not joined cyw43 gives a number that means nothing, esp32 an OSError.
    return _asked(port, "rssi") if wifi_status(port) == "up" else None


def _asked(port, *what):
    try:
        return port.station().status(*what)
    except DRIVER_ERRORS:
        return None
