"""What the firmware may ask of a chip, stated once. Each port file subclasses `Port`.

Only this room imports `machine`, `network`, `esp32` and `rp2`. Everyone else is handed a port, or
a piece of one. A capability is data (`port.can_deep_sleep`), never an ImportError.
"""

# 2000-01-01 in Unix seconds. esp32 counts from 2000, all others from 1970 (PLATFORM: find out, do
# not assume: `time.gmtime(0)[0]`). This is the one place that knows the offset.
EPOCH_2000_S = 946_684_800

POWER_ON = "power on"
HARD_RESET = "hard"
WATCHDOG_RESET = "watchdog"
DEEP_SLEEP_WAKE = "deep sleep"
SOFT_RESET = "soft"


class Port:
    """A chip. Times are in ms; `unix_ms` is since 1970 on every port."""

    name = "?"
    can_light_sleep = False
    can_deep_sleep = False
    # Longest watchdog period the chip takes, in ms; None: there is no watchdog.
    watchdog_max_ms = None
    # Bytes of `retained()`: memory that outlives a reset and, where there is one, deep sleep.
    retained_bytes = 0

    # -- time ---------------------------------------------------------------------------------

    def ticks_ms(self) -> int:
        """Return a monotonic count of ms that may wrap; compare with `ticks_diff` only."""
        raise NotImplementedError

    def ticks_diff(self, later: int, earlier: int) -> int:
        """Return later - earlier in ms, right over a wrap, for spans of less than 6 days."""
        raise NotImplementedError

    def uptime_ms(self) -> int:
        """Return ms since boot; does not wrap as long as it is called once in 6 days."""
        raise NotImplementedError

    def unix_ms(self) -> int:
        """Return what the RTC says, in ms since 1970. It may be wrong: `clock.Clock` judges."""
        raise NotImplementedError

    def set_unix_ms(self, unix_ms: int) -> None:
        """Set the RTC (UTC)."""
        raise NotImplementedError

    def sleep_ms(self, ms: int) -> None:
        """Wait, awake."""
        raise NotImplementedError

    def light_sleep(self, ms: int) -> None:
        """Sleep with RAM kept for at least `ms`; only where `can_light_sleep`."""
        raise NotImplementedError

    def deep_sleep(self, ms: int) -> None:
        """Sleep and boot again after `ms`; does not return; only where `can_deep_sleep`."""
        raise NotImplementedError

    # -- watchdog and reset -------------------------------------------------------------------

    def start_watchdog(self, ms: int) -> None:
        """Start the watchdog; nothing can stop it. Does nothing where there is none."""

    def feed(self) -> None:
        """Feed the watchdog if it was started; cheap, called between all steps."""

    def reset(self) -> None:
        """Reset as the reset button would; does not return."""
        raise NotImplementedError

    def reset_cause(self) -> str:
        """Return one of the constants above: why the chip started."""
        raise NotImplementedError

    def retained(self) -> bytes:
        """Return the `retained_bytes` that outlived the reset; zeros after a loss of power."""
        return b""

    def retain(self, data: bytes) -> None:
        """Keep up to `retained_bytes` for the next boot. No flash is written."""

    # -- what a `system` reading tells ----------------------------------------------------------

    def unique_id(self) -> bytes:
        """Return the chip's id (its MAC address on esp32)."""
        raise NotImplementedError

    def heap_free(self) -> int:
        """Return free heap in bytes (on esp32 GC heap and IDF heap, see PLATFORM section 2)."""
        raise NotImplementedError

    def random_bytes(self, length: int) -> bytes:
        """Return that many random bytes."""
        raise NotImplementedError

    # -- radio ----------------------------------------------------------------------------------

    def station(self):
        """Return the Wi-Fi station interface (`network.WLAN`), or None on the host."""
        return None  # noqa: RET501  the contract says so
