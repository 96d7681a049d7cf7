"""What a failure means for the next try. Loaded when something failed (`loader`).

When to try again is decided here only: after a random pause (any time up to a bound that
doubles, with a cap), so that three hundred boards that failed together do not come back together.

Out of memory is a failure like others at first. After several in a row the board resets: pieces of
a heap that do not come together again, or memory of the radio's own, are whole again only then.
That is done once, and remembered in memory that outlives the reset, until a report is accepted.
Where it has not helped, the board says so, goes on storing, and sends at a slow pace.
"""

from micropython import const

from .errors import LinkpostError, LowMemoryError, NetworkError, TLSError
from .loader import load

# Authentication refused: a person has to act. At least 15 minutes (docs/protocol.md,
# "What a board does with each answer").
_SLOWLY_MS = const(900_000)
# Failures in a row, out of memory, until the reset that makes the heap whole.
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


def memory_message(port) -> str:
    """Return the message about a heap that did not suffice, with its numbers."""
    heap = port.heap(True)
    message = "out of memory: %d bytes free" % heap["free"]
    if "largest" in heap:
        message += ", %d in one piece" % heap["largest"]
    if "idf_free" in heap:
        message += "; beside them %d, %d in one piece" % (heap["idf_free"], heap["idf_largest"])
    return message


def as_linkpost(error, port):
    """Return the LinkpostError for what came out of a driver or out of the heap."""
    if isinstance(error, LinkpostError):
        return error
    # 5 is EIO, which the ESP32's poll raises where it has no memory; 12 ENOMEM.
    if isinstance(error, MemoryError) or (
        isinstance(error, OSError) and error.args and error.args[0] in (5, 12)
    ):
        return LowMemoryError(memory_message(port))
    return NetworkError("%s: %s" % (type(error).__name__, error))


def after(sender, error) -> None:
    """Take note of a failure of that sender: log it, and set when to try again.

    Does not return where only a reset is left to try: the outbox is in order then.
    """
    port = sender.port
    error = as_linkpost(error, port)
    sender.last_error = error
    if isinstance(error, LowMemoryError) or (
        isinstance(error, TLSError) and error.reason == "memory"
    ):
        sender.starved += 1
    else:
        sender.starved = 0
    if error.retry in ("slowly", "never"):
        sender.led_code = 3  # see `led`
    else:
        sender.led_code = 2 if sender.link.is_up else 1
    is_starving = sender.starved >= _STARVED_MAX
    is_helpless = is_starving and not reset_is_left(port)
    wait_ms = pause_ms(error, sender.attempts, port.random_bytes, is_helpless)
    sender.attempts += 1
    sender.due_ms = port.uptime_ms() + wait_ms
    name = type(error).__name__
    pending = sender.outbox.pending
    sender.log.warning(
        "send", "failed", "error", name, "why", error, "pending", pending, "again_ms", wait_ms
    )
    if is_helpless:
        sender.log.error("send", "out of memory, and a reset has not helped: readings are stored")
    if sender.link.failures >= _LINK_FAILURES_MAX or (is_starving and not is_helpless):
        _reset(sender)


def out_of_memory(app) -> None:
    """Log that something else than sending found no memory; reset once where that goes on."""
    now_ms = app.port.uptime_ms()
    if app.starved and now_ms - app.starved_ms < _STARVED_MS:
        return
    app.starved += 1
    app.starved_ms = now_ms
    app.log.error("app", "failed", "why", memory_message(app.port))
    if app.starved >= _STARVED_MAX and reset_is_left(app.port):
        _reset(app.sender)


def _reset(sender):
    sender.log.error("send", "resetting: trying again has not helped")
    sender.outbox.sync()
    sender.port.reset()


def reset_is_left(port) -> bool:
    """Tell whether a reset for lack of memory may be tried, and remember that it was."""
    retained = load("boot_work").Retained(port)
    if retained.memory_reset or not port.retained_bytes:
        return False
    retained.keep(memory_reset=1)
    return True
