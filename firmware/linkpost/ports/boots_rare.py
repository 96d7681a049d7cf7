"""What boots have to do with each other: why the chip started, what it retains, its clock.

Loaded when asked for (`Port.__getattr__`), and called as methods of the port.

Tried with fakes that behave as docs/porting.md says, not on hardware yet: the file
host_tests/contract/port_contract.py runs on a board.
"""

import struct
from binascii import crc32

from micropython import const

from ..errors import ConfigError
from ..loader import load

# Retained memory. Frame: magic (1 byte), flags (1), CRC-32's low 16 bits over flags and data (2),
# data. After a loss of power it holds zeros or noise, which this does not take for a frame.
_MAGIC = const(0x4C)
_FRAME_HEAD = const(4)
_SCRATCH_WORDS = const(4)  # of an rp2
# The flags beside the data. The second is set before a reset on purpose: rp2 cannot tell it from
# the watchdog's otherwise.
_CLOCK_RIGHT = const(1)
_RESET_ON_PURPOSE = const(2)

# machine.reset_cause(). On esp32 a panic counts as 2 as well; rp2 knows 1 and 3.
_CAUSES = {1: "power on", 2: "hard", 3: "watchdog", 4: "deep sleep", 5: "soft"}
_CAUSE_WATCHDOG = const(3)


# -- watchdog and reset ---------------------------------------------------------------------------


def start_watchdog(port, ms: int) -> None:
    """Start the watchdog; nothing can stop it. Does nothing where there is none.

    Raises: ConfigError where `ms` is more than `watchdog_max_ms`.
    """
    most_ms = port.watchdog_max_ms
    if ms > most_ms:
        limit = "%d.%03d" % (most_ms // 1000, most_ms % 1000)
        raise ConfigError("watchdog_s", "this chip takes at most %s" % limit)
    port._watchdog = port._machine.WDT(timeout=ms)
    port._watchdog_ms = ms
    # From here on a reset may be the watchdog's; before, it can only have been on purpose.
    _set_flag(port, _RESET_ON_PURPOSE, False)


def reset(port) -> None:
    """Reset as the reset button would; does not return."""
    _set_flag(port, _RESET_ON_PURPOSE, True)
    port._machine.reset()


def reset_cause(port) -> str:
    """Return why the chip started: "power on", "hard", "watchdog", "deep sleep" or "soft".

    rp2 knows neither of the last two: after a soft reset it is still what started the chip.
    """
    cause = port._machine.reset_cause()
    if port.name == "rp2" and cause == _CAUSE_WATCHDOG and _flag(port, _RESET_ON_PURPOSE):
        return "hard"  # reset() goes through the watchdog there
    return _CAUSES.get(cause, "power on")


# -- retained memory ------------------------------------------------------------------------------


def retained(port) -> bytes:
    """Return the `retained_bytes` that outlived the reset; zeros after a loss of power."""
    return _flags_and_data(port)[1]


def retain(port, data: bytes) -> None:
    """Keep up to `retained_bytes` for the next boot, zeros behind. No flash is written.

    Raises: ValueError where it is more.
    """
    room = port.retained_bytes - len(data)
    if room < 0:
        raise ValueError("at most %d bytes are retained" % port.retained_bytes)
    _write_frame(port, _flags_and_data(port)[0], bytes(data) + bytes(room))


def mark_clock(port, right: bool) -> None:
    """Mark the RTC as right or not, for as long as it keeps running. Unset: not right."""
    _set_flag(port, _CLOCK_RIGHT, right)


def clock_marked(port) -> bool:
    """Tell whether the RTC was marked as right and has run on since."""
    return _flag(port, _CLOCK_RIGHT)


def _flags_and_data(port):
    frame = _read_memory(port)
    length = port.retained_bytes
    if len(frame) >= _FRAME_HEAD + length and frame[0] == _MAGIC:
        data = bytes(frame[_FRAME_HEAD : _FRAME_HEAD + length])
        if _check(frame[1], data) == frame[2] | frame[3] << 8:
            return frame[1], data
    return 0, bytes(length)


def _write_frame(port, flags, data):
    check = _check(flags, data)
    _write_memory(port, bytes((_MAGIC, flags, check & 0xFF, check >> 8)) + data)


def _check(flags, data):
    return crc32(bytes((flags,)) + data) & 0xFFFF


def _flag(port, mask):
    return bool(_flags_and_data(port)[0] & mask)


def _set_flag(port, mask, on):
    flags, data = _flags_and_data(port)
    _write_frame(port, flags | mask if on else flags & ~mask, data)


def _read_memory(port):
    if port.name == "esp32":
        return port._machine.RTC().memory()
    words = [port._machine.mem32[port._scratch + 4 * i] for i in range(_SCRATCH_WORDS)]
    # A word's upper half may come as a negative number.
    return struct.pack("<4I", *[word & 0xFFFFFFFF for word in words])


def _write_memory(port, frame):
    if port.name == "esp32":
        port._machine.RTC().memory(frame)
        return
    for i, word in enumerate(struct.unpack("<4I", frame)):
        port._machine.mem32[port._scratch + 4 * i] = word


# -- clock ----------------------------------------------------------------------------------------


def set_unix_ms(port, unix_ms: int) -> None:
    """Set the RTC (UTC)."""
    if port.name == "rp2":
        port._unix_at_boot_ms = unix_ms - port.uptime_ms()
        # To the nearest second: the RTC leaves the fraction out.
        unix_ms = (unix_ms + 500) // 1000 * 1000
    year, month, day, hour, minute, second, weekday = load("dates").civil(unix_ms // 1000)
    microsecond = unix_ms % 1000 * 1000
    port._machine.RTC().datetime((year, month, day, weekday, hour, minute, second, microsecond))
