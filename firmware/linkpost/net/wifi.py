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

# The log's words for a network; of two tries' reasons the earlier one here says more.
_REASONS = (
    ("wrong password", "refused the password. Upper and lower case matter"),
    ("security", "has a security that this board does not take. Set it to WPA2, or WPA2 and WPA3"),
    ("weak", "is too weak here. Move the board or the access point, turn its antenna"),
    ("not found", "not found. 5 GHz only? This chip needs 2.4 GHz"),
    ("no address", "joined, but it gave no address (DHCP)"),
    ("failed", "failed"),
    ("", "did not answer"),  # joining, idle
)
_ENDS = ("not found", "wrong password", "security", "weak", "failed")


def join(port, config, log, failures: int):
    """Join one of the config's networks, in order of preference: a generator of small steps.

    Yields False until there is a link, then True. `failures` in a row came before this round.
    A link that outlived a soft reset is taken as it is, but not after failures.

    Raises: NetworkError when each network has been tried in vain: it says for each of them why,
    and holds the chip's number for the last. A DeadlineError that is thrown into it comes out
    with the same words. Passwords are in no message.
    """
    ssid = None
    if failures % _FAILURES_PER_CYCLE == 0:
        if failures:
            port.stop_station()
            yield from _wait(port, _POWER_DOWN_MS)
        else:
            ssid = _joined(port, config.networks)
    told = []
    seen = []
    code = None
    try:
        for name, password in [] if ssid else config.networks:
            seen = []
            for _ in range(_TRIES):
                code = yield from _try(port, config, name, password, seen)
                if seen[-1] not in _ENDS:
                    break
            if seen[-1] == "up":
                ssid = name
                break
            told.append(_reason(name, seen, code))
    except DeadlineError:
        _disconnect(port)
        raise DeadlineError(" ".join(told + [_reason(name, seen, None)]))
    if ssid is None:
        # Not to go on by itself while nobody looks: it takes current and answers later.
        _disconnect(port)
        raise NetworkError(" ".join(told), _number(code))
    log.info("wifi", "up", "ssid", ssid, "rssi", _rssi(port))
    yield True


def _try(port, config, ssid, password, seen):
    """Try one network once: add what is seen to `seen`, the end last.

    Returns the chip's number for the end, or what its driver raised.
    """
    try:
        port.start_station(config.country, config.hostname, False)
        _disconnect(port)
        yield from _wait(port, _SETTLE_MS)
        port.station().connect(ssid, password or None)
        start_ms = port.uptime_ms()
        wifi_status = port.wifi_status  # held meanwhile, or each look would load it anew
        while True:
            yield from _wait(port, _LOOK_MS)
            status = wifi_status()
            if not seen or seen[-1] != status:
                seen.append(status)
            limit_ms = _IDLE_MS if status == "idle" else _JOIN_MS
            if status == "up" or status in _ENDS or port.uptime_ms() - start_ms >= limit_ms:
                return port.wifi_code()
    except DRIVER_ERRORS as error:
        seen.append("failed")
        return error


def _number(code):
    """Return the number of an OSError; the drivers raise some with a text only."""
    if isinstance(code, Exception):
        code = code.args[0] if code.args else None
    return code if isinstance(code, int) else None


def _wait(port, ms):
    end_ms = port.uptime_ms() + ms
    while port.uptime_ms() < end_ms:
        yield False


def _joined(port, networks):
    """Return the name of the network that is joined already, where it is one of ours."""
    try:
        if port.station().isconnected():
            name = port.station().config("ssid")
            for network in networks:
                if network[0] == name:
                    return name
    except DRIVER_ERRORS:
        pass  # the interface is down
    return None


def _disconnect(port):
    try:
        port.station().disconnect()
    except DRIVER_ERRORS:
        pass  # there was nothing to disconnect


def _rssi(port):
    try:
        return port.wifi_rssi()
    except DRIVER_ERRORS:
        return None


def _reason(ssid, seen, code):
    word, text = [reason for reason in _REASONS if reason[0] in seen or not reason[0]][0]
    if word == "failed":
        if isinstance(code, Exception):
            out = isinstance(code, MemoryError)
            code = "out of memory" if out else str(code) or type(code).__name__
        elif code is not None:
            code = "reason %s" % code
        text += " (%s)" % code if code else ""
    return 'Wi-Fi "%s" %s.' % (ssid, text)
