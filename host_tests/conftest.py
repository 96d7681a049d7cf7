"""Portable tests run twice: pytest runs them on CPython, this plug-in on real MicroPython.

A portable file holds plain `test_*` functions with plain `assert`. For each of them a second item
`test_x[micropython]` is made; all of one file run in one `micropython` process, with the firmware
as a board has it: byte code with short names, but for names that a test asks for. What one runtime
cannot run is listed in the file, with its reason, and reported as a skip:

    SKIP = {"test_x": ("micropython", "the unix port has no ...")}
"""

from __future__ import annotations

import ast
import atexit
import functools
import gc
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import micropython_failure
import pytest
from longest import LONGEST

from host_tests.shared.byte_code import write_byte_code

ROOT = Path(__file__).parent.parent
PORTABLE = Path(__file__).parent / "portable"
_RUNNER = Path(__file__).parent / "shared" / "micropython_runner.py"
_PROCESS_TIMEOUT_S = 100  # under pytest's own, so that the output so far is shown


def pytest_configure() -> None:
    # A shell ignores Ctrl-C for what it runs in the background, and children inherit that.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _micropython() -> str | None:
    beside = Path(sys.executable).parent / "micropython"
    return str(beside) if beside.exists() else shutil.which("micropython")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    if file_path.parent == PORTABLE and file_path.match("test_*.py"):
        return MicroPythonFile.from_parent(parent, path=file_path)
    return None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    """Name the runtime, file and line of a portable test that failed on CPython."""
    report = yield
    crash = getattr(report.longrepr, "reprcrash", None)
    if report.failed and crash is not None and item.path.parent == PORTABLE:
        message = crash.message.partition("\n")[0]
        line = _line_in(report.longrepr, item.path, crash)
        shown = micropython_failure.shown(item.path, ROOT)
        crash.message = f"cpython: {shown}:{line}: {message}"
    return report


def _line_in(longrepr: Any, path: Path, crash: Any) -> int:
    """Return the innermost line of a traceback that is in this file."""
    lines = [
        entry.reprfileloc.lineno
        for entry in longrepr.reprtraceback.reprentries
        if getattr(entry, "reprfileloc", None) and Path(entry.reprfileloc.path).name == path.name
    ]
    return lines[-1] if lines else crash.lineno


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Keep Python's collector off what pytest collects, which stays.

    The firmware collects often, as a board has to: each time it would go through thousands of
    tests, a quarter of a second.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get("/".join(item.path.parts[-2:]), len(places)))
    for item in items:
        if isinstance(item, pytest.Function) and item.path.parent == PORTABLE:
            runtime, reason = getattr(item.module, "SKIP", {}).get(item.name, ("", ""))
            if runtime == "cpython":
                item.add_marker(pytest.mark.skip(reason=reason))


@functools.cache
def _byte_code() -> Path:
    folder = tempfile.mkdtemp(prefix="linkpost-byte-code-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    write_byte_code(Path(folder))
    return Path(folder)


class MicroPythonFile(pytest.File):
    """One portable file in one `micropython` process."""

    def collect(self):
        tree = ast.parse(self.path.read_text())
        skips: dict[str, tuple[str, str]] = {}
        for node in tree.body:
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "SKIP":
                skips = ast.literal_eval(node.value)
        self._outcomes: dict[str, str] | None = None
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                runtime, reason = skips.get(node.name, ("", ""))
                item = MicroPythonItem.from_parent(self, name=f"{node.name}[micropython]")
                item.test_name = node.name
                item.line = node.lineno
                item.skip_reason = reason if runtime == "micropython" else ""
                yield item

    def outcome(self, item: MicroPythonItem) -> str:
        """Return what the process printed about that test: "" where it passed."""
        if self._outcomes is None:
            wanted = [i for i in item.session.items if i.parent is self and not i.skip_reason]
            self._outcomes = self._run([i.test_name for i in wanted])
        return self._outcomes.get(item.test_name, "the process ended before this test ran")

    def _run(self, names: list[str]) -> dict[str, str]:
        path = ":".join(map(str, (_byte_code(), PORTABLE, PORTABLE.parent, ".frozen")))
        command = [_micropython() or "micropython", "-X", "heapsize=8M", str(_RUNNER)]
        process = subprocess.Popen(
            [*command, self.path.stem, *names],
            env={**os.environ, "MICROPYPATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            output, _ = process.communicate(timeout=_PROCESS_TIMEOUT_S)
            end = f"the process ended with {process.returncode}"
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
            end = f"killed after {_PROCESS_TIMEOUT_S} s"
        outcomes: dict[str, str] = {}
        for part in output.decode(errors="replace").split("\x01")[1:]:
            name, _, report = part.partition("\n")
            text, passed, _ = report.partition("\x02")
            outcomes[name] = "" if passed else text or "\n"
        if not outcomes and names:  # the file itself did not import
            outcomes = dict.fromkeys(names, output.decode(errors="replace") or "\n")
        self._end = end
        return outcomes

    def explain(self, item: MicroPythonItem, report: str) -> str:
        """Return a failure with runtime, file, line and source."""
        return micropython_failure.explain(report, self._end, self.path, item.line, ROOT)


class MicroPythonItem(pytest.Item):
    """One portable test on MicroPython."""

    test_name: str
    line: int
    skip_reason: str
    parent: MicroPythonFile

    def runtest(self) -> None:
        if self.skip_reason:
            pytest.skip(self.skip_reason)
        if _micropython() is None:
            pytest.skip("the MicroPython wheel is not installed on this machine")
        report = self.parent.outcome(self)
        if report:
            raise MicroPythonFailure(self.parent.explain(self, report))

    def repr_failure(self, excinfo, style=None):
        if isinstance(excinfo.value, MicroPythonFailure):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self):
        return self.path, self.line - 1, self.name


class MicroPythonFailure(Exception):
    """The test failed in the MicroPython process; the text is what it printed."""
