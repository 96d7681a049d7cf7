"""Where the names in a module of the firmware stand, and what they are used for.

For `short_names`, which says what is made of it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

SENSORS = "sensors/"
STAND_INS = "stand_ins/"  # of the emulated chip: of what is C there, whose arguments have no names
# Modules of which people and their programs ask: the documented ones; the ports, one of which each
# sensor is given; and the sensors, whose arguments are the options of the config.
_PUBLIC = ("aio.py", "app.py", "boot.py", "client.py", "config.py", "errors.py", "log.py")
_PUBLIC_ROOMS = ("__init__.py", "ports/", SENSORS, STAND_INS)
# In these rooms, and yet only for the firmware itself.
_INNER = ("sensors/building.py",)
_LOOKS_AT_NAMES = frozenset({"globals", "locals", "vars", "dir", "eval", "exec"})

_Position = tuple[int, int]  # line from 0, byte in it


class NotShown(Exception):
    """A module in which it cannot be shown what its names are used for."""


@dataclass
class Scan(ast.NodeVisitor):
    """Where a module's names stand, and what they are used for."""

    path: str
    source: bytes
    variables: dict[str, list[_Position]] = field(default_factory=dict)
    attributes: dict[str, list[_Position]] = field(default_factory=dict)
    arguments: set[str] = field(default_factory=set)
    public_arguments: set[str] = field(default_factory=set)
    module_level: set[str] = field(default_factory=set)  # functions, classes and data
    functions: set[str] = field(default_factory=set)  # of these: functions and classes
    consts: set[str] = field(default_factory=set)
    imported: set[str] = field(default_factory=set)
    in_class: set[str] = field(default_factory=set)  # bound in a class' own lines
    set_here: set[str] = field(default_factory=set)  # attributes that a class sets
    asked_of_others: set[str] = field(default_factory=set)  # attributes, not of self
    keywords: set[str] = field(default_factory=set)
    strings: set[str] = field(default_factory=set)
    caught: set[str] = field(default_factory=set)  # `except ... as error`
    sources_of: dict[str, list[str]] = field(default_factory=dict)  # paths it may come from
    bases: list[ast.expr] = field(default_factory=list)
    has_getattr: bool = False

    def __post_init__(self) -> None:
        self._lines = self.source.split(b"\n")
        self._scopes: list[str] = []  # "class" or "function"
        self._self: list[str] = []
        self.visit(ast.parse(self.source))

    # -- where a name stands ------------------------------------------------------------------

    def _note(self, table: dict[str, list[_Position]], name: str, line: int, column: int) -> None:
        at = (line - 1, column)
        if self._lines[line - 1][column : column + len(name.encode())] != name.encode():
            raise NotShown(f"{self.path}:{line}: {name} does not stand where it should")
        table.setdefault(name, []).append(at)

    def _note_definition(
        self, node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    ) -> None:
        found = re.compile(rb"(?:async\s+def|def|class)\s+").match(
            self._lines[node.lineno - 1], node.col_offset
        )
        if found is None:
            raise NotShown(f"{self.path}:{node.lineno}: no name behind def or class")
        if self._in_class():
            self.in_class.add(node.name)
            self.set_here.add(node.name)
            table = self.attributes
        else:
            table = self.variables
            if not self._scopes:
                self.module_level.add(node.name)
                self.functions.add(node.name)
        self._note(table, node.name, node.lineno, found.end())

    def _in_class(self) -> bool:
        return bool(self._scopes) and self._scopes[-1] == "class"

    # -- what is visited ----------------------------------------------------------------------

    def visit_Name(self, node: ast.Name) -> None:
        if node.id in _LOOKS_AT_NAMES:
            raise NotShown(f"{self.path}:{node.lineno}: {node.id} looks at names")
        if not isinstance(node.ctx, ast.Load) and self._self and node.id == self._self[-1]:
            raise NotShown(f"{self.path}:{node.lineno}: {node.id} becomes something else")
        if isinstance(node.ctx, ast.Store) and self._in_class():
            self.in_class.add(node.id)
            self.set_here.add(node.id)
            self._note(self.attributes, node.id, node.lineno, node.col_offset)
            return
        if isinstance(node.ctx, ast.Store) and not self._scopes:
            self.module_level.add(node.id)
        self._note(self.variables, node.id, node.lineno, node.col_offset)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        of = node.value
        is_self = isinstance(of, ast.Name) and bool(self._self) and of.id == self._self[-1]
        is_super = isinstance(of, ast.Call) and getattr(of.func, "id", "") == "super"
        if not is_self and not is_super:
            self.asked_of_others.add(node.attr)
        elif isinstance(node.ctx, ast.Store):
            self.set_here.add(node.attr)
        column = (node.end_col_offset or 0) - len(node.attr.encode())
        self._note(self.attributes, node.attr, node.end_lineno or 0, column)
        self.visit(of)

    def visit_arg(self, node: ast.arg) -> None:
        self.arguments.add(node.arg)
        self._note(self.variables, node.arg, node.lineno, node.col_offset)
        if node.annotation:
            self.visit(node.annotation)

    def visit_keyword(self, node: ast.keyword) -> None:
        if node.arg:
            self.keywords.add(node.arg)
        self.visit(node.value)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self.strings.add(node.value)
            self.strings.update(node.value.split("."))

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        raise NotShown(f"{self.path}:{node.lineno}: f-strings are not looked into")

    def visit_Global(self, node: ast.Global | ast.Nonlocal) -> None:
        line = self._lines[node.lineno - 1]
        for name in node.names:
            found = re.compile(rb"\b" + name.encode() + rb"\b").search(line, node.col_offset + 6)
            if found is None:
                raise NotShown(f"{self.path}:{node.lineno}: {name} is on another line")
            if isinstance(node, ast.Global):
                self.module_level.add(name)
            self._note(self.variables, name, node.lineno, found.start())

    visit_Nonlocal = visit_Global  # noqa: N815  what ast.NodeVisitor asks for

    def visit_Import(self, node: ast.Import | ast.ImportFrom) -> None:
        level = getattr(node, "level", 0)
        base = PurePosixPath(self.path).parents[level - 1] if level else PurePosixPath("/")
        base = base.joinpath(*(getattr(node, "module", None) or "").split("."))
        for alias in node.names:
            bound = alias.asname or alias.name
            self.imported.update((*bound.split("."), *alias.name.split(".")))
            places = (f"{base}.py", f"{base}/{alias.name}.py", f"{base}/__init__.py")
            self.sources_of[bound] = [place.removeprefix("./") for place in places]

    visit_ImportFrom = visit_Import  # noqa: N815

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.name:
            self.caught.add(node.name)
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        if isinstance(node.value, ast.Call) and getattr(node.value.func, "id", "") == "const":
            for target in node.targets:
                self.consts.add(getattr(target, "id", ""))
        loaded = _loaded_from(node.value)
        if loaded:
            for target in node.targets:
                self.sources_of[getattr(target, "id", "")] = [loaded]
        self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._note_definition(node)
        self.bases += node.bases
        for part in (*node.bases, *node.keywords, *node.decorator_list):
            self.visit(part)
        self._scopes.append("class")
        for statement in node.body:
            self.visit(statement)
        self._scopes.pop()

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._note_definition(node)
        is_method = self._in_class()
        if is_method and node.name == "__getattr__":
            self.has_getattr = True
        self._function(node, node.body, is_method)
        for part in (node.returns, *node.decorator_list):
            if part:
                self.visit(part)
        # What a port has rare is called through `Port.__getattr__`, which takes no keywords.
        has_names = is_public(self.path) and not self.path.startswith(STAND_INS)
        has_names = has_names and not is_rare(self.path)
        if has_names and not is_private(node.name):
            self.public_arguments.update(one.arg for one in _arguments_of(node.args))

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._function(node, [node.body], False)

    def _function(
        self,
        node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda,
        body: Iterable[ast.AST],
        is_method: bool,
    ) -> None:
        for default in (*node.args.defaults, *node.args.kw_defaults):
            if default:
                self.visit(default)
        names = [one.arg for one in _arguments_of(node.args)]
        # A function that has an argument called self of its own hides the method's.
        before = self._self
        is_static = any(getattr(one, "id", "") == "staticmethod" for one in _decorators(node))
        if is_method and not is_static:
            self._self = [*before, names[0]] if names else []
        elif is_static or (before and before[-1] in names):
            self._self = []
        self._scopes.append("function")
        for one in _arguments_of(node.args):
            self.visit(one)
        for statement in body:
            self.visit(statement)
        self._scopes.pop()
        self._self = before

    def visit_Match(self, node: ast.Match) -> None:
        raise NotShown(f"{self.path}:{node.lineno}: match is not looked into")

    def _comprehension(self, node: ast.AST) -> None:
        # Its variables are its own, also in the lines of a class.
        self._scopes.append("function")
        self.generic_visit(node)
        self._scopes.pop()

    visit_ListComp = visit_SetComp = _comprehension  # noqa: N815
    visit_DictComp = visit_GeneratorExp = _comprehension  # noqa: N815


def _decorators(node: ast.AST) -> list[ast.expr]:
    return getattr(node, "decorator_list", [])


def _loaded_from(value: ast.expr) -> str | None:
    """Return the path of `load("net.wifi").X`."""
    call = value.value if isinstance(value, ast.Attribute) else None
    if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "load":
        name = call.args[0]
        if isinstance(name, ast.Constant) and isinstance(name.value, str):
            return name.value.replace(".", "/") + ".py"
    return None


def _arguments_of(arguments: ast.arguments) -> Iterator[ast.arg]:
    yield from (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
    for one in (arguments.vararg, arguments.kwarg):
        if one:
            yield one


def replaced(source: bytes, places: Iterable[tuple[_Position, str, str]]) -> bytes:
    """Return a source in which another name stands at each of the places, (where, name, new)."""
    lines = source.split(b"\n")
    for (line, column), name, new in sorted(places, reverse=True):
        text = lines[line]
        lines[line] = text[:column] + new.encode() + text[column + len(name.encode()) :]
    return b"\n".join(lines)


def is_private(name: str) -> bool:
    """Tell whether a name is one that a module or a class keeps to itself."""
    return name.startswith("_") and not name.startswith("__") and name != "_"


def is_rare(path: str) -> bool:
    """Tell whether that module has what a port is asked for now and then: `Port.__getattr__`."""
    return path.startswith("ports/") and path.endswith("_rare.py")


def may_be_inherited(path: str) -> bool:
    """Tell whether a person's own classes may inherit from those of that module: sensors."""
    return path.startswith(SENSORS) and is_public(path)


def is_public(path: str) -> bool:
    """Tell whether people ask for what that module of the firmware has, "net/wifi.py" for one."""
    return path in _PUBLIC or path.startswith(_PUBLIC_ROOMS) and path not in _INNER
