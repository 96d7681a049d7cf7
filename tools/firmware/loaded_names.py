"""What modules of the firmware ask of those that are loaded for a moment (`loader.load`).

A module that is only ever loaded is in no table: nobody can ask it for a name but who loads it.
Where each of them is seen, `short_names` may call a name differently, in it and in all of them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from .name_scan import NotShown, is_public
from .unnamed_strings import loaded_modules

# `linkpost.VERSION` is found by its module's name.
_ASKED_BY_NAME = "version.py"


@dataclass(frozen=True)
class Place:
    """Where a module asks for a name: path in the package, line from 0, byte in it."""

    path: str
    line: int
    column: int


def asked(sources: dict[str, bytes]) -> dict[str, dict[str, list[Place]]]:
    """Return each place by name, by path of the module that is loaded.

    Only modules of which every use is seen: asked at once (`load("dates").civil(0)`), or by a
    variable of one function that is nothing else. Not one that is handed on.
    """
    found: dict[str, dict[str, list[Place]]] = {
        path: {}
        for path in loaded_modules(sources)
        if not is_public(path) and path != _ASKED_BY_NAME
    }
    for path, source in sources.items():
        for loaded, attribute in _asked_in(path, ast.parse(source)):
            if attribute is None:
                found.pop(loaded, None)
            elif loaded in found:
                column = (attribute.end_col_offset or 0) - len(attribute.attr.encode())
                place = Place(path, (attribute.end_lineno or 0) - 1, column)
                found[loaded].setdefault(attribute.attr, []).append(place)
    return found


def _asked_in(path: str, tree: ast.Module) -> Iterator[tuple[str, ast.Attribute | None]]:
    """Yield (path of the loaded module, what is asked of it; None: it cannot be seen)."""
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for node in parents:
        if not isinstance(node, ast.Call) or getattr(node.func, "id", "") != "load":
            continue
        text = node.args[0]
        if not isinstance(text, ast.Constant):
            # A port loads what the port's chip has, and each name of that is public.
            if not path.startswith("ports/"):
                raise NotShown(f"{path}:{node.lineno}: load of a name that is made")
            continue
        loaded = str(text.value).replace(".", "/") + ".py"
        parent = parents[node]
        if isinstance(parent, ast.Call) and getattr(parent.func, "id", "") == "getattr":
            raise NotShown(f"{path}:{node.lineno}: a loaded module is asked by getattr")
        if isinstance(parent, ast.Assign):
            for name in _other_uses(parent, parents):
                of = parents[name]
                yield loaded, of if isinstance(of, ast.Attribute) else None
        elif not isinstance(parent, ast.Expr):
            yield loaded, parent if isinstance(parent, ast.Attribute) else None


def _other_uses(assign: ast.Assign, parents: dict[ast.AST, ast.AST]) -> list[ast.AST]:
    """Return where the variable stands that is assigned; where it is no function's own, the
    assignment."""
    function = parents[assign]
    while not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Module):
        function = parents[function]
    variable = assign.targets[0]
    nodes = list(ast.walk(function))
    if (
        len(assign.targets) > 1
        or not isinstance(variable, ast.Name)
        or isinstance(function, ast.Module)
        or any(isinstance(node, ast.Global) and variable.id in node.names for node in nodes)
    ):
        return [assign]
    names = [node for node in nodes if isinstance(node, ast.Name) and node is not variable]
    return [name for name in names if name.id == variable.id]
