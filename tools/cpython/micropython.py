"""CPython's stand-in for MicroPython's `micropython` module: what the firmware uses of it.

And for what MicroPython's `sys` has more than CPython's.
"""

import sys
import traceback


def const(value):
    return value


def _print_exception(error, file=None):
    traceback.print_exception(error, file=file)


setattr(sys, "print_exception", _print_exception)  # noqa: B010  no stub has it
