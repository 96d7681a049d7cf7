"""How a board's program starts and how it may end. The work is in `boot_work`, loaded for it.

Rules:
  1. People always get in. A file `hold` on flash boots to the REPL without app and watchdog;
     `linkpost deploy` uses it. Ctrl-C ends the app in order, and a Timer then feeds a watchdog
     that nothing can stop.
  2. What somebody has to fix (the config) is logged in one line, and the REPL is there.
  3. What nobody expected is shown, and the board resets. A boot that did not prove healthy is
     counted in memory that outlives the reset; wakes from deep sleep are not boots. After five in
     a row the board stops in safe mode, without app and watchdog, and tries again after 15
     minutes: a fault that comes and goes does not end a board for ever.
"""

import gc

from .errors import LinkpostError
from .loader import load
from .log import Log
from .ports import detect


def run(start, port=None) -> None:
    """Call `start`, which builds the app and runs it; return to the REPL where that is right."""
    port = port or detect()
    log = Log(port)
    if not _begin(port, log):
        return
    try:
        start()
    except LinkpostError as error:
        log.error("app", "cannot run", "error", type(error).__name__, "why", error)
    except BaseException as error:  # the outermost: anything unexpected ends here
        gc.collect()  # the app is gone, and its heap with it
        try:
            load("boot_work").ended(port, log, error)
        except MemoryError:
            pass  # not even room to say so
        if isinstance(error, Exception):
            port.reset()
        raise


def _begin(port, log):
    # Of its own: the frame of what runs for ever may hold on to a loaded module (2 KB).
    begins = load("boot_work").begin(port, log)
    port.feed()  # what the port has loaded for it goes too
    return begins
