"""What an app does once a boot: what it tells, and what it keeps for the next one.

Loaded when needed (`loader`).
"""

import gc
import json

from .loader import load

# Flash that a reading takes beyond its values as JSON; more than measured, so that the hours hold.
_STORED_BESIDE_VALUES = 24


def tell_start(log, config, port, outbox) -> None:
    """Log that the app runs, and with what."""
    log.info(
        "app",
        "started",
        "device",
        "%s/%s" % (config.product_key, config.device_name),
        "endpoint",
        config.endpoint,
        "cause",
        port.reset_cause(),
        "stream",
        outbox.stream,
        "next",
        outbox.next_seq,
        "pending",
        outbox.pending,
    )


def tell_room(log, config, port, outbox) -> None:
    """Log what memory there is, and how long an outage may last by the newest reading's size."""
    heap = port.heap(True)
    pairs = []
    for key in ("total", "free", "largest", "idf_free", "idf_largest"):
        if key in heap:
            pairs += [key, heap[key]]
    log.info("app", "heap", *pairs)
    newest = outbox.newest()
    if newest is None or not config.interval_ms:
        return
    # In a frame the values are about as long as in JSON.
    readings = outbox.max_bytes // (len(json.dumps(newest[2])) + _STORED_BESIDE_VALUES)
    hours = readings * (config.interval_ms // 100) // 36_000
    log.info("store", "an outage may last", "hours", hours, "readings", readings)


def resume(port):
    """Return what `keep` kept: ms to the next reading, ms to the next send, failures in a row."""
    retained = load("boot_work").Retained(port)
    return retained.sample_in_ms, retained.send_in_ms, retained.attempts


def prove(port, accepted) -> None:
    """Note that this boot is healthy, and where a report was accepted, that it has memory."""
    if accepted:
        # For `linkpost status`: what is left for the user's own code.
        gc.collect()
        if hasattr(gc, "mem_free"):  # CPython has none
            # It counts the IDF heap's largest block, by which the heap could grow.
            port.free_at_rest = gc.mem_free() - (port.tls_memory()[1] or 0)
    retained = load("boot_work").Retained(port)
    retained.crashes = 0
    if accepted:
        retained.memory_reset = 0
    retained.keep()


def keep(port, sample_in_ms: int, send_in_ms: int, sender) -> None:
    """Keep over a deep sleep what `resume` returns; times count from waking."""
    retained = load("boot_work").Retained(port)
    retained.crashes = 0
    retained.attempts = sender.attempts
    retained.sample_in_ms = max(0, sample_in_ms)
    retained.send_in_ms = max(0, send_in_ms)
    if sender.accepted:
        retained.memory_reset = 0
    retained.keep()
