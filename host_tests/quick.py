"""`make quick ROOM=storage`: the tests of one room, while one works in it.

    python -m host_tests.quick [ROOM [PYTEST'S OPTIONS ...]]

A room is a module or folder of the firmware (firmware/linkpost) or a package of the tools. Which
tests are its own is read from the tests, not kept in a list: those in a folder of its name, named
after it, or importing from it, the closest first. What 35 seconds do not reach is left to
`make test`, and said. Whole programs (an emulator's process, a board behind a port, a browser) are
run for a room only where nothing quicker tests it.
"""

from __future__ import annotations

import ast
import functools
import re
import sys
import time
from pathlib import Path

import pytest

BUDGET_S = 35.0
_HERE = Path(__file__).parent
_ROOT = _HERE.parent
# Each of the packages that have rooms, by the name that tests import it by.
_HOUSES = {"linkpost": _ROOT / "firmware" / "linkpost", "tools": _ROOT / "tools"}
# Who imports one of these starts programs, and takes its time.
_STARTS_PROGRAMS = {
    "client_process",
    "console_browser",
    "emulator_process",
    "linkpost_command",
    "serial_board",
    "subprocess",
}


@functools.cache
def rooms() -> dict[str, list[str]]:
    """Return what each room is imported as, by its name: `storage` is `linkpost.storage`."""
    found: dict[str, list[str]] = {}
    for house, folder in _HOUSES.items():
        for path in sorted(folder.iterdir()):
            is_room = path.suffix == ".py" or (path.is_dir() and any(path.glob("*.py")))
            if is_room and not path.name.startswith("_"):
                found.setdefault(path.stem, []).append(f"{house}.{path.stem}")
    return found


@functools.cache
def _modules_of(room: str) -> list[Path]:
    """Return the sources of a room."""
    found = []
    for name in rooms()[room]:
        path = _HOUSES[name.partition(".")[0]] / room
        found += path.rglob("*.py") if path.is_dir() else [path.with_suffix(".py")]
    return found


@functools.cache
def _imports(path: Path) -> list[str]:
    """Return the modules that a test file imports, each as often as it does."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def tests_of(room: str) -> list[Path]:
    """Return the files that test a room, the closest first.

    Raises: SystemExit where there is no such room.
    """
    if room not in rooms():
        raise SystemExit(f"There is no room {room!r}. Rooms: {', '.join(sorted(rooms()))}")
    found = _that_import(room)
    if not found:  # only other rooms load it: what tests those tries it
        found = list(
            dict.fromkeys(path for user in _users_of(room) for path in _that_import(user))
        )
    return found


@functools.cache
def _that_import(room: str) -> list[Path]:
    names = {path.stem for path in _modules_of(room)} - {"__init__", "command"}
    closeness: dict[Path, float] = {}
    programs = set()
    for path in sorted(_HERE.rglob("test_*.py")):
        imported = _imports(path)
        ours = sum(f"{name}.".startswith(f"{m}.") for name in imported for m in rooms()[room])
        if ours or path.parent.name == room or _is_named(path, room):
            named = any(_is_named(path, name) for name in (room, *names))
            closeness[path] = named + ours / max(1, len(imported))
            starts = any(name.split(".")[0] in _STARTS_PROGRAMS for name in imported)
            if starts or "chip" in path.parts:
                programs.add(path)
    quick = [path for path in closeness if path not in programs]
    return sorted(quick or closeness, key=lambda path: -closeness[path])


def _is_named(path: Path, name: str) -> bool:
    return re.match(rf"test_{name}(?:s?$|_)", path.stem) is not None


@functools.cache
def _text(path: Path) -> str:
    return path.read_text()


def _users_of(room: str) -> list[str]:
    """Return the rooms whose modules import or load this one."""
    wanted = re.compile(rf"import {room}\b|from \.+{room}\b|load\(\"{room}\b")
    return [
        other
        for other in rooms()
        if other != room and any(wanted.search(_text(path)) for path in _modules_of(other))
    ]


class _Budget:
    """Leaves out the tests that the time does not reach, and says how many."""

    def __init__(self) -> None:
        self._end_s = time.monotonic() + BUDGET_S
        self._left: dict[str, int] = {}

    def pytest_runtest_protocol(self, item: pytest.Item) -> bool | None:
        if time.monotonic() < self._end_s:
            return None
        self._left[item.path.name] = self._left.get(item.path.name, 0) + 1
        return True

    def pytest_terminal_summary(self, terminalreporter) -> None:
        if self._left:
            terminalreporter.write_line(
                f"{BUDGET_S:.0f} s are over: {sum(self._left.values())} tests of "
                f"{len(self._left)} files are left to make test: {', '.join(self._left)}"
            )


def main(arguments: list[str]) -> int:
    """Run the tests of the room that is named; without one, list the rooms."""
    if not arguments:
        for room in sorted(rooms()):
            names = [path.stem.removeprefix("test_") for path in tests_of(room)]
            print(f"{room}: {', '.join(names)}")
        return 0
    files = [str(path) for path in tests_of(arguments[0])]
    return int(pytest.main(["-q", *files, *arguments[1:]], plugins=[_Budget()]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
