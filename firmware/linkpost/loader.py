"""Modules that are needed now and then: imported for one use, and let go of.

A module stays in heap for as long as `sys.modules` has it, at about twice the size of its `.mpy`.
What a board does once (check its config), once a day (ask for the time), once a week (sign) or
when something fails (make an error's text) need not be there in between. A loaded module is in no
table: when the caller drops it, its heap is free again.

Rules:
  1. A loaded module holds functions, and classes only whose objects nobody keeps: a class would
     be another one each time, and state would be gone.
  2. It is loaded where it is used, inside a function, and what only it needs it loads too.
  3. At its top it imports only modules that stay and loads none, which would take its name; inside
     its functions it imports nothing: what it brought in would stay with nobody to let go of it
     (host_tests/host/test_house.py looks).
"""

import gc
import sys

from micropython import const

try:
    import vfs
except ImportError:  # CPython
    vfs = None

_SUFFIX = "." + __file__.rpartition(".")[2]
_PATH = "/_" + _SUFFIX
_ENOENT = const(2)
_FILE = (0, 0, 0, 0, 0, 0, 0, 0, 0, 0)  # no folder

# MicroPython looks through the flash before it finds one of these in itself, each time that a
# module imports it: 4.9 ms on a Pico W, and 0.1 once it stands in the table.
for _name in ("binascii", "errno", "hashlib", "json", "os", "struct"):
    sys.modules[_name] = __import__(_name)


class _OneModule:
    """A file system with one module in it, `_`, for as long as that is looked for: see `load`.

    All modules are of one kind, .mpy or .py, as this one.
    """

    def __init__(self, package, last):
        self._package = package
        self._folder = package.__path__
        self._last = last

    def mount(self, *_):
        self._package.__path__ = "/_"

    def umount(self):
        self._package.__path__ = self._folder

    def stat(self, path):
        # Asked for "/_", "/_.py", "/_.mpy"; flash is not looked at. The answer takes no memory:
        # MicroPython would take a MemoryError for "not there".
        if path != _PATH:
            raise OSError(_ENOENT)
        return _FILE

    def open(self, path, mode):
        # It is found. What it imports itself lies where it always does.
        vfs.umount("/_")
        try:
            return open(self._folder + "/" + self._last + _SUFFIX, mode)
        except OSError:
            raise ImportError(self._last)


def load(name: str):
    """Return the module `linkpost.<name>`, of which MicroPython keeps nothing afterwards.

    Where it was imported already, it is that one, and stays. CPython keeps it in any case: there
    is heap to spare, and there are threads. Raises: MemoryError where there is no room for it.

    MicroPython keeps a module's names and its file's for good, 110 bytes for each module that was
    ever loaded, and looks at the flash three times before it opens a file (15 ms on a Pico W). So
    all are imported by one name, `_`, from a file system that knows the answers.
    """
    full = "linkpost." + name
    if vfs is None or full in sys.modules:
        return __import__(full, None, None, ("",))
    # What it leaves for good, names and what its caller keeps, lies low in the heap then, and not
    # behind what was left there, where each piece would cut what TLS needs in one. 3 to 6 ms.
    gc.collect()
    above, _, last = full.rpartition(".")
    package = __import__(above, None, None, ("",))
    one = None
    if not package.__path__.startswith(".frozen"):  # type: ignore[attr-defined]
        one = _OneModule(package, last)
        last = "_"
        full = above + "._"
    try:
        if one:
            vfs.mount(one, "/_")
        return __import__(full, None, None, ("",))
    finally:
        # Also where memory ran out meanwhile: MicroPython may leave an empty module in its table,
        # which would be taken for the whole one from then on. Nothing is allocated here.
        if package.__path__ == "/_":
            try:
                vfs.umount("/_")
            except OSError:
                one.umount()  # it did not come so far
        sys.modules.pop(full, None)
        try:
            delattr(package, last)
        except (AttributeError, KeyError):
            pass  # it did not come so far


def sweep(calls: int = 16) -> None:
    """Let go of loaded modules that calls which are over have left on the C stack.

    MicroPython's collector takes each word there for a pointer, also one that lies in a part of a
    later call's frame that this has not written yet: a module stayed so for hours, 2 KB. Calls in
    each other write over it: 16 over 2 KB of stack, in 0.2 ms on a Pico W. For the function in
    whose frame others are called one after the other, each of which loads something.
    """
    try:
        if calls:
            sweep(calls - 1)
    except RuntimeError:
        pass  # the end of the stack
