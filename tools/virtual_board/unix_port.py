"""Runs MicroPython's unix port so that Ctrl-C comes as it does on a chip. Run as a script.

The port's own handler of SIGINT leaves whatever C code is running by a long jump, also a garbage
collection, whose heap then stays locked, or a write to the flash. A chip takes Ctrl-C between two
byte codes, and its sleeps and polls end for it. The wheel carries the interpreter as a library, so
CTRL_C calls the very function that a chip's UART calls.
"""

import ctypes
import signal
import sys

# SIGINT itself is not free: the interpreter sets it anew each time it runs something.
CTRL_C = getattr(signal, "SIGUSR1", None)


def main() -> None:
    """Run the interpreter with our arguments; does not return."""
    import micropython_run

    library = ctypes.CDLL(micropython_run.__file__)
    process = ctypes.CDLL(None)
    process.signal.argtypes = [ctypes.c_int, ctypes.c_void_p]
    press = ctypes.cast(library.mp_sched_keyboard_interrupt, ctypes.c_void_p)
    process.signal(CTRL_C, press)
    process.siginterrupt(CTRL_C, 1)
    micropython_run.run_main(["micropython", *sys.argv[1:]])


if __name__ == "__main__":
    main()
