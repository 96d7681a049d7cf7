"""Short names for what modules of the firmware ask of each other, and nobody else.

`short_names` sees what one module keeps to itself. These are asked of objects (`outbox.warn`) and
of modules that stay, so that no look at one module tells whose they are: they stand in a list, and
each is replaced in all modules at once. So one is never half renamed; what could still ask for it
is a string, a program, a tool's script on a board: tests look there.
"""

from __future__ import annotations

import ast
import io
import itertools
import keyword
import string
import tokenize
from collections.abc import Iterable, Iterator

from .name_scan import NotShown, replaced

# No attribute of a Config: config.json.checked names those. None that a document names.
INNER_NAMES = (
    *("_network", "_scratch", "_unix_at_boot_ms", "_watchdog", "_watchdog_ms", "_wlan"),
    *("add_value", "can_be_right", "CLOCK_CEILING_UNIX_MS", "CURSOR"),
    *("DRIVER_ERRORS", "due_ms", "encode_frame", "encode_reading", "ESP32Port", "first_slot"),
    *("frame_length", "granted_bytes", "hurries", "is_up", "is_whole_reading"),
    *("last_in_segments", "last_of_first", "newest_unix_ms", "next_due_ms", "oldest_frame"),
    *("on_clock_set", "open_file", "parse_frame", "path_of", "poller", "proof", "read_slot"),
    *("READING_MAX", "RELEASED_UNIX_MS", "root_name", "seq_of", "set_time"),
    *("slot_path", "SLOTS", "starved_ms", "succeeded", "tight", "time_of", "values_of"),
    *("line_of", "publishing", "refusal_of", "warn"),
)

# Names in every MicroPython's ROM (as `short_names` has some), of which the firmware uses none:
# they take no heap.
_WORDS = (
    *("isalpha", "islower", "isspace", "isupper", "rindex", "rsplit", "setdefault", "popitem"),
    *("eval", "exec", "zip", "pow", "map", "divmod", "bytecode", "dir", "ord", "repr", "iter"),
    *("issubclass", "reverse", "staticmethod", "builtins", "micropython", "globals", "locals"),
    *("ArithmeticError", "AssertionError", "EOFError", "IndentationError", "LookupError"),
    *("NameError", "NoneType", "OverflowError", "SyntaxError"),
)


def shorten(sources: dict[str, bytes], kept: Iterable[str] = ()) -> dict[str, bytes]:
    """Return the modules of a package, by path in it, with short inner names; lines stay.

    Args: kept: names that stay, for those who ask for them all the same.
    Raises: NotShown for an inner name that is in a string too: somebody may ask by it.
    """
    tokens = {path: list(_tokens(source)) for path, source in sources.items()}
    taken = {token.string for some in tokens.values() for token in some}
    new = short_by_name(taken, kept)
    for path, source in sources.items():
        for text in _strings(source):
            for name in new.keys() & set(text.replace(".", " ").split()):
                raise NotShown(f"{path}: the inner name {name} is in a string as well")
    return {path: _replaced(sources[path], tokens[path], new) for path in sources}


def short_by_name(taken: Iterable[str], kept: Iterable[str] = ()) -> dict[str, str]:
    """Return the short name for each inner one that is taken, and not kept."""
    taken = set(taken)
    free = (name for name in _free_names() if name not in taken)
    return {name: next(free) for name in INNER_NAMES if name in taken - set(kept)}


def _free_names() -> Iterator[str]:
    yield from _WORDS
    for count in itertools.count(1):
        for letters in itertools.product(string.ascii_letters, repeat=count):
            name = "".join(letters)
            if not keyword.iskeyword(name):
                yield name


def _tokens(source: bytes) -> Iterator[tokenize.TokenInfo]:
    for token in tokenize.tokenize(io.BytesIO(source).readline):
        if token.type == tokenize.NAME:
            yield token


def _strings(source: bytes) -> Iterator[str]:
    """Yield each string of a module that is no docstring."""
    tree = ast.parse(source)
    statements = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or id(node) in statements:
            continue
        if isinstance(node.value, str):
            yield node.value


def _replaced(source: bytes, tokens: list[tokenize.TokenInfo], new: dict[str, str]) -> bytes:
    lines = source.decode().split("\n")
    places = []
    for token in tokens:
        if token.string in new:
            line, column = token.start  # from 1, and in characters
            at = (line - 1, len(lines[line - 1][:column].encode()))
            places.append((at, token.string, new[token.string]))
    return replaced(source, places)
