"""What a boot does around the app: hold flag, crash count, safe mode, and how the app may end.

Rules:
  1. People always get in. A file `hold` on flash boots to the REPL without app and watchdog;
     `linkpost deploy` uses it. Ctrl-C ends the app in order, and a Timer then feeds a watchdog
     that nothing can stop.
  2. What a person has to mend (the config) is said in one line, and the REPL is there.
  3. What nobody expected is shown, and the board resets. A boot that did not prove healthy is
     counted in memory that outlives the reset; wakes from deep sleep are not boots. After five in
     a row the board stops in safe mode, without app and watchdog, and tries again after 15
     minutes: a fault that comes and goes does not end a board for ever.
"""

import sys

from . import ports
from .errors import LinkpostError
from .log import Log
from .ports.base import DEEP_SLEEP_WAKE
from .retained import Retained
from .storage.files import list_names

HOLD = "hold"
CRASHES_MAX = 5
_SAFE_MODE_MS = 900_000
# Before the reset after a crash: long enough for Ctrl-C, and for a person to read the traceback.
_RESET_PAUSE_MS = 10_000
_SLICE_MS = 500


def run(start, port=None) -> None:
    """Call `start`, which builds the app and runs it; return to the REPL where that is right."""
    if port is None:
        port = ports.detect()
    log = Log(port)
    if HOLD in list_names("."):
        _forget_crashes(port)
        log.warning("app", "held: not started", "file", HOLD)
        return
    try:
        if port.reset_cause() != DEEP_SLEEP_WAKE:
            _count_boot(port, log)
        start()
    except LinkpostError as error:
        log.error("app", "cannot run", "error", type(error).__name__, "why", error)
    except KeyboardInterrupt:
        port.feed_for(None)
        _forget_crashes(port)
        log.info("app", "stopped by Ctrl-C")
        raise
    except Exception as error:  # the outermost: anything unexpected ends here
        _show(error)
        log.error("app", "crashed", "error", type(error).__name__, "reset_in_ms", _RESET_PAUSE_MS)
        _wait(port, _RESET_PAUSE_MS)
        port.reset()


def _count_boot(port, log):
    retained = Retained(port)
    if retained.crashes >= CRASHES_MAX:
        log.error(
            "app", "safe mode", "boots_failed", retained.crashes, "again_in_ms", _SAFE_MODE_MS
        )
        _wait(port, _SAFE_MODE_MS)
        retained.crashes = CRASHES_MAX - 1  # one more try, then back here
    retained.crashes += 1
    retained.keep()


def _forget_crashes(port):
    # A person is at it: boots that they end did not fail, and what they deploy is new.
    retained = Retained(port)
    retained.crashes = 0
    retained.keep()


def _wait(port, ms):
    # In slices, so that Ctrl-C gets in and a watchdog that runs is fed.
    while ms > 0:
        port.feed()
        port.sleep_ms(min(ms, _SLICE_MS))
        ms -= _SLICE_MS


def _show(error):
    # CPython has no sys.print_exception; its own hook prints the same.
    show = getattr(sys, "print_exception", None)
    if show:
        show(error)
    else:
        getattr(sys, "excepthook")(type(error), error, error.__traceback__)  # noqa: B009
