"""What a Pico does in its own way of what is rare; see `rare` and `rp2`."""

import struct

from micropython import const

from ..errors import DRIVER_ERRORS
from ..loader import load

_SCRATCH_WORDS = const(4)

# station.status() of the CYW43 driver; 2 has no name in `network`.
_STATUSES = {
    0: "idle",
    1: "joining",
    2: "no address",
    3: "up",
    -2: "not found",
    -3: "wrong password",
}


def analog(port, pin):
    """See `esp32_rare`. What is returned keeps its module, which has nothing else."""
    return load("ports.rp2_analog").reader(port._machine.ADC(port._machine.Pin(pin)))


def _read_memory(port):
    words = [port._machine.mem32[port._scratch + 4 * i] for i in range(_SCRATCH_WORDS)]
    # A word's upper half may come as a negative number.
    return struct.pack("<4I", *[word & 0xFFFFFFFF for word in words])


def _write_memory(port, frame):
    for i, word in enumerate(struct.unpack("<4I", frame)):
        port._machine.mem32[port._scratch + 4 * i] = word


def wifi_status(port) -> str:
    """See `esp32_rare`."""
    try:
        return _STATUSES.get(port.station().status(), "failed")
    except DRIVER_ERRORS:
        return "failed"
