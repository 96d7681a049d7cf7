"""Modules that are needed now and then: imported for one use, and let go of.

A module stays in heap for as long as `sys.modules` has it, at about twice the size of its `.mpy`.
What a board does once (check its config), once a day (ask for the time), once a week (sign) or
when something fails (find words for it) need not be there in between. A loaded module is in no
table: when the caller drops it, its heap is free again.

Rules:
  1. A loaded module holds functions, and classes only whose objects nobody keeps: a class would
     be another one each time, and state would be gone.
  2. It is loaded where it is used, inside a function, and what only it needs it loads too.
  3. At its top it imports only modules that stay, and inside its functions nothing: what it
     brought in would stay with nobody to let go of it (host_tests/host/test_house.py looks).
"""

import gc
import sys

from micropython import const

# As in main.py: what importing leaves behind must not lie in small pieces between what stays.
_IMPORT_THRESHOLD = const(8192)

# MicroPython looks through the flash before it finds one of these in itself, each time that a
# module imports it: 4.9 ms on a Pico W, and 0.1 once it stands in the table.
for _name in ("binascii", "errno", "hashlib", "json", "os", "struct"):
    sys.modules[_name] = __import__(_name)


def load(name: str):
    """Return the module `linkpost.<name>`, of which MicroPython keeps nothing afterwards.

    Where it was imported already, it is that one, and stays. CPython keeps it in any case: there
    is heap to spare, and there are threads. Raises: MemoryError where there is no room for it.
    """
    full = "linkpost." + name
    package, _, last = full.rpartition(".")
    known = full in sys.modules
    try:
        return __import__(full, None, None, ("",))
    finally:
        # Also where memory ran out meanwhile: MicroPython may leave an empty module in its table,
        # which would be taken for the whole one from then on. Nothing is allocated here.
        if not known and sys.implementation.name == "micropython":
            sys.modules.pop(full, None)
            try:
                delattr(sys.modules[package], last)
            except (AttributeError, KeyError):
                pass  # it did not come so far. Not by hasattr: linkpost/__init__.py imports then


def keep(name: str):
    """Return the module `linkpost.<name>`, imported for good, with all that it imports.

    Raises: MemoryError where there is no room; of what was begun nothing is left in the table, so
    that the next try finds no empty module there.
    """
    known = set(sys.modules)
    threshold = None
    if hasattr(gc, "threshold"):  # CPython has none
        threshold = gc.threshold()
        gc.threshold(_IMPORT_THRESHOLD)
    try:
        return __import__("linkpost." + name, None, None, ("",))
    except MemoryError:
        for module in [module for module in sys.modules if module not in known]:
            del sys.modules[module]
        raise
    finally:
        if threshold is not None:
            gc.threshold(threshold)
