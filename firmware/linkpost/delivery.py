"""Sending readings in batches, and what becomes of refused ones.

Loaded where it is needed (`loader`); it works on the app's attributes.

Rules (docs/protocol.md, "Refused readings"):
  1. A refused batch is sent again reading by reading: one bad reading must not condemn others.
  2. A refused reading is quarantined only when a later one has been accepted. To find out, the
     newest waiting reading is tried: is it accepted, then topic and identity are right, and what
     was refused is refused for its own sake. Is it refused as well, nothing is quarantined: the
     topic may be wrong for all, so all are kept, and the log says what to check.
  3. The newest reading, once accepted ahead of its turn, is not sent again when its turn comes.
     A power cut in between sends it twice; a receiver drops the second by (stream, seq).
"""

from .errors import RejectedError


def refused(app, seq: int, error, end_ms: int) -> None:
    """Quarantine the oldest reading where a later one is accepted.

    Raises: RejectedError where none is; LinkpostError where that could not be found out.
    """
    if app.proof < seq:
        newest = app.outbox.newest()
        try:
            if newest is None or newest[0] == seq:
                raise error
            app.publish(app.encode(newest), end_ms, newest[0], 1)
        except RejectedError as refusal:
            check = "topic exists, device may publish to it"
            about = "code", refusal.code, "topic", app.config.topic, "check", check
            app.log.error("send", "topic refused, readings kept", *about)
            raise
    app.log.warning("send", "reading quarantined", "seq", seq, "code", error.code)
    app.outbox.quarantine(seq, "%d %s" % (error.code, error.message))


def send_batch(app, end_ms: int) -> None:
    """Send as many waiting readings as fit into one array of the config's `batch_bytes`."""
    limit = app.config.batch_bytes
    parts = []
    size = 1  # the bracket; each reading adds itself and a comma or the other bracket
    last = 0
    for reading in app.outbox.readings():
        text = app.encode(reading)
        size += len(text) + 1
        if parts and (size > limit or reading[0] == app.proof):
            break
        parts.append(text)
        last = reading[0]
    try:
        app.publish(b"[" + b",".join(parts) + b"]", end_ms, last, len(parts))
    except RejectedError as error:
        app.log.warning("send", "batch refused", "code", error.code)
        app.singly = last
        return
    app.outbox.acknowledge(last)
