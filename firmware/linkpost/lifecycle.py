"""What an app does once a boot, or for a sleep: it works on the app's attributes.

Loaded when needed (`loader`).
"""

import json

from micropython import const

from .errors import DRIVER_ERRORS
from .loader import load
from .sensors import read_all

# Flash that a reading takes beyond its values as JSON; more than measured, so that the hours hold.
_STORED_BESIDE_VALUES = const(24)
# The first send after a boot waits up to this, or up to `send_s` where that is less: three hundred
# boards after a blackout would meet 40000.
_FIRST_SEND_JITTER_MS = const(10_000)
# A boot that has run for so long, or has sent a reading, is healthy (boot.py, rule 3).
_HEALTHY_MS = const(60_000)


def start(app):
    """Begin, and say so; return the boot's own reading, or None where a sleep has ended.

    The caller stores it when this module has gone, and what the reading took: on a small heap
    there is no piece for a file beside them.
    """
    config = app.config
    port = app.port
    outbox = app.outbox
    cause = port.reset_cause()
    about = ["device", "%s/%s" % (config.product_key, config.device_name)]
    about += ["endpoint", config.endpoint, "cause", cause, "stream", outbox.stream]
    about += ["next", outbox.next_seq, "pending", outbox.pending]
    app.log.info("app", "started", *about)
    if config.watchdog_s:
        port.start_watchdog(int(config.watchdog_s * 1000))
    sender = app.sender
    app.due_ms = sender.due_ms = now_ms = port.uptime_ms()
    app.healthy_ms = now_ms + _HEALTHY_MS
    if cause == "deep sleep":
        retained = load("boot_work").Retained(port)
        app.due_ms += retained.sample_in_ms
        sender.due_ms += retained.send_in_ms
        sender.attempts = retained.attempts
        return None
    sender.is_first = True
    random = int.from_bytes(port.random_bytes(3), "big")
    sender.due_ms += random % (min(config.send_ms, _FIRST_SEND_JITTER_MS) + 1)
    # Nothing is dropped in silence: each boot reports why it came, and what was lost so far.
    return read_all([("", load("sensors.system").System(port, outbox, config.format))])


def tell_room(app, values: dict, max_bytes: int) -> None:
    """Log what memory there is, and how long an outage may last by the size of a reading."""
    config = app.config
    heap = app.port.heap(True)
    app.port.feed()  # what that took goes before more is loaded
    pairs = []
    for key in ("total", "free", "largest", "idf_free", "idf_largest"):
        if key in heap:
            pairs += [key, heap[key]]
    app.log.info("app", "heap", *pairs)
    if not config.interval_ms:
        return
    # In a frame the values are about as long as in JSON.
    readings = max_bytes // (len(json.dumps(values)) + _STORED_BESIDE_VALUES)
    hours = readings * (config.interval_ms // 100) // 36_000
    app.log.info("store", "an outage may last", "hours", hours, "readings", readings)


def sleep(app, ms: int) -> None:
    """Sleep with the radio down, as the config says; after a deep sleep the board boots."""
    port = app.port
    sender = app.sender
    sender.close()
    app.link.off()
    app.log.debug("app", "sleeping", "ms", ms)
    try:
        if app.sleep == "light":
            port.light_sleep(ms)
            return
        # Before deep sleep only: light sleep keeps RAM, and a cursor for each reading would take
        # rp2's flash over its budget of erases.
        app.outbox.sync()
        wake_ms = port.uptime_ms() + ms
        retained = load("boot_work").Retained(port)
        retained.keep(
            crashes=0,
            attempts=sender.attempts,
            memory_reset=0 if sender.accepted else retained.memory_reset,
            sample_in_ms=max(0, app.due_ms - wake_ms),
            send_in_ms=max(0, sender.due_ms - wake_ms),
        )
        port.deep_sleep(ms)
    except DRIVER_ERRORS as error:
        if isinstance(error, MemoryError):
            raise
        app.log.warning("app", "cannot sleep, stays awake", "why", error)
        app.sleep = "none"  # until the next boot
