"""main.py, the start-up program that every board gets."""

import runpy
import sys
import types

import pytest

from tools import firmware


@pytest.mark.parametrize("error", [ImportError("_thread"), MemoryError(), OSError(5)])
def test_heap_that_cannot_be_grown_stops_no_boot(monkeypatch, error):
    def load(name):
        assert name == "ports.esp32_heap"
        raise error

    started = []
    for name, values in (
        ("linkpost", {"App": None, "Config": None}),
        ("linkpost.loader", {"load": load}),
        ("linkpost.boot", {"run": started.append}),
    ):
        module = types.ModuleType(name)
        vars(module).update(values)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(sys, "platform", "esp32")
    runpy.run_path(str(firmware.main_py()))
    assert len(started) == 1
