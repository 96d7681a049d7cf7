"""What a failure means for the next try. Loaded when something failed (`loader`).

When to try again is decided here only: after a random pause (any time up to a bound that
doubles, with a cap), so that three hundred boards that failed together do not come back together.

Out of memory is a failure like others at first. After several, while no send went well, the board
resets: pieces of a heap that do not come together again, or memory of the radio's own, are whole
again only then.
That is done once, and remembered in memory that outlives the reset, until a report is accepted.
Where it has not helped, the board says so, goes on storing, and sends at a slow pace.
"""

from micropython import const

from .errors import DeadlineError, LinkpostError, LowMemoryError, NetworkError
from .loader import load

# Authentication refused: a person has to act. At least 15 minutes (docs/protocol.md,
# "What a board does with each answer").
_SLOWLY_MS = const(900_000)
# Times out of memory, with no send that went well, until the reset that makes the heap whole.
_STARVED_MAX = const(5)
# Out of memory outside of sending is logged, and counted, this often: it may be over soon.
_STARVED_MS = const(10_000)
# Rounds of joining, and links, in a row without a request that succeeded, after which only a reset
# of the chip is left to try; `net.wifi` has powered the interface down and up before.
_LINK_FAILURES_MAX = const(12)


def pause_ms(error, attempts: int, random_bytes, slowly: bool = False) -> int:
    """Return the ms to wait before the next try.

    Args: error, the LinkpostError, whose `retry` chooses the pace; attempts, failures in a row
    before this one; slowly, the slow pace whatever the error says.
    """
    # A random number from 0 to a bound that doubles up to a cap, under 2**24 ms (4.6 h). A reading
    # waits in the outbox meanwhile, so patience costs nothing.
    least, first, cap = 0, 2_000, 300_000
    if error.retry == "long":
        # 40000 is counted per minute or longer; coming back within seconds only renews it.
        first, cap = 30_000, 3_600_000
    if slowly or error.retry == "slowly":
        least = _SLOWLY_MS
        first = cap = _SLOWLY_MS // 3
    bound = min(cap, first << min(attempts, 16))
    return least + int.from_bytes(random_bytes(3), "big") % (bound + 1)


def as_linkpost(error, port):
    """Return the LinkpostError for what came out of a driver or out of the heap."""
    if isinstance(error, LinkpostError):
        return error
    # 5 is EIO, which the ESP32's poll raises where it has no memory; 12 ENOMEM.
    if isinstance(error, MemoryError) or (
        isinstance(error, OSError) and error.args and error.args[0] in (5, 12)
    ):
        pieces = ["%s %d" % pair for pair in sorted(port.heap(True).items())]
        return LowMemoryError("out of memory: " + ", ".join(pieces))
    return NetworkError("%s: %s" % (type(error).__name__, error))


def after(app, error) -> None:
    """Take note of a failure to send: log it, and set when to try again.

    Does not return where only a reset is left to try: the outbox is in order then.
    """
    port = app.port
    app.last_error = error = as_linkpost(error, port)
    is_memory = isinstance(error, LowMemoryError) or getattr(error, "reason", "") == "memory"
    slowly = is_memory and _is_starved_for_good(app)
    wait_ms = pause_ms(error, app.attempts, port.random_bytes, slowly)
    app.attempts += 1
    app.send_due_ms = port.uptime_ms() + wait_ms
    name = type(error).__name__
    about = "error", name, "why", error, "pending", app.outbox.pending, "again_ms", wait_ms
    app.log.warning("send", "failed", *about)
    if app.link.failures >= _LINK_FAILURES_MAX:
        _reset(app)


def give_up(link) -> None:
    """End a drain, and its link's joining. Raises: DeadlineError that says how far it came."""
    error = DeadlineError("not all was sent in time")
    joining = link.joining
    if joining:
        link.joining = None
        link.failures += 1
        joining.throw(error)
    raise error


def out_of_memory(app) -> None:
    """Log that something else than sending found no memory; reset once where that goes on."""
    now_ms = app.port.uptime_ms()
    if not app.starved_ms or now_ms - app.starved_ms >= _STARVED_MS:
        app.starved_ms = now_ms
        app.log.error("app", "failed", "why", as_linkpost(MemoryError(), app.port))
        _is_starved_for_good(app)


def _is_starved_for_good(app):
    # Counts one more time out of memory. Resets where that may help, and has not been tried.
    app.starved += 1
    if app.starved < _STARVED_MAX:
        return False
    if load("boot_work").memory_reset_is_left(app.port):
        _reset(app)
    app.log.error("send", "out of memory, and a reset has not helped")
    return True


def _reset(app):
    try:
        app.log.error("send", "resetting: trying again has not helped")
        app.outbox.sync()
    except MemoryError:
        pass  # it is remembered as done, and the reset is what helps
    app.port.reset()
