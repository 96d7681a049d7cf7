"""Runs MicroPython's unix port so that Ctrl-C comes as it does on a chip. Run as a script.

The port's own handler of SIGINT leaves whatever C code is running by a long jump, also a garbage
collection, whose heap then stays locked, or a write to the flash. A chip takes Ctrl-C between two
byte codes, and its sleeps and polls end for it. The wheel carries the interpreter as a library, so
CTRL_C calls the very function that a chip's UART calls.
"""

import ctypes
import os
import signal
import sys

# SIGINT itself is not free: the interpreter sets it anew each time it runs something. On macOS its
# threads use SIGUSR1.
CTRL_C = getattr(signal, "SIGUSR2", None)

# Set: the REPL starts as the raw one, as on a chip after a soft reset in the raw REPL.
RAW_REPL_VARIABLE = "LINKPOST_RAW_REPL"

_RAW_REPL = 1  # PYEXEC_MODE_RAW_REPL of MicroPython's shared/runtime/pyexec.h


def main() -> None:
    """Run the interpreter with our arguments; does not return."""
    import micropython_run

    library = ctypes.CDLL(micropython_run.__file__)
    process = ctypes.CDLL(None)
    process.signal.argtypes = [ctypes.c_int, ctypes.c_void_p]
    press = ctypes.cast(library.mp_sched_keyboard_interrupt, ctypes.c_void_p)
    process.signal(CTRL_C, press)
    process.siginterrupt(CTRL_C, 1)
    if os.environ.get(RAW_REPL_VARIABLE):
        ctypes.c_int.in_dll(library, "pyexec_mode_kind").value = _RAW_REPL
    micropython_run.run_main(["micropython", *sys.argv[1:]])


if __name__ == "__main__":
    main()
