"""A portable test that fails names runtime, file and line, on CPython and on MicroPython."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from host_tests.documents.markdown import ROOT
from tools.virtual_board import runtimes

pytestmark = pytest.mark.skipif(
    not runtimes.has_micropython(), reason="the MicroPython wheel is not here"
)
_FAILING = """\
from linkpost.dates import civil


def _deeper(year):
    assert civil(0)[0] == year


def test_assert():
    _deeper(2000)


def test_lines():
    raise ValueError("first\\nsecond")


def test_in_the_firmware():
    civil("today")


def test_exits():
    import sys

    print("so far")
    sys.exit(3)
"""
# As `pytest` on the tree, with this folder as the portable one.
_PYTEST = """
import sys
sys.path[:0] = ["host_tests", "host_tests/shared"]
import conftest, pytest
from pathlib import Path
folder = Path(sys.argv[1])
conftest.PORTABLE = folder
options = ["-q", "-p", "no:cacheprovider", "-c", "pyproject.toml", "--confcutdir", sys.argv[1]]
sys.exit(pytest.main([*options, sys.argv[1]], plugins=[conftest]))
"""


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    folder = tmp_path_factory.mktemp("portable")
    (folder / "test_failing.py").write_text(_FAILING)
    done = subprocess.run(
        [sys.executable, "-c", _PYTEST, str(folder)],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "240"},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("runtime", ["micropython", "cpython"])
@pytest.mark.parametrize(
    ("test", "line", "error"),
    [
        ("test_assert", 5, "assert "),
        ("test_lines", 13, "ValueError: first"),
        ("test_in_the_firmware", 17, "TypeError"),
        ("test_exits", 0, ""),
    ],
)
def test_summary_names_runtime_file_line_and_error(output, runtime, test, line, error):
    name = f"{test}[micropython]" if runtime == "micropython" else test
    (shown,) = [row for row in output.splitlines() if f"::{name} - " in row]
    # A process that ended tells no line: it is that of the test.
    line = line or (20 if runtime == "micropython" else 24)
    assert f" - {runtime}: " in shown and f"test_failing.py:{line}: " in shown, shown
    assert error in shown, shown


def test_micropython_shows_the_source_of_each_step_and_what_was_printed(output):
    part = output.partition("test_assert[micropython]")[2].partition("____")[2]
    part = part.partition("\n____")[0]
    assert "test_failing.py:9: in test_assert\n    _deeper(2000)\n" in part
    assert "test_failing.py:5: in _deeper\n    assert civil(0)[0] == year" in part
    assert "micropython_runner" not in output
    assert '    raise ValueError("first\\nsecond")\nsecond\n' in output
    inside = output.partition("test_in_the_firmware[micropython]")[2].partition("\n____")[0]
    assert "firmware/linkpost/dates.py:" in inside
    assert "the process ended with 3, last it printed: so far" in output
