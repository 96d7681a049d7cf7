"""Setting the wall clock: by NTP, by a reply's date, to a floor. Loaded when needed (`loader`).

Integers only: a chip's floats have 24 bits, Unix time in ms needs 41.
"""

from micropython import const

from .errors import DRIVER_ERRORS, LinkpostError
from .loader import load, sweep

# NTP is asked again at most this often while the clock is not right; the `Date` of a reply may set
# it before.
_NTP_AGAIN_MS = const(300_000)
_NTP_DEADLINE_MS = const(6_000)


def ask(link) -> None:
    """Ask NTP for the time, for a link whose clock is not right.

    First it is set to a floor, if it is behind: the release's date, or the newest time that is on
    flash. A certificate's dates are then judged by a time that is late by no more than the board
    was off, and not by the year 2000. That time only lifts the floor: wrong once, it must not
    refuse the right one for ever.

    Not fatal where nobody answers: TLS is judged by the floor, and a reply over it sets the clock.
    """
    port = link.port
    link.ntp_ms = port.uptime_ms() + _NTP_AGAIN_MS
    version = load("version")
    floor_ms = version.RELEASED_UNIX_MS
    if version.can_be_right(link.newest_unix_ms):
        floor_ms = max(floor_ms, link.newest_unix_ms)
    try:
        if port.unix_ms() < floor_ms:
            port.mark_clock(False)
            port.set_unix_ms(floor_ms)
    except DRIVER_ERRORS:
        pass  # the certificate's dates decide what comes of it
    port.feed()  # what that took goes before more is loaded
    sweep()
    try:
        unix_ms = load("net.ntp").fetch(
            link.config.ntp, port, _NTP_DEADLINE_MS, version.can_be_right
        )
    except (LinkpostError, MemoryError) as error:
        link.log.warning("clock", "not set by NTP", "why", str(error) or "out of memory")
        return
    _set(link, unix_ms, "set by NTP")


def take_date(link, date: str) -> None:
    """Set the link's clock by the Date of a reply over verified TLS, where it is one.

    The certificate's dates bound what a forger could say. It may be late by the reply's way and by
    a second.
    """
    unix_ms = load("dates").parse_http_date(date)
    if unix_ms is not None:
        _set(link, unix_ms, "set by the platform")


def doubt(link) -> None:
    """Call the link's clock not right, as a certificate's dates say; it is asked for at once."""
    link.is_right = False
    link.ntp_ms = 0
    try:
        link.port.mark_clock(False)
    except DRIVER_ERRORS:
        pass


def _set(link, unix_ms, phrase):
    # What cannot be right is not believed.
    if not load("version").can_be_right(unix_ms):
        return
    try:
        link.port.set_unix_ms(unix_ms)
        link.port.mark_clock(True)
    except DRIVER_ERRORS as error:
        link.log.warning("clock", "refused to be set", "why", error)
        return
    link.is_right = True
    link.log.info("clock", phrase, "unix_ms", unix_ms)
    link.port.feed()  # what the port has loaded goes before flash is written
    if link.on_clock_set is not None:
        link.on_clock_set(unix_ms - link.port.uptime_ms())
