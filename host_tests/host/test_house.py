"""The house keeps its shape: imports point one way, modules are small, rooms keep their parts."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from longest import LONGEST

ROOT = Path(__file__).parent.parent.parent
FIRMWARE = ROOT / "firmware"
MODULES = sorted(FIRMWARE.rglob("*.py"))
TOOLS = sorted((ROOT / "tools").rglob("*.py"))

# main -> boot -> app -> client -> link -> {net, storage} -> protocol -> leaves.
# A module may import only what stands on a lower floor; equal floors only within their own room.
_FLOORS = {
    "main": 10,
    "linkpost": 10,  # the package itself: it names all, and loads when asked
    "boot": 9,
    "app": 8,
    "boot_work": 1,
    "lifecycle": 7,
    "delivery": 6,
    "aio": 7,
    "link": 4,
    "client": 6,
    "reporting": 5,
    "config": 4,
    "config_file": 3.5,
    "config_rules": 3,
    "ports": 4,
    "sensors": 4,
    "net": 3,
    "storage": 3,
    "protocol": 2,
    "clock": 3.5,  # it asks `net` for the time
    "log": 1,
    "backoff": 2,
    "led": 1,
    "loader": 0,
    "dates": 0,
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
# The tools: what a command stands on, then the commands, then what starts other commands.
_TOOLS_FLOORS = {
    "__main__": 9,
    "cli": 8,  # it names every command, and loads the one that is asked for
    "soak": 8,  # the heap of its boards is the bench's result
    "bench": 7,
    "demo": 7,
    "fleet": 7,
    "board": 6,
    "factory": 6,
    "chip": 5,
    "deploy": 5,
    "emulator": 5,
    "image": 5,
    "send": 5,
    "status": 5,
    "boards": 4,
    "certs": 4,
    "flash": 4,
    "monitor": 4,
    "outbox": 4,
    "provision": 4,
    "register": 4,
    "client": 3,
    "package": 3,
    "usb": 3,
    "virtual_board": 3,
    "firmware": 2,
    "files": 1,
    "terminal": 0,
    "install": 0,  # runs before anything is installed
    "__init__": 0,
    "cpython": 0,  # MicroPython's modules, for the firmware
}
# What runs on a board or in an emulator, not in the command.
_NOT_TOOLS = {"on_board", "on_chip", "on_micropython", "stand_ins", "webassembly"}
_CODE_LINES_MAX = 280
_LINES_MAX = 400  # rules and reasons at the top of a file are welcome
_FILES_ONLY_IN = {"storage"}
_OPENS_A_FILE_ITSELF = {
    "linkpost/ports/esp32_heap.py",  # runs before any room is there
    "linkpost/loader.py",  # the modules' own
}


def _room(path: Path) -> str:
    parts = path.relative_to(FIRMWARE).with_suffix("").parts
    if parts[0] != "linkpost":
        return parts[0]
    return "linkpost" if parts[1:] in ((), ("__init__",)) else parts[1]


def _imports(path: Path, root: Path | None = None) -> set[str]:
    """Every module imported, absolute, also inside functions and for types alone."""
    package = path.relative_to(root or FIRMWARE).with_suffix("").parts[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join((*base, *([node.module] if node.module else [])))
            found.add(module)
            found.update(f"{module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "load":
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
    may_open = room in _FILES_ONLY_IN or str(path.relative_to(FIRMWARE)) in _OPENS_A_FILE_ITSELF
    assert not opens or may_open, f"{room} must not open files"


def test_ports_and_sensors_are_handed_in():
    for path in MODULES:
        builders = ("main", "app", "lifecycle", "client", "boot", "config", "linkpost")
        if _room(path) not in ("ports", "sensors", *builders):
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


def _tools_modules(root: Path) -> list[Path]:
    paths = sorted((root / "tools").rglob("*.py"))
    return [path for path in paths if not _NOT_TOOLS & set(path.relative_to(root).parts)]


def _tools_faults(root: Path) -> list[str]:
    """Return each import of the tools that does not point to a lower floor."""
    faults = []
    for path in _tools_modules(root):
        parts = path.relative_to(root).with_suffix("").parts
        for name in _imports(path, root):
            outside = [*name.split("."), ""][:2]
            if outside[0] != "tools" or outside[1] not in _TOOLS_FLOORS.keys() - {parts[1]}:
                continue
            if _TOOLS_FLOORS[outside[1]] >= _TOOLS_FLOORS[parts[1]]:
                faults.append(f"{'.'.join(parts)} must not import {name}")
    return faults


def test_imports_of_the_tools_point_down():
    assert {path.relative_to(ROOT).with_suffix("").parts[1] for path in TOOLS} == set(
        _TOOLS_FLOORS
    )
    assert _tools_faults(ROOT) == []


def test_tools_know_themselves_by_no_name():
    # Installed, the package is linkpost_tools.
    for path in _tools_modules(ROOT):
        assert not {name for name in _absolute(path) if name.split(".")[0] == "tools"}, path


def _absolute(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(node.module)
    return found


def test_arrow_of_the_tools_that_points_up_is_seen(tmp_path):
    path = tmp_path / "tools" / "usb" / "board.py"
    path.parent.mkdir(parents=True)
    path.write_text(
        "from ..files import json_files\ndef f():\n    from .. import deploy, monitor\n"
    )
    assert sorted(_tools_faults(tmp_path)) == [
        "tools.usb.board must not import tools.deploy",
        "tools.usb.board must not import tools.monitor",
    ]


def _circles(root: Path, folder: str) -> list[str]:
    """Return the modules that import each other, or what does, whatever the way round."""
    paths = {}
    for path in sorted((root / folder).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        paths[".".join(parts).removesuffix(".__init__")] = path
    # Tests know what lies beside them, and at the top of host_tests, by its bare name.
    known = {name.rpartition(".")[2]: name for name in paths} | {name: name for name in paths}
    arrows = {name: _arrows(path, root, known) - {name} for name, path in paths.items()}
    while free := {name for name, to in arrows.items() if not to & arrows.keys()}:
        for name in free:
            del arrows[name]
    return sorted(arrows)


def _arrows(path: Path, root: Path, known: dict[str, str]) -> set[str]:
    package = path.relative_to(root).with_suffix("").parts[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(known.get(alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join((*base, *([node.module] if node.module else [])))
            for alias in node.names:
                # The module, where one is imported from a package, else what has the name.
                found.add(known.get(f"{module}.{alias.name}") or known.get(module))
    return found - {None}


@pytest.mark.parametrize("folder", ["tools", "host_tests"])
def test_no_two_modules_import_each_other(folder):
    assert _circles(ROOT, folder) == []


def test_circle_is_seen(tmp_path):
    folder = tmp_path / "tools"
    folder.mkdir()
    (folder / "a.py").write_text("from .b import x\n")
    (folder / "b.py").write_text("def f():\n    from . import c\n")
    (folder / "c.py").write_text("if TYPE_CHECKING:\n    from .a import y\n")
    (folder / "d.py").write_text("import json\n")
    assert _circles(tmp_path, "tools") == ["tools.a", "tools.b", "tools.c"]


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


# -- what is loaded for a moment leaves nothing behind (firmware/linkpost/loader.py) --------------

_PACKAGE = FIRMWARE / "linkpost"
# Where a board's program begins; a chip's port is imported by `ports.detect`.
_ROOTS = (
    "boot",
    "app",
    "client",
    "aio",
    "config",
    "log",
    "errors",
    "ports",
    "ports.host",
)
# They import what their board's config names, for good: the sensors, a driver of the firmware's.
_IMPORT_FOR_GOOD = {
    "sensors.building": "sensors and a person's own",
    "reporting": "the Link, which a Client that reports keeps",
}
# Classes in a loaded module: each with the reason why its objects may be made there.
_CLASSES = {
    "storage.tokens": "a store is made, asked once, and dropped",
    "led": "kept with its module by the boards that have one",
    "sensors.system": "made for a boot's reading; where the config names it, it stays",
    "protocol.digests": "an object is for one digest",
    "sensors.building": "_Later, of a sensor whose driver failed at boot: it keeps the module",
}


def _loaded_modules() -> set[str]:
    """Return what is loaded for a moment, by the names that `load` is given."""
    # Not by a constant: `Port.__getattr__`.
    names = {f"ports.{path.stem}" for path in (_PACKAGE / "ports").glob("*_rare.py")}
    for path in _PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            is_load = isinstance(node, ast.Call) and getattr(node.func, "id", "") == "load"
            if is_load and isinstance(node.args[0], ast.Constant):
                names.add(node.args[0].value)
    return names


def _path_of(module: str) -> Path:
    path = _PACKAGE / Path(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _imported_at_top(path: Path) -> set[str]:
    """Return the modules of the package that a module's own lines import."""
    found = set()
    package = path.relative_to(FIRMWARE).with_suffix("").parts[:-1]
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[1 : len(package) - node.level + 1]
            module = ".".join((*base, *([node.module] if node.module else [])))
            names = [f"{module}.{alias.name}".lstrip(".") for alias in node.names]
            found.update(name for name in names if _path_of(name).is_file())
            if module and _path_of(module).is_file():
                found.add(module)
    return found


def _resident_modules() -> set[str]:
    """Return what a running program keeps: the roots, and all that they import at once."""
    found: set[str] = set()
    left = list(_ROOTS)
    while left:
        module = left.pop()
        if module not in found:
            found.add(module)
            left += _imported_at_top(_path_of(module))
    return found


def _faults_of_loaded(path: Path, module: str, resident: set[str]) -> list[str]:
    """Return what a loaded module does that would leave something behind."""
    tree = ast.parse(path.read_text())
    faults = [
        f"imports {name} at its top, which does not stay"
        for name in sorted(_imported_at_top(path) - resident)
    ]
    for function in ast.walk(tree):
        if isinstance(function, (ast.FunctionDef, ast.Lambda)):
            for node in ast.walk(function):
                is_import = isinstance(node, (ast.Import, ast.ImportFrom)) or (
                    isinstance(node, ast.Call) and getattr(node.func, "id", "") == "__import__"
                )
                if is_import and module not in _IMPORT_FOR_GOOD:
                    faults.append(f"imports inside a function, line {node.lineno}")
    for node in tree.body:
        calls = ast.walk(node) if isinstance(node, (ast.Assign, ast.Expr)) else ()
        if any(getattr(getattr(call, "func", None), "id", "") == "load" for call in calls):
            faults.append(f"loads at its top, line {node.lineno}: both have one name then")
    if module not in _CLASSES and any(isinstance(node, ast.ClassDef) for node in tree.body):
        faults.append("has a class, and no reason for it in _CLASSES")
    return faults


# Loaded by a program in which it does not stay otherwise.
_STAYS_IN_SOME = {
    "storage.readings": "a Client without an outbox loads it for its token",
}


@pytest.mark.parametrize("module", sorted(_loaded_modules()))
def test_loaded_module_leaves_nothing_behind(module):
    resident = _resident_modules()
    stays = module in resident and module not in _STAYS_IN_SOME
    assert not stays, "it is imported by what stays: then it stays as well"
    assert _faults_of_loaded(_path_of(module), module, resident) == []


def test_module_that_would_leave_something_is_seen(tmp_path, monkeypatch):
    monkeypatch.setattr("test_house.FIRMWARE", tmp_path)
    monkeypatch.setattr("test_house._PACKAGE", tmp_path / "linkpost")
    folder = tmp_path / "linkpost" / "net"
    folder.mkdir(parents=True)
    for name in ("errors.py", "dates.py", "net/words.py"):
        (tmp_path / "linkpost" / name).write_text("")
    path = folder / "bad.py"
    path.write_text(
        "from ..errors import X\nfrom ..dates import civil\nfrom . import words\n"
        "class Kept:\n    pass\n"
        "def f():\n    from .words import said\n    return __import__('json')\n"
        "words = load('net.words')\n"
    )
    assert _faults_of_loaded(path, "net.bad", {"errors"}) == [
        "imports dates at its top, which does not stay",
        "imports net.words at its top, which does not stay",
        "imports inside a function, line 7",
        "imports inside a function, line 8",
        "loads at its top, line 9: both have one name then",
        "has a class, and no reason for it in _CLASSES",
    ]


# -- the words of errors.py, which have no names -----------------------------------------------

_WORDS = {
    "retry": {"backoff", "long", "slowly", "never"},
    "reason": {
        "untrusted",
        "wrong host",
        "expired",
        "not yet valid",
        "no anchor",
        "handshake",
        "memory",
    },
}


def _unknown_words(tree: ast.AST) -> list[str]:
    """Return the words that an error's `retry` or `reason` is set to or compared with in vain."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
        elif isinstance(node, ast.Assign):
            sides = [*node.targets, node.value]
        else:
            continue
        names = {getattr(side, "attr", getattr(side, "id", "")) for side in sides}
        for name in names & _WORDS.keys():
            texts = [part for side in sides for part in ast.walk(side)]
            found += [
                text.value
                for text in texts
                if isinstance(text, ast.Constant)
                and isinstance(text.value, str)
                and text.value not in _WORDS[name]
            ]
        # TLSError(message, reason, number)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "TLSError":
            reason = node.args[1] if len(node.args) > 1 else None
            if isinstance(reason, ast.Constant) and reason.value not in _WORDS["reason"]:
                found.append(reason.value)
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(FIRMWARE)))
def test_words_of_an_error_are_those_there_are(path):
    assert _unknown_words(ast.parse(path.read_text())) == []


def test_word_of_an_error_that_does_not_exist_is_seen():
    wrong = 'if e.reason in ("expierd", x): e.retry = "nevr"\nraise TLSError("m", "memmory")'
    assert _unknown_words(ast.parse(wrong)) == ["expierd", "nevr", "memmory"]


def test_files_that_begin_first_are_there():
    assert [name for name in LONGEST if not (ROOT / "host_tests" / name).exists()] == []
