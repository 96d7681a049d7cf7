"""What a Pico does in its own way of what is rare; see `rare` and `rp2`."""

import struct

from micropython import const

from ..errors import DRIVER_ERRORS
from ..loader import load

_SCRATCH_WORDS = const(4)
# machine.reset_cause() knows 1 and 3; reset() and deepsleep() go through the watchdog too.
_CAUSE_WATCHDOG = const(3)

# station.status() of the CYW43 driver; 2 has no name in `network`.
_STATUSES = {
    0: "idle",
    1: "joining",
    2: "no address",
    3: "up",
    -2: "not found",
    -3: "wrong password",
}


def set_unix_ms(port, unix_ms: int) -> None:
    """See `rare`."""
    port._unix_at_boot_ms = unix_ms - port.uptime_ms()
    # To the nearest second, as the RTC would leave the fraction out.
    port._set_rtc((unix_ms + 500) // 1000 * 1000)


def _after_light_sleep(port, unix_at_boot_ms):
    # The RTC stood still, see `rp2`.
    set_unix_ms(port, unix_at_boot_ms + port.uptime_ms())


def analog(port, pin):
    """See `esp32_rare`. What is returned keeps its module, which has nothing else."""
    return load("ports.rp2_analog").reader(port._machine.ADC(port._machine.Pin(pin)))


def reset_cause(port) -> str:
    """Return why the chip started: "power on", "hard" or "watchdog".

    After a soft reset this is still what started the chip: nothing here tells the two apart.
    """
    if port._machine.reset_cause() != _CAUSE_WATCHDOG:
        return "power on"
    return "hard" if port._was_on_purpose() else "watchdog"


def _read_memory(port):
    words = [port._machine.mem32[port._scratch + 4 * i] for i in range(_SCRATCH_WORDS)]
    # A word's upper half may come as a negative number.
    return struct.pack("<4I", *[word & 0xFFFFFFFF for word in words])


def _write_memory(port, frame):
    for i, word in enumerate(struct.unpack("<4I", frame)):
        port._machine.mem32[port._scratch + 4 * i] = word


def heap(port, probe: bool = False) -> dict:
    """Return bytes of memory: total and free of the heap; with `probe` its largest block, too,
    which takes some 100 ms to find."""
    return port._gc_heap(0, probe)


def _prepare_station(port, station):
    """Nothing: the driver tries once."""


def _power_down(port):
    port._wlan.active(False)
    # A radio with a poll pending makes lightsleep() return at once.
    port._wlan.deinit()


def wifi_status(port) -> str:
    """See `esp32_rare`."""
    try:
        return _STATUSES.get(port.station().status(), "failed")
    except DRIVER_ERRORS:
        return "failed"
