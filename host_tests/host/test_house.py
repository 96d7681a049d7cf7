"""The house keeps its shape: imports point one way, modules are small, rooms keep their parts."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
FIRMWARE = ROOT / "firmware"
MODULES = sorted(FIRMWARE.rglob("*.py"))
TOOLS = sorted((ROOT / "tools").rglob("*.py"))

# main -> boot -> app -> sender -> client, link -> {net, storage} -> protocol -> leaves.
# A module may import only what stands on a lower floor; equal floors only within their own room.
_FLOORS = {
    "main": 10,
    "linkpost": 10,  # the package itself: it names all, and loads when asked
    "boot": 9,
    "boot_work": 8,
    "app": 8,
    "lifecycle": 7,
    "sender": 7,
    "delivery": 6,
    "aio": 6,
    "link": 5,
    "client": 5,
    "config": 4,
    "config_rules": 3,
    "ports": 4,
    "sensors": 4,
    "net": 3,
    "storage": 3,
    "protocol": 2,
    "clock": 1,
    "log": 1,
    "backoff": 2,
    "retained": 1,
    "led": 1,
    "loader": 0,
    "dates": 0,
    "sensor_types": 0,
    "version": 0,
    "certs": 1,
    "errors": 0,
}
# The rooms that may import what reaches outside; a name here nowhere else.
_ONLY_IN = {
    "socket": {"net"},
    "tls": {"net"},
    "select": {"net"},
    "network": {"ports"},
    "esp32": {"ports"},
    "rp2": {"ports"},
    "machine": {"ports", "sensors"},
}
_CODE_LINES_MAX = 280
_LINES_MAX = 400  # rules and reasons at the top of a file are welcome
_FILES_ONLY_IN = {"storage"}


def _room(path: Path) -> str:
    parts = path.relative_to(FIRMWARE).with_suffix("").parts
    if parts[0] != "linkpost":
        return parts[0]
    return "linkpost" if parts[1:] in ((), ("__init__",)) else parts[1]


def _imports(path: Path) -> set[str]:
    """Every module imported, absolute, also inside functions."""
    package = path.relative_to(FIRMWARE).with_suffix("").parts[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join((*base, *([node.module] if node.module else [])))
            found.add(module)
            found.update(f"{module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("load", "keep"):
            names = [name.value for name in node.args if isinstance(name, ast.Constant)]
            found.update(f"linkpost.{name}" for name in names)
    return found


def _imported_rooms(path: Path) -> set[str]:
    rooms = set()
    for name in _imports(path):
        parts = name.split(".")
        if parts[0] == "linkpost" and len(parts) > 1 and parts[1] in _FLOORS:
            rooms.add(parts[1])
    return rooms


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(FIRMWARE)))
def test_imports_point_down(path):
    room = _room(path)
    for imported in _imported_rooms(path):
        if imported != room:
            assert _FLOORS[imported] < _FLOORS[room], f"{room} must not import {imported}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(FIRMWARE)))
def test_rooms_keep_what_reaches_outside(path):
    room = _room(path)
    for name in _imports(path):
        rooms = _ONLY_IN.get(name.split(".")[0])
        assert rooms is None or room in rooms, f"{room} must not import {name}"
    opens = any(
        isinstance(node, ast.Call) and getattr(node.func, "id", "") == "open"
        for node in ast.walk(ast.parse(path.read_text()))
    )
    assert not opens or room in _FILES_ONLY_IN, f"{room} must not open files"


def test_ports_and_sensors_are_handed_in():
    for path in MODULES:
        if _room(path) not in ("ports", "sensors", "app", "client", "boot", "config", "linkpost"):
            assert not _imported_rooms(path) & {"ports", "sensors"}, path


def test_arrow_that_points_up_is_seen(tmp_path, monkeypatch):
    monkeypatch.setattr("test_house.FIRMWARE", tmp_path)
    path = tmp_path / "linkpost" / "protocol" / "http.py"
    path.parent.mkdir(parents=True)
    path.write_text(
        "from ..net import transport\n"
        "def f():\n    from ..app import App\n    return load('client')\n"
    )
    assert _imported_rooms(path) == {"net", "app", "client"}
    with pytest.raises(AssertionError):
        test_imports_point_down(path)


def _code_lines(path: Path) -> int:
    """Lines that are neither blank, comment nor docstring: those cost nothing on a board."""
    text = path.read_text()
    docstring = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            docstring.update(range(node.lineno, node.end_lineno + 1))
    lines = enumerate(text.splitlines(), 1)
    return sum(
        n not in docstring and line.strip() != "" and line.strip()[0] != "#" for n, line in lines
    )


@pytest.mark.parametrize("path", MODULES + TOOLS, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_is_one_thought_long(path):
    assert _code_lines(path) <= _CODE_LINES_MAX
    assert len(path.read_text().splitlines()) <= _LINES_MAX
