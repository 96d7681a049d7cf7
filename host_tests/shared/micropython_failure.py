"""What a portable test printed when it failed on MicroPython, as pytest would say it.

MicroPython's traceback has files and lines, but no source; a bare `assert` there says nothing.
"""

from __future__ import annotations

import linecache
import re
from pathlib import Path

_FRAME = re.compile(r'^  File "([^"]+)", line (\d+)(?:, in (.*))?$')
_RUNNER = "micropython_runner.py"


def explain(output: str, end: str, test_file: Path, test_line: int, root: Path) -> str:
    """Return the failure of one test: runtime, file, line and error first, then how it got there.

    Args: output, what the test printed, with MicroPython's traceback where there is one; end, how
    the process ended; test_file and test_line, where the test begins; root, which paths are shown
    relative to.
    """
    frames = []
    printed, after = [], []
    for line in output.splitlines():
        found = _FRAME.match(line)
        if found:
            path = _source(found[1], root)
            if path.name != _RUNNER:
                frames.append((path, int(found[2]), found[3] or ""))
            after = []
        elif line == "Traceback (most recent call last):":
            frames, after = [], []
        else:
            (after if frames else printed).append(line)
    error, *more = [line for line in after if line.strip()] or [""]
    here = [frame for frame in frames if frame[0].name == test_file.name]
    line_number = here[-1][1] if here else test_line
    if not error:
        last = next((line.strip() for line in reversed(printed) if line.strip()), "")
        error = f"{end}, last it printed: {last}" if last else end
    if error.rstrip(": ") == "AssertionError" and frames:  # a bare `assert`
        error = f"AssertionError: {linecache.getline(str(frames[-1][0]), frames[-1][1]).strip()}"
    lines = [f"micropython: {shown(test_file, root)}:{line_number}: {error}"]
    for path, number, function in frames:
        lines.append(f"{shown(path, root)}:{number}: in {function}")
        source = linecache.getline(str(path), number).strip()
        lines += [f"    {source}"] if source else []
    lines += more
    text = "\n".join(printed).strip()
    return "\n".join(lines + (["printed:", text] if text else []))


def _source(name: str, root: Path) -> Path:
    """Return the file of a frame: the firmware's byte code has names such as `net/wifi`."""
    inside = root / "firmware" / "linkpost" / f"{name}.py"
    return inside if inside.is_file() else Path(name)


def shown(path: Path, root: Path) -> str:
    """Return a path as pytest shows it: relative to the tree where it is in it."""
    return str(path.relative_to(root)) if root in path.parents else str(path)
