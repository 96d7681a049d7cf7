"""What a boot does around the app: the hold flag, and what happens when the app ends.

People always get in. A file `hold` on flash boots to the REPL without app and watchdog; `linkpost
deploy` uses it. Ctrl-C ends the app in order. What a person has to mend (the config) is said in
one line; what nobody expected is shown as a traceback, and the board resets.
"""

import sys

from .errors import LinkpostError
from .log import Log
from .storage.files import list_names

HOLD = "hold"
# Before the reset after a crash: long enough for Ctrl-C, and for a person to read the traceback.
_RESET_PAUSE_MS = 10_000


def run(start, port=None) -> None:
    """Call `start`, which builds the app and runs it; return to the REPL where that is right."""
    if port is None:
        from . import ports

        port = ports.detect()
    log = Log(port)
    if HOLD in list_names("."):
        log.warning("app", "held: not started", "file", HOLD)
        return
    try:
        start()
    except LinkpostError as error:
        log.error("app", "cannot run", "error", type(error).__name__, "why", error)
    except KeyboardInterrupt:
        log.info("app", "stopped by Ctrl-C")
        raise
    except Exception as error:
        _show(error)
        log.error("app", "crashed, resetting", "error", type(error).__name__)
        port.sleep_ms(_RESET_PAUSE_MS)
        port.reset()


def _show(error):
    # CPython has no sys.print_exception; its own hook prints the same.
    show = getattr(sys, "print_exception", None)
    if show:
        show(error)
    else:
        getattr(sys, "excepthook")(type(error), error, error.__traceback__)  # noqa: B009
