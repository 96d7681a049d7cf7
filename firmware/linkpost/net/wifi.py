"""Joining a Wi-Fi network: never blocking, and what to say when it fails.

Loaded while a network is being joined (`loader`); the link, once up, is looked after by `link`.

Rules, and why:

1. Before connecting, disconnect and wait: the ESP32's driver raises on a connect() while one is
   going on, and goes on trying the old network for ever.
2. After every third failure in a row the interface is powered down and up before the next round.
3. Every wait is bounded and cut into steps; between them the caller feeds the watchdog.
4. Whatever a driver raises (`errors.DRIVER_ERRORS`) is a try that failed, and told in its words.

The words of the port's `wifi_status()` are compared here; the chips' numbers are in the ports.
"""

from micropython import const

from ..errors import DRIVER_ERRORS, DeadlineError, NetworkError

# One network's time from connect() to an address. Joining takes 2 to 5 s, DHCP up to 10.
_JOIN_MS = const(20_000)
# A driver that says "idle" after connect() has not begun, or has given up without a word.
_IDLE_MS = const(3_000)
# Between disconnect() and connect(), and while powered down.
_SETTLE_MS = const(500)
_POWER_DOWN_MS = const(1_000)
# Between two looks at a driver that is joining: each loads what the port knows of its status.
_LOOK_MS = const(400)
# Rule 2.
_FAILURES_PER_CYCLE = const(3)
# A driver's first try often fails for nothing, with any of the reasons.
_TRIES = const(2)

# What the port says of a driver that is trying; anything else is an end.
_UNDER_WAY = ("idle", "joining", "no address")


def join(port, config, log, failures: int):
    """Join one of the config's networks, in order of preference: a generator of small steps.

    Yields False until there is a link, then True. `failures` in a row came before this round.
    A link that outlived a soft reset is taken as it is, but not after failures.

    Raises: NetworkError when each network has been tried in vain: it says for each of them how it
    ended, in the port's words, with the chip's number or what its driver raised. A DeadlineError
    that is thrown into it comes out with the same words. Passwords are in no message.
    """
    yield False  # a driver that has just refused to tell is asked again in the next step
    if failures and failures % _FAILURES_PER_CYCLE == 0:
        port.stop_station()
        yield from _wait(port, _POWER_DOWN_MS)
    told = []
    try:
        for name, password in config.networks:
            for _ in range(_TRIES):
                try:
                    status = yield from _try(port, config, name, password, failures)
                    if status == "up":
                        log.info("wifi", "up", "ssid", name, "rssi", port.wifi_rssi())
                        yield True
                        return
                    code = port.wifi_code()
                except DRIVER_ERRORS as error:
                    status = "failed"
                    code = error
                if status in _UNDER_WAY:
                    break
            told.append(_told(name, status, code))
    except DeadlineError:
        told.append(_told(name, port.wifi_status(), port.wifi_code()))
        _disconnect(port)
        raise DeadlineError(" ".join(told))
    # Not to go on by itself while nobody looks: it takes current and answers later.
    _disconnect(port)
    raise NetworkError("%s It takes 2.4 GHz and WPA2" % " ".join(told))


def _try(port, config, ssid, password, failures):
    """Try one network once; return what the port says of it at the end."""
    station = port.station()
    if failures or not station.isconnected() or station.config("ssid") != ssid:
        port.start_station(config.country, config.hostname)
        _disconnect(port)
        yield from _wait(port, _SETTLE_MS)
        station.connect(ssid, password or None)
    start_ms = port.uptime_ms()
    wifi_status = port.wifi_status  # held meanwhile, or each look would load it anew
    while True:
        yield from _wait(port, _LOOK_MS)
        status = wifi_status()
        limit_ms = _IDLE_MS if status == "idle" else _JOIN_MS
        if status not in _UNDER_WAY or port.uptime_ms() - start_ms >= limit_ms:
            return status


def _wait(port, ms):
    end_ms = port.uptime_ms() + ms
    while port.uptime_ms() < end_ms:
        yield False


def _disconnect(port):
    try:
        port.station().disconnect()
    except DRIVER_ERRORS:
        pass  # there was nothing to disconnect


def _told(ssid, status, code):
    return 'Wi-Fi "%s" %s (%r).' % (ssid, status, code)
