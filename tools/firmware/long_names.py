"""A traceback's line as the sources say it: a board's byte code has short names for functions."""

from __future__ import annotations

import ast
import functools
import re

from . import board_files

_FRAME = re.compile(r'(\s*File "([\w.]+)", line (\d+), in )(\w+)(\s*)')


def with_long_name(line: str) -> str:
    """Return a traceback's line with the name that its function has in the sources.

    Only where line and short name both fit: a board may run another version. All else comes back
    as it is.
    """
    found = _FRAME.fullmatch(line)
    if found is None:
        return line
    before, module, number, short, after = found.groups()
    for first, last, name in _functions().get(module, {}).get(short, ()):
        if first <= int(number) <= last:
            return f"{before}{name}{after}"
    return line


@functools.cache
def _functions() -> dict[str, dict[str, list[tuple[int, int, str]]]]:
    """Return (first line, last line, long name) by short name, by what a traceback's module is."""
    sources = board_files.sources()
    copies, loaded = board_files.byte_code_sources()
    found: dict[str, dict[str, list[tuple[int, int, str]]]] = {}
    for path, source in sources.items():
        functions = found[board_files.traceback_name(path, path in loaded)] = {}
        # The copy has the same functions in the same places, under their short names.
        for node, short in zip(_defined(source), _defined(copies[path]), strict=True):
            if node.name != short.name:
                place = (node.lineno, node.end_lineno or node.lineno, node.name)
                functions.setdefault(short.name, []).append(place)
    return found


def _defined(source: bytes) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
