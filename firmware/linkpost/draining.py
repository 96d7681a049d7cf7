"""`App.drain`: all waiting readings sent, blocking. Loaded for it (`loader`)."""

import gc

from micropython import const

from .errors import DRIVER_ERRORS, DeadlineError
from .loader import load

# Between two steps of joining a network.
_JOIN_STEP_MS = const(100)


def drain(app, deadline_ms: int) -> None:
    """Send all waiting readings. Raises: the LinkpostError that stopped it."""
    port = app.port
    outbox = app.outbox
    end_ms = port.uptime_ms() + deadline_ms
    accepted = app.accepted
    try:
        while outbox.pending:
            port.feed()
            # Here, where nothing is half done: App.run has set no threshold, and what a full heap
            # collects lies in pieces between what is in use just then.
            gc.collect()
            left_ms = end_ms - port.uptime_ms()
            if app.link.step():
                if left_ms <= 0:
                    raise DeadlineError("%d readings waiting" % outbox.pending)
                app.request(left_ms)
            elif left_ms <= 0:
                give_up(app.link)
            else:
                port.sleep_ms(min(_JOIN_STEP_MS, left_ms))
    except DRIVER_ERRORS as error:
        raise load("backoff").as_linkpost(error, port)
    finally:
        if app.accepted > accepted:
            # What was accepted is not sent again, whatever comes next: another boot for one.
            outbox.sync()


def give_up(link) -> None:
    """End a link's joining. Raises: DeadlineError that says how far it came."""
    joining = link.joining
    link.joining = None
    link.failures += 1
    error = DeadlineError("no network within its time")
    if joining is not None:
        joining.throw(error)
    raise error
