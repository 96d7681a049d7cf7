# How much free heap a step takes beyond what stays: the rest of the heap is filled, more and more
# of it, until the step does not end any more as it should. Behind an `app` that has run.
import gc


def free():
    return OPTIONS["total"] - gc.mem_alloc()


def passes(step, room):
    pieces = None
    gc.collect()
    for size in (4_096, 256):
        try:
            while free() - room > size:
                pieces = (bytearray(size - 32), pieces)
        except MemoryError:
            pass  # it is in smaller pieces
    try:
        return step()
    except MemoryError:
        return False


def least_room(step):
    low, high = 3_072, 13_312
    while high - low > 320:
        room = (low + high) // 2
        # Where the pieces come to lie is chance.
        if passes(step, room) or passes(step, room):
            high = room
        else:
            low = room
    return high


def sends(error):
    # Fails as it should, its words in the log; or is accepted.
    app.client.close()
    # No reset, and no pause, by what has failed so often here.
    app.send_due_ms = app.starved = app.attempts = app.link.failures = 0
    if not app.pending:
        app.append({"n": 1})
    app.last_error = None
    accepted = app.accepted
    app.send()
    if error is None:
        return app.accepted > accepted
    return type(app.last_error).__name__ == error


def asks():
    app.link.is_right = False
    app.link.ntp_ms = 0
    app.link.step()
    return app.link.is_right
