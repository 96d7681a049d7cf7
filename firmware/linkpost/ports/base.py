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

# What a station may be doing, the same words for both chips; their numbers are in the port files.
# `net.wifi` compares with these texts: it may not import this room.
WIFI_IDLE = "idle"
WIFI_JOINING = "joining"
WIFI_NO_ADDRESS = "no address"
WIFI_UP = "up"
WIFI_NOT_FOUND = "not found"
WIFI_WRONG_PASSWORD = "wrong password"  # noqa: S105 - a status, not a secret
WIFI_FAILED = "failed"

# mbedTLS takes 16 KB and a header in one block per connection, on both chips.
TLS_BLOCK_BYTES = 17 * 1024


class Port:
    """A chip. Times are in ms; `unix_ms` is since 1970 on every port.

    What stands under `if __debug__` every port has to bring along: on a board, whose byte code is
    made with -O2, these take no memory.
    """

    name = "?"
    can_light_sleep = False
    can_deep_sleep = False
    # A temperature sensor of the chip's own that is worth the name.
    has_temperature = False
    has_radio = False  # whether `station()` gives a Wi-Fi interface
    # Longest watchdog period the chip takes, in ms; None: there is no watchdog.
    watchdog_max_ms: int = None
    # Bytes of `retained()`: memory that outlives a reset and, where there is one, deep sleep.
    retained_bytes = 0

    # -- time ---------------------------------------------------------------------------------

    if __debug__:

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
            """Return what the RTC says, ms since 1970, right or not; `clock.Clock` judges."""
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
        """Start the watchdog; nothing can stop it. Does nothing where there is none.

        Raises: ConfigError where `ms` is more than `watchdog_max_ms`.
        """

    def feed(self) -> None:
        """Feed the watchdog if it was started; cheap, called between all steps."""

    def feed_for(self, ms) -> None:
        """Keep the watchdog quiet for up to `ms` while one call blocks; 0 ends it, None: for good.

        For what cannot be cut into steps: name resolution, which on rp2 takes up to 14 s with two
        servers that are silent, longer than its watchdog can be set. The bound stays, so a call
        that hangs still ends in a reset. None is for after Ctrl-C, until the reset. Does nothing
        where no watchdog was started.
        """

    if __debug__:

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
        """Keep up to `retained_bytes` for the next boot, zeros behind. No flash is written.

        Raises: ValueError where it is more.
        """

    def clock_marked(self) -> bool:
        """Tell whether the RTC was marked as right and has run on since; see `clock.Clock`."""
        return True

    def mark_clock(self, right: bool) -> None:
        """Mark the RTC as right or not, for as long as it keeps running. Unset: not right."""

    # -- what a `system` reading tells ----------------------------------------------------------

    if __debug__:

        def unique_id(self) -> bytes:
            """Return the chip's id (its MAC address on esp32)."""
            raise NotImplementedError

        def heap_free(self) -> int:
            """Return free heap in bytes; on esp32 GC heap and IDF heap (PLATFORM section 2)."""
            raise NotImplementedError

    def heap_largest(self):
        """Return the largest free block in bytes that TLS can have, or None where none can tell.

        A TLS socket needs `TLS_BLOCK_BYTES` in one piece.
        """

    def chip_temperature(self):
        """Return the chip's own temperature in degrees Celsius, or None where no sensor works."""

    if __debug__:

        def random_bytes(self, length: int) -> bytes:
            """Return that many random bytes."""
            raise NotImplementedError

    # -- pins -----------------------------------------------------------------------------------

    def pin(self, pin):
        """Return the `machine.Pin` of a number or name. Raises: ValueError where there is none."""
        raise ValueError("this machine has no pins")

    def analog(self, pin):
        """Return a function that reads the pin's voltage in microvolts (int).

        Raises: ValueError where the pin has no ADC.
        """
        raise ValueError("this machine has no analog pins")

    def led(self, pin):
        """Return a function that switches the LED on that pin: 1 on, 0 off."""
        raise ValueError("this machine has no pins")

    # -- radio ----------------------------------------------------------------------------------

    def station(self):
        """Return the Wi-Fi station interface (`network.WLAN`), or None on the host."""

    def start_station(self, country, hostname, power_save: bool) -> None:
        """Set country and host name (None leaves them) and power-save, and power the radio up.

        Raises: OSError, as the chip's driver does.
        """

    def stop_station(self) -> None:
        """Leave the network and power the radio down; never raises."""

    def wifi_status(self) -> str:
        """Return one of the WIFI_ constants above."""
        return WIFI_IDLE

    def wifi_code(self) -> int:
        """Return the chip's own status number, for the log."""
        return 0

    def wifi_rssi(self):
        """Return the signal in dBm (-90 weak, -40 strong), or None while not joined."""
