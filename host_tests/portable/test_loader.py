"""A loaded module works, and MicroPython's heap has it back afterwards."""

import gc
import sys

import linkpost.errors  # noqa: F401  an error's class must be the same one for everybody
import linkpost.net
from linkpost.errors import TLSError
from linkpost.loader import load

SKIP = {
    "test_loaded_module_is_in_no_table": ("cpython", "CPython keeps modules: it has threads"),
    "test_heap_after_a_load_is_what_it_was": ("cpython", "CPython has no mem_alloc"),
}


def test_loaded_module_does_its_work():
    error = load("net.failures").no_anchor()
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
    load("net.failures").no_anchor()  # its names are interned for good
    gc.collect()
    before = gc.mem_alloc()
    for _ in range(5):
        load("net.failures").no_anchor()
    gc.collect()
    assert gc.mem_alloc() - before < 512, gc.mem_alloc() - before


def test_load_of_what_is_not_there_is_an_import_error():
    for name in ("nothing", "net.nothing"):
        try:
            load(name)
        except ImportError:
            continue
        raise AssertionError(name)
