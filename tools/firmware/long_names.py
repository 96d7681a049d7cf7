"""A traceback's line as the sources say it: a board's byte code has short names for functions."""

from __future__ import annotations

import ast
import functools
import re

from . import board_files, short_names

_FRAME = re.compile(r'(\s*File "([\w.]+)", line (\d+), in )(_\d+)(\s*)')


def with_long_name(line: str) -> str:
    """Return a traceback's line with the name that its function has in the sources.

    Only where line and short name both fit: a board may run another version. All else comes back
    as it is.
    """
    found = _FRAME.fullmatch(line)
    if found is None:
        return line
    before, module, number, short, after = found.groups()
    path = module.removeprefix("linkpost.").replace(".", "/")
    for candidate in (f"{path}.py", f"{path}/__init__.py"):
        for first, last, name in _functions().get(candidate, {}).get(short, ()):
            if first <= int(number) <= last:
                return f"{before}{name}{after}"
    return line


@functools.cache
def _functions() -> dict[str, dict[str, list[tuple[int, int, str]]]]:
    """Return (first line, last line, long name) by short name and module."""
    sources = board_files.sources()
    found: dict[str, dict[str, list[tuple[int, int, str]]]] = {}
    for path, one in short_names.shorten(sources).items():
        functions = found[path] = {}
        for node in ast.walk(ast.parse(sources[path])):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                place = (node.lineno, node.end_lineno or node.lineno, node.name)
                for table in (one.variables, one.attributes):
                    if node.name in table:
                        functions.setdefault(table[node.name], []).append(place)
    return found
