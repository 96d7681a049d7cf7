"""What an app does once a boot, or for a sleep: it works on the app's attributes.

Loaded when needed (`loader`).
"""

from micropython import const

from .errors import DRIVER_ERRORS
from .loader import load
from .sensors import read_all

# The first send after a boot waits up to this, or up to `send_s` where that is less: three hundred
# boards after a blackout would meet 40000.
_FIRST_SEND_JITTER_MS = const(10_000)


def start(app):
    """Begin, and say so; return the boot's own reading, or None where a sleep has ended.

    The caller stores it when this module has gone, and what the reading took: on a small heap
    there is no piece for a file beside them.
    """
    config = app.config
    port = app.port
    outbox = app.outbox
    cause = port.reset_cause()
    device = "%s/%s" % (config.product_key, config.device_name)
    about = ["device", device, "endpoint", config.endpoint, "cause", cause]
    about += "stream", outbox.stream, "next", outbox.next_seq, "pending", outbox.pending
    app.log.info("app", "started", *about)
    if config.watchdog_s:
        port.start_watchdog(int(config.watchdog_s * 1000))
    app.due_ms = app.send_due_ms = port.uptime_ms()
    if cause == "deep sleep":
        _, _, app.attempts, sample_in_ms, send_in_ms = load("boot_work").kept(port)
        app.due_ms += sample_in_ms
        app.send_due_ms += send_in_ms
        app.hurries = True
        return None
    random = int.from_bytes(port.random_bytes(3), "big")
    app.send_due_ms += random % (min(config.send_ms, _FIRST_SEND_JITTER_MS) + 1)
    # Nothing is dropped in silence: each boot reports why it came, and what was lost so far.
    return read_all([("", load("sensors.system").System(port, app))])


def tell_heap(app) -> None:
    """Log what memory there is."""
    heap = app.port.heap(True)
    pairs = []
    for key in sorted(heap):
        pairs += key, heap[key]
    app.log.info("app", "heap", *pairs)


def sleep(app, ms: int) -> None:
    """Sleep with the radio down, as the config says; after a deep sleep the board boots."""
    port = app.port
    app.client.close()
    app.link.off()
    app.log.debug("app", "sleeping", "ms", ms)
    try:
        if app.config.sleep == "light":
            port.light_sleep(ms)
            return
        # Before deep sleep only: light sleep keeps RAM, and a cursor for each reading would take
        # rp2's flash over its budget of erases.
        app.outbox.sync()
        wake_ms = port.uptime_ms() + ms
        boot_work = load("boot_work")
        memory_reset = boot_work.kept(port)[1]
        sample_in_ms = max(0, app.due_ms - wake_ms)
        send_in_ms = max(0, app.send_due_ms - wake_ms)
        attempts = min(app.attempts, 99)  # the pause has long been at its cap
        boot_work.keep(port, 0, memory_reset, attempts, sample_in_ms, send_in_ms)
        port.deep_sleep(ms)
    except DRIVER_ERRORS as error:
        if isinstance(error, MemoryError):
            raise
        app.log.warning("app", "cannot sleep, stays awake", "why", error)
        app.config.sleep = "none"  # until the next boot
