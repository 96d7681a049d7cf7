"""A loaded module works, and MicroPython's heap has it back afterwards."""

import gc
import os
import sys

import linkpost.errors  # noqa: F401  an error's class must be the same one for everybody
import linkpost.net
from linkpost.errors import TLSError
from linkpost.loader import load

SKIP = {
    "test_loaded_module_is_in_no_table": ("cpython", "CPython keeps modules: it has threads"),
    "test_module_is_found_without_memory": ("cpython", "CPython has no such file system"),
    "test_heap_after_a_load_is_what_it_was": ("cpython", "CPython has no mem_alloc"),
    "test_everything_loaded_once_leaves_what_was_there": ("cpython", "CPython keeps modules"),
}


class Lost:
    """A connection that has failed."""

    host = "iot.example"
    tight = None


def test_loaded_module_does_its_work():
    error = load("net.failures").explained(Lost, 2, ValueError("not trusted"), 0)
    assert type(error) is TLSError
    assert load("dates").civil(0) == (1970, 1, 1, 0, 0, 0, 3)


def test_loaded_module_is_in_no_table():
    load("net.failures")
    assert "linkpost.net.failures" not in sys.modules
    assert not hasattr(linkpost.net, "failures")


def test_module_that_was_there_stays_and_is_the_same():
    import linkpost.log

    assert load("log") is linkpost.log
    assert sys.modules["linkpost.log"] is linkpost.log


def test_heap_after_a_load_is_what_it_was():
    def use(times):
        for _ in range(times):
            load("net.failures").explained(Lost, 4, None, 1000)
        gc.collect()
        return gc.mem_alloc()

    before = use(2)  # its names are interned for good
    # Of 50 copies, 4 KB and more each, a register may still point at the last one.
    assert use(50) - before < 16_384


def test_load_leaves_the_package_and_the_file_system_as_they_were():
    path = linkpost.net.__path__
    for name in ("net.failures", "net.nothing"):
        try:
            load(name)
        except ImportError:
            pass
        assert linkpost.net.__path__ == path
        assert not hasattr(linkpost.net, "_")
        assert [one for one in sys.modules if one.endswith("._")] == []
        try:
            os.stat("/_")
        except OSError:
            continue
        raise AssertionError("still mounted")


def test_module_is_found_without_memory():
    import micropython
    from linkpost.loader import _PATH, _OneModule

    one = _OneModule(linkpost.net, "failures")
    micropython.heap_lock()
    try:
        found = one.stat(_PATH)
    finally:
        micropython.heap_unlock()
    assert not found[0] & 0x4000 and len(found) == 10


def test_load_of_what_is_not_there_is_an_import_error():
    for name in ("nothing", "net.nothing"):
        try:
            load(name)
        except ImportError:
            continue
        raise AssertionError(name)


def _read(path):
    with open(path, "rb") as file:
        return file.read()


def _module_files(folder, before=""):
    """Return the firmware's files of code, by module name as `load` takes it."""
    found = {}
    for name in os.listdir(folder):
        path = folder + "/" + name
        if name.endswith((".py", ".mpy")):
            found[before + name.rpartition(".")[0]] = path
        elif "." not in name and name != "certs" and not name.startswith("_"):
            found.update(_module_files(path, before + name + "."))
    return found


def _loaded_names(folder):
    """Return the names of modules that `load` is given anywhere in the firmware.

    A board has byte code: there any module counts whose name another one holds as a string, and
    that is not there already ("log" is also an attribute's name).
    """
    files = _module_files(folder)
    found = set()
    for path in files.values():
        code = _read(path)
        if path.endswith(".py"):
            for part in code.decode().split('load("')[1:]:
                found.add(part.split('"')[0])
            continue
        for name in files:
            # Its own file has its name too.
            if "linkpost." + name in sys.modules or path == files[name]:
                continue
            # An .mpy has a string's length before it (a name's twice that), and a 0 behind it.
            text = name.encode() + b"\0"
            at = code.find(text)
            while at > 0 and code[at - 1] not in (len(name), 2 * len(name)):
                at = code.find(text, at + 1)
            if at > 0:
                found.add(name)
    return found


def test_everything_loaded_once_leaves_what_was_there():
    import linkpost
    import linkpost.app
    import linkpost.boot
    import linkpost.client
    import linkpost.config

    port = linkpost.ports.detect()
    names = _loaded_names(linkpost.__file__.rpartition("/")[0])
    # Not a module's name: an argument of the same spelling, and the ports' own.
    names = [name for name in sorted(names) if name not in ("config.json", "ports.")]
    assert len(names) > 15, names
    for name in names:  # packages, and names: these stay
        load(name)
    port.reset_cause()
    port.feed()
    modules = sorted(sys.modules)
    gc.collect()
    before = gc.mem_alloc()
    for _ in range(2):
        for name in names:
            load(name)
        port.reset_cause()
        port.feed()
    gc.collect()
    grown = gc.mem_alloc() - before
    assert grown < 170, grown
    assert sorted(sys.modules) == modules
    loaded = ["linkpost." + name for name in names]
    # But for those that what stays imports itself.
    left = [name for name in modules if name in loaded and name not in _RESIDENT]
    assert left == [], left
    assert [name for name in modules if name.endswith("_rare")] == []


# Loaded by one, imported by another (test_house.py, _STAYS_IN_SOME).
_RESIDENT = ("linkpost.storage.readings",)
