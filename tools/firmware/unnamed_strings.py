"""Short strings of what a board loads for a moment, made so that they go with their module.

MicroPython makes a name of each string of up to ten bytes that stands in a source, and keeps names
for good. A string in a constant tuple is an ordinary object: `("not found",)[0]` is the same text,
5 bytes more in the .mpy and 48 of heap while its module is there, and none afterwards.

For modules that are only ever loaded (`loader.load`), and for strings that are nobody's name.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator
from pathlib import PurePosixPath

from .name_scan import is_rare

_NAME_MAX_BYTES = 10  # MicroPython's MICROPY_ALLOC_PARSE_INTERN_STRING_LEN
# It is kept with what it returns.
_STAYS = "ports/rp2_analog.py"
# Not on every board: what is a name there only is worth it elsewhere, and does no harm there.
_OPTIONAL = ("aio.py", "sensors/", "ports/esp32", "ports/host")


def unname(sources: dict[str, bytes]) -> dict[str, bytes]:
    """Return the modules of a package, by path in it, with such strings in tuples."""
    trees = {path: ast.parse(source) for path, source in sources.items()}
    loaded = _loaded(trees) - {_STAYS}
    named: set[str] = set()
    for path, tree in trees.items():
        if path.startswith(_OPTIONAL) and not path.endswith("/__init__.py"):
            continue
        named |= _names(tree)
        if path not in loaded:
            named.update(str(text.value) for text in _strings(tree))
    made = {}
    for path, source in sources.items():
        if path in loaded:
            texts = [text for text in _strings(trees[path]) if text.value not in named]
            source = _in_tuples(source, texts)
        made[path] = source
    return made


def loaded_modules(sources: dict[str, bytes]) -> set[str]:
    """Return the paths of the modules that are loaded, and that no other imports."""
    return _loaded({path: ast.parse(source) for path, source in sources.items()})


def _loaded(trees: dict[str, ast.Module]) -> set[str]:
    found = set(filter(is_rare, trees))
    imported = set()
    for path, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "load":
                for name in node.args:
                    if isinstance(name, ast.Constant) and isinstance(name.value, str):
                        found.add(name.value.replace(".", "/") + ".py")
            elif isinstance(node, ast.ImportFrom) and node.level:
                base = PurePosixPath(path).parents[node.level - 1]
                base = base.joinpath(*(node.module or "").split("."))
                imported.add(f"{base}.py")
                imported.update(f"{base / alias.name}.py" for alias in node.names)
    return (found - imported) & trees.keys()


def _names(tree: ast.Module) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        for field in ("id", "attr", "arg", "name", "module", "asname"):
            name = getattr(node, field, None)
            if isinstance(name, str):
                found.update(name.split("."))
    return found


def _strings(tree: ast.Module) -> Iterator[ast.Constant]:
    """Yield the strings that become names. A byte for itself is one everywhere."""
    others: set[int] = set()
    for node in ast.walk(tree):
        parts: list[ast.expr] = []
        if isinstance(node, ast.Tuple) and all(isinstance(p, ast.Constant) for p in node.elts):
            parts = node.elts  # a constant tuple already
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("const", "load"):
            parts = node.args  # load: the module's own name for tracebacks
        elif isinstance(node, ast.Expr):
            parts = [node.value]
        others.update(map(id, parts))
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and 1 < len(node.value.encode()) <= _NAME_MAX_BYTES
            and id(node) not in others
        ):
            yield node


def _in_tuples(source: bytes, texts: list[ast.Constant]) -> bytes:
    lines = source.split(b"\n")
    for text in sorted(texts, key=lambda text: (text.lineno, text.col_offset), reverse=True):
        if text.end_lineno != text.lineno:
            continue
        line = lines[text.lineno - 1]
        start, end = text.col_offset, text.end_col_offset or 0
        literal = line[start:end]
        if _is_one_token(literal):
            lines[text.lineno - 1] = line[:start] + b"(" + literal + b",)[0]" + line[end:]
    return b"\n".join(lines)


def _is_one_token(literal: bytes) -> bool:
    tokens = list(tokenize.tokenize(io.BytesIO(literal).readline))
    return [token.type for token in tokens[1:-2]] == [tokenize.STRING]
