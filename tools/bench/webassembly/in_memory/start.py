"""What every scenario begins with: the board's file system, a clock, and a log that is silent."""

import sys

# Heap of their own, which is not the firmware's: there before anything is measured.
import binascii  # noqa: F401
import errno  # noqa: F401
import gc
import hashlib  # noqa: F401
import io  # noqa: F401
import json
import os  # noqa: F401
import random  # noqa: F401
import struct  # noqa: F401
import time  # noqa: F401

import disk

disk.use("/board")
sys.path[:] = ["/in_memory", "/lib", ".frozen"]

import select  # noqa: E402, F401
import socket  # noqa: E402, F401
import tls  # noqa: E402


class Silent:
    """A log that costs nothing."""

    def debug(self, *_):
        pass

    info = warning = error = debug


_marks = {}


def mark(name):
    """Remember the heap in use now, just collected."""
    _marks[name] = gc.mem_alloc()


def show(what, since="base", less=0):
    """Print how much more heap is in use than at that mark."""
    print(json.dumps({"what": what, "bytes": gc.mem_alloc() - _marks[since] - less}))


def show_growth(what, *marks):
    """Print the smallest of the growths from one mark to the next, and from the last one to now.

    What grows does so in all; a module that happens to be loaded at a mark is in one or two.
    """
    heaps = [_marks[name] for name in marks] + [gc.mem_alloc()]
    growths = [heaps[i + 1] - heaps[i] for i in range(len(marks))]
    print(json.dumps({"what": what, "bytes": min(growths)}))


def allocated(what, work, times=1):
    """Print the bytes that a call allocates, garbage included, the mean of `times`."""
    before = gc.mem_alloc()
    for _ in range(times):
        work()
    print(json.dumps({"what": what, "bytes": (gc.mem_alloc() - before) // times}))


def port():
    """Return the host's port, which does not wait."""
    from linkpost.ports.host import HostPort

    class Port(HostPort):
        def sleep_ms(self, ms):
            pass

        def random_bytes(self, length):
            return bytes(length)

    return Port()


platform = tls.platform
