"""What the desktop does in its own way of what is rare; see `host` and the other `..._rare`."""

from ..errors import ConfigError


def set_unix_ms(port, unix_ms: int) -> None:
    """The desktop keeps its own time; a process does not set it."""


def clock_marked(port) -> bool:
    """The desktop's clock counts as right."""
    return True


def mark_clock(port, right: bool) -> None:
    """Nothing to mark."""


def light_sleep(port, ms: int) -> None:
    """See `sleep_rare`."""
    # In pieces, as on the chips: the watchdog goes on.
    end_ms = port.uptime_ms() + ms
    while True:
        port.feed()
        left_ms = end_ms - port.uptime_ms()
        if left_ms <= 0:
            return
        half_ms = port._watchdog_ms // 2
        port._machine.lightsleep(min(left_ms, half_ms) if half_ms else left_ms)


def deep_sleep(port, ms: int) -> None:
    """See `sleep_rare`."""
    port._machine.deepsleep(ms)


def start_watchdog(port, ms: int) -> None:
    """See `boots_rare`."""
    machine = port._machine
    if machine is None:
        return
    if ms > port.watchdog_max_ms:
        raise ConfigError("watchdog_s", "this board takes at most %d ms" % port.watchdog_max_ms)
    port._watchdog = machine.WDT(timeout=ms)
    port._watchdog_ms = ms


def reset(port) -> None:
    """See `boots_rare`."""
    if port._machine is None:
        raise SystemExit
    port._machine.reset()


def reset_cause(port) -> str:
    """See `boots_rare`."""
    return "power on" if port._machine is None else port._machine.cause()


def retained(port) -> bytes:
    """See `boots_rare`."""
    return b"" if port._machine is None else port._machine.retained()


def retain(port, data: bytes) -> None:
    """See `boots_rare`."""
    room = port.retained_bytes - len(data)
    if room < 0:
        raise ValueError("at most %d bytes are retained" % port.retained_bytes)
    if port._machine is not None:
        port._machine.retain(bytes(data) + bytes(room))


def unique_id(port) -> bytes:
    """See `chip_rare`."""
    return b"host"


def pin(port, pin):
    """See `chip_rare`."""
    raise ValueError("this machine has no pins")


led = pin


def start_station(port, country, hostname) -> None:
    """See `radio_rare`; there is no radio."""


def stop_station(port) -> None:
    """See `radio_rare`; there is no radio."""


def wifi_status(port) -> str:
    """See `radio_rare`; there is no radio."""
    return "idle"


def wifi_code(port):
    """See `radio_rare`; there is no radio."""
    return 0


def wifi_rssi(port):
    """See `radio_rare`; there is no radio."""
