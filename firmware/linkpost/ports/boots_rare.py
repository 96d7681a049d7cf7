"""What boots have to do with each other: why the chip started, what it retains, its clock.

Loaded when asked for (`Port.__getattr__`), and called as methods of the port.

Tried with fakes that behave as docs/porting.md says, not on hardware yet: the file
host_tests/contract/port_contract.py runs on a board.
"""

from binascii import crc32

from micropython import const

from ..errors import ConfigError
from ..loader import load

# Retained memory. Frame: flags (1 byte), the higher three bytes of the CRC-32 of the data that
# begins with them, data. After a loss of power it holds zeros or noise, which is no frame.
_FRAME_HEAD = const(4)
_SCRATCH_BYTES = const(16)  # of an rp2
# The second is set before a reset on purpose: rp2 cannot tell it from the watchdog's otherwise.
_CLOCK_RIGHT = const(1)
_RESET_ON_PURPOSE = const(2)

# By machine.reset_cause(), 0 is none. On esp32 a panic counts as 2 as well; rp2 knows 1 and 3.
_CAUSES = ("power on", "power on", "hard", "watchdog", "deep sleep", "soft")


# -- watchdog and reset ---------------------------------------------------------------------------


def start_watchdog(port, ms: int) -> None:
    """Start the watchdog; nothing can stop it. Does nothing where there is none.

    Raises: ConfigError where `ms` is more than `watchdog_max_ms`.
    """
    if ms > port.watchdog_max_ms:
        raise ConfigError("watchdog_s", "at most %d ms on this chip" % port.watchdog_max_ms)
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
    number = port._machine.reset_cause()
    cause = _CAUSES[number if number < len(_CAUSES) else 0]
    if port.name == "rp2" and cause == "watchdog" and _kept(port)[0] & _RESET_ON_PURPOSE:
        return "hard"  # reset() goes through the watchdog there
    return cause


# -- retained memory ------------------------------------------------------------------------------


def retained(port) -> bytes:
    """Return the `retained_bytes` that outlived the reset; zeros after a loss of power."""
    return _kept(port)[1]


def retain(port, data: bytes) -> None:
    """Keep up to `retained_bytes` for the next boot, zeros behind. No flash is written.

    Raises: ValueError where it is more.
    """
    room = port.retained_bytes - len(data)
    if room < 0:
        raise ValueError("too much to retain")
    _keep(port, _kept(port)[0], data + bytes(room))


def mark_clock(port, right: bool) -> None:
    """Mark the RTC as right or not, for as long as it keeps running. Unset: not right."""
    _set_flag(port, _CLOCK_RIGHT, right)


def clock_marked(port) -> bool:
    """Tell whether the RTC was marked as right and has run on since."""
    return bool(_kept(port)[0] & _CLOCK_RIGHT)


def _kept(port):
    """Return flags and data."""
    if port.name == "esp32":
        frame = port._machine.RTC().memory()[: _FRAME_HEAD + port.retained_bytes]
    else:
        words = port._machine.mem32
        frame = b""
        for i in range(0, _SCRATCH_BYTES, 4):
            # A word's upper half may come as a negative number.
            frame += (words[port._scratch + i] & 0xFFFFFFFF).to_bytes(4, "little")
    if frame and frame == _frame(frame[0], frame[_FRAME_HEAD:]):
        return frame[0], frame[_FRAME_HEAD:]
    return 0, bytes(port.retained_bytes)


def _keep(port, flags, data):
    frame = _frame(flags, data)
    if port.name == "esp32":
        port._machine.RTC().memory(frame)
        return
    for i in range(0, _SCRATCH_BYTES, 4):
        port._machine.mem32[port._scratch + i] = int.from_bytes(frame[i : i + 4], "little")


def _frame(flags, data):
    return (crc32(data, flags) >> 8 << 8 | flags).to_bytes(4, "little") + data


def _set_flag(port, mask, on):
    flags, data = _kept(port)
    _keep(port, flags | mask if on else flags & ~mask, data)


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
