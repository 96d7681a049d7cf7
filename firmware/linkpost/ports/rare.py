"""What both chips are asked for now and then: functions that are called as methods of their port.

Loaded when asked for (`Port.__getattr__`). A name with an underscore is for this room only; those
that the chips do differently are in `esp32_rare` and `rp2_rare`.

Tried with fakes that behave as docs/porting.md says, not on hardware yet: the file
host_tests/contract/port_contract.py runs on a board.
"""

import gc
from binascii import crc32

from micropython import const

from ..errors import DRIVER_ERRORS, ConfigError
from ..loader import load

# A light sleep is cut into pieces: rp2 takes 71 minutes at most, and a watchdog goes on running.
# On an RP2040 before MicroPython 1.29 it must not bite meanwhile: the chip then hangs until its
# power is cut (MicroPython issue 17228).
_SLEEP_PIECE_MS = const(3_600_000)
# Awake for so long when a light sleep came back at once, before it is tried again: the radio's
# driver has to run before the chip can sleep (docs/porting.md, "Reset, watchdog and sleep").
_SLEEP_AGAIN_MS = const(50)

# Retained memory. Frame: magic (1 byte), flags (1), CRC-32's low 16 bits over flags and data (2),
# data. After a loss of power it holds zeros or noise, which this does not take for a frame.
_MAGIC = const(0x4C)
_FRAME_HEAD = const(4)
# The flags beside the data. The second is set before a reset on purpose: rp2 cannot tell it from
# the watchdog's otherwise.
_CLOCK_RIGHT = const(1)
_RESET_ON_PURPOSE = const(2)


# machine.reset_cause(). On esp32 a panic counts as 2 as well; rp2 knows 1 and 3.
_CAUSES = {1: "power on", 2: "hard", 3: "watchdog", 4: "deep sleep", 5: "soft"}
_CAUSE_WATCHDOG = const(3)
# Tries of the ESP32's driver per connect(). Its default is for ever, and then status() says
# "joining" for ever too, whatever the reason; and of several only the last one's reason is kept,
# which after a wrong password (15) is 205 (MicroPython issue 11625). `net.wifi` tries again.
_JOIN_TRIES = const(1)

# As exact as the largest block is looked for.
_PROBE_BYTES = const(256)


# -- time -----------------------------------------------------------------------------------------


def set_unix_ms(port, unix_ms: int) -> None:
    """Set the RTC (UTC)."""
    if port.name == "rp2":
        port._unix_at_boot_ms = unix_ms - port.uptime_ms()
        # To the nearest second: the RTC leaves the fraction out.
        unix_ms = (unix_ms + 500) // 1000 * 1000
    year, month, day, hour, minute, second, weekday = load("dates").civil(unix_ms // 1000)
    microsecond = unix_ms % 1000 * 1000
    port._machine.RTC().datetime((year, month, day, weekday, hour, minute, second, microsecond))


def light_sleep(port, ms: int) -> None:
    """Sleep with RAM kept for at least `ms`, the radio off; only where `can_light_sleep`."""
    stop_station(port)
    # By uptime, which the pieces keep from losing a wrap of the ticks.
    end_ms = port.uptime_ms() + ms
    unix_at_boot_ms = port.unix_ms() - port.uptime_ms()
    left_ms = ms
    while left_ms > 0:
        port.feed()
        piece_ms = min(left_ms, _SLEEP_PIECE_MS)
        if port._watchdog is not None:
            piece_ms = min(piece_ms, port._watchdog_ms // 2)
        port._machine.lightsleep(piece_ms)
        slept_ms = left_ms - (end_ms - port.uptime_ms())
        left_ms -= slept_ms
        if slept_ms < piece_ms:
            # It may have come back at once, without sleeping at all.
            port.sleep_ms(min(_SLEEP_AGAIN_MS, left_ms))
            left_ms = end_ms - port.uptime_ms()
    port.feed()
    if port.name == "rp2":  # its RTC stood still
        set_unix_ms(port, unix_at_boot_ms + port.uptime_ms())


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
    frame = port._read_memory()
    length = port.retained_bytes
    if len(frame) >= _FRAME_HEAD + length and frame[0] == _MAGIC:
        data = bytes(frame[_FRAME_HEAD : _FRAME_HEAD + length])
        if _check(frame[1], data) == frame[2] | frame[3] << 8:
            return frame[1], data
    return 0, bytes(length)


def _write_frame(port, flags, data):
    check = _check(flags, data)
    port._write_memory(bytes((_MAGIC, flags, check & 0xFF, check >> 8)) + data)


def _check(flags, data):
    return crc32(bytes((flags,)) + data) & 0xFFFF


def _flag(port, mask):
    return bool(_flags_and_data(port)[0] & mask)


def _set_flag(port, mask, on):
    flags, data = _flags_and_data(port)
    _write_frame(port, flags | mask if on else flags & ~mask, data)


# -- what the chip is -----------------------------------------------------------------------------


def unique_id(port) -> bytes:
    """Return the chip's id (its MAC address on esp32)."""
    return port._machine.unique_id()


def heap_free(port) -> int:
    """Return free heap in bytes, collected; on esp32 of the GC heap and the IDF heap together."""
    found = port.heap()
    return found["free"] + found.get("idf_free", 0)


def heap_largest(port):
    """Return the largest free block in bytes that TLS can have, or None where none can tell.

    A TLS socket needs 17 KB in one piece.
    """
    return port.tls_memory()[1]


# -- pins -----------------------------------------------------------------------------------------


def pin(port, pin):
    """Return the `machine.Pin` of a number or name. Raises: ValueError where there is none."""
    return port._machine.Pin(pin)


def led(port, pin):
    """Return a function that switches the LED on that pin: 1 on, 0 off.

    Raises: ValueError where there is no such pin.
    """
    return port._machine.Pin(pin, port._machine.Pin.OUT).value


# -- radio ----------------------------------------------------------------------------------------


def start_station(port, country, hostname, power_save: bool) -> None:
    """Set country and host name (None leaves them) and power-save, and power the radio up.

    Raises: any of DRIVER_ERRORS, as the chip's driver does.
    """
    station = port.station()
    # Both count only if they come before the interface is up.
    if country:
        port._network.country(country)
    if hostname:
        port._network.hostname(hostname)
    station.active(True)
    station.config(pm=station.PM_POWERSAVE if power_save else station.PM_NONE)
    if port.name == "esp32":
        station.config(reconnects=_JOIN_TRIES)


def stop_station(port) -> None:
    """Leave the network and power the radio down; never raises."""
    wlan = port._wlan
    if wlan is None:
        return
    stops = [wlan.disconnect, lambda: wlan.active(False)]
    if port.name == "rp2":  # a radio with a poll pending makes lightsleep() return at once
        stops.append(wlan.deinit)
    for stop in stops:
        try:
            stop()
        except DRIVER_ERRORS:
            pass  # "Wifi Not Started": it is down already


def wifi_code(port):
    """Return the chip's own status number, for the log; None where its driver fails."""
    try:
        return port.station().status()
    except DRIVER_ERRORS:
        return None


def wifi_rssi(port):
    """Return the signal in dBm (-90 weak, -40 strong), or None while not joined."""
    # While not joined cyw43 gives a number that means nothing, esp32 an OSError.
    if port.wifi_status() != "up":
        return None
    try:
        return port.station().status("rssi")
    except DRIVER_ERRORS:  # left in this very moment
        return None


# -- heap -----------------------------------------------------------------------------------------


def heap(port, probe: bool = False) -> dict:
    """Return bytes of memory: total and free of MicroPython's heap, collected.

    With `probe` its largest block, too, which takes some 100 ms to find. On esp32 that would make
    the heap grow: instead there are always idf_free and idf_largest (block) of the heap that
    Wi-Fi, sockets and TLS live in.
    """
    if not hasattr(gc, "mem_alloc"):  # CPython has no bound to report
        return {"total": 0, "free": 0}
    gc.collect()
    found = {"free": gc.mem_free()}
    if port.name == "esp32":
        found["idf_free"], found["idf_largest"] = port.tls_memory()
        # mem_free counts the largest IDF block, by which the heap may grow, as its own.
        found["free"] -= found["idf_largest"]
    elif probe:
        found["largest"] = _largest_block(found["free"])
    found["total"] = gc.mem_alloc() + found["free"]
    return found


def _largest_block(free):
    # By halves: each that there is no room for costs a collection.
    least = 0
    while free - least > _PROBE_BYTES:
        size = (least + free) // 2
        try:
            bytearray(size)
            least = size
        except MemoryError:
            free = size
    gc.collect()
    return least
