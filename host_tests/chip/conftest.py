"""Tests on the chip's own build. A slice of them runs with all tests, the rest by make test-chip.

They need two files in the user's cache, which are not ours to ship. Where they are missing one
skip says how to get them; with LINKPOST_REQUIRE_CHIP=1 it is a failure. LINKPOST_CHIP=all runs the
long ones too (marker `long`), and goes on where an earlier run of the same files was stopped: what
has passed is in build/chip/passed.json.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from host_tests.chip import progress
from tools.chip import cache

HERE = Path(__file__).parent
ALL = os.environ.get("LINKPOST_CHIP") == "all"
_FOLDER = "host_tests/chip"  # as make test-chip gives it
_FILES_TEST = "test_files_of_the_chip_are_here"

_record = progress.Record(Path("build/chip/passed.json"))


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "long: minutes of chip time; make test-chip runs it")
    config.addinivalue_line("markers", "no_files: does not need the chip's two files")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    here, files_here = cache.is_complete(), []
    for item in list(items):
        if HERE not in item.path.parents:
            continue
        needs_files = item.name != _FILES_TEST and not item.get_closest_marker("no_files")
        if (needs_files and not here) or (item.get_closest_marker("long") and not ALL):
            items.remove(item)
        elif ALL and _record.has(item.nodeid, _own_files(item)):
            item.add_marker(pytest.mark.skip(reason="passed before make test-chip was stopped"))
        files_here.append(item)


def _own_files(item: pytest.Item) -> set[Path]:
    values = item.callspec.params.values() if hasattr(item, "callspec") else ()
    return {item.path, *(value for value in values if isinstance(value, Path))}


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item: pytest.Item):
    if HERE not in item.path.parents:
        yield
        return
    progress.begin()
    began = time.monotonic()
    outcome = yield
    wall_s = time.monotonic() - began
    # An expected failure has told how far it got: that is its result.
    if ALL and (outcome.excinfo is None or issubclass(outcome.excinfo[0], pytest.xfail.Exception)):
        _record.note(item.nodeid, _own_files(item), wall_s)


def pytest_terminal_summary(terminalreporter) -> None:
    if ALL:
        for line in _record.table():
            terminalreporter.write_line(line)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    chosen = session.config.option
    is_whole = not (chosen.keyword or chosen.markexpr) and session.config.args == [_FOLDER]
    if ALL and is_whole and exitstatus == 0:
        _record.close()
