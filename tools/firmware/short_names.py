"""Short names for the firmware's byte code, which keeps every name it has in heap for good.

A name costs a board 12 to 20 bytes from the first import on, also one of a module that is loaded
for a moment, and the table of names doubles. The sources say what things do; the byte code that a
board gets is made of a copy in which every module uses the same few names for what nobody outside
asks for. The copy has the same lines, so a traceback names file and line as ever.

What is shortened, and how it is known that nobody asks for it:
  1. What a module keeps to itself (`_take`): not imported, not asked of a module
     (`failures._take`), not in a string; also without an underscore, where the module is not one
     of those that people ask (`name_scan.is_public`): then only the tools or tests, which have the
     sources, do. What modules ask of one that is loaded for a moment is seen as well, and short
     in all of them (`loaded_names`). Data gets words, see `_WORDS`; functions and classes `A`,
     `B`, ...
  2. Private attributes and methods (`self._left`): asked of `self` only, throughout the firmware,
     and set by the class or by one that it inherits from. Modules whose classes inherit from each
     other share one set of short names, so that no attribute hides another. Not those of sensors:
     a user's own sensor may inherit from them.
  3. Arguments, but for those of public functions that people call, and for names that any call
     uses as a keyword.
A short name is in its module for one thing only. Everything else keeps its name: whatever is
asked of another object (`port._machine`), of a name that is also a string, of a `const`, which
leaves no name. A module is refused that looks at its own names (`globals()`), or in which a class
inherits from what cannot be found; nobody could tell then.
"""

from __future__ import annotations

import ast
import builtins
import itertools
import string
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from . import loaded_names
from .name_scan import NotShown, Scan, is_private, is_public, may_be_inherited, replaced

# Names that every MicroPython has in ROM, and that its .mpy files know by number: they cost
# nothing. For what no traceback shows: arguments and data.
_WORDS = (
    *("key", "value", "index", "count", "start", "end", "step", "stop", "items", "args", "values"),
    *("keys", "sep", "main", "little", "find", "get", "pop", "split", "join", "update", "copy"),
    *("append", "insert", "remove", "replace", "strip", "lower", "sort", "reverse", "extend"),
    *("clear", "read", "write", "send", "close", "throw", "readline", "readinto"),
)
_Position = tuple[int, int]  # line from 0, byte in it
# Arguments that cost nothing already; and a builtin's name may mean the builtin elsewhere.
_FREE = frozenset({"self", "cls", *_WORDS, *dir(builtins)})


@dataclass
class Short:
    """A module's copy for a board, and what its short names stand for."""

    source: bytes
    variables: dict[str, str]  # short name by the one in the sources
    attributes: dict[str, str]


def shorten(sources: dict[str, bytes], kept: Iterable[str] = ()) -> dict[str, Short]:
    """Return each module of a package, by path in it ("net/wifi.py"), with short names.

    Args:
        sources: all of its modules: what one asks of another is seen only then.
        kept: names that stay, for those who ask for them all the same.

    Raises: NotShown for a module in which it cannot be shown what a name is used for.
    """
    scans = {path: Scan(path, sources[path]) for path in sorted(sources)}
    families = _families(scans)
    needed = set(kept)  # as they are, in every module
    keywords = set(kept)
    asked_by_getattr: set[str] = set()
    for scan in scans.values():
        family = [scans[path] for path in families[scan.path]]
        needed |= scan.strings | scan.imported | scan.asked_of_others
        # What no class of the family sets is somebody else's.
        needed |= scan.attributes.keys() - set().union(*(one.set_here for one in family))
        keywords |= scan.keywords
        if scan.has_getattr:
            asked_by_getattr |= set().union(*(one.attributes for one in family))
    # Of what is loaded, by its path and name: the places where others ask for it.
    asked = loaded_names.asked(sources)
    strings = set(kept).union(*(scan.strings for scan in scans.values()))
    short_asked: dict[str, list[tuple[_Position, str, str]]] = {path: [] for path in scans}
    short = {}
    attributes: dict[str, dict[str, str]] = {}
    for path, scan in scans.items():
        if families[path][0] not in attributes:
            family = [scans[other] for other in families[path]]
            free = [] if may_be_inherited(path) else family
            attributes[families[path][0]] = _short_attributes(free, needed)
        places = asked.get(path, {})
        seen = places.keys() - strings
        variables = _short_variables(scan, (needed | asked_by_getattr) - seen, seen, keywords)
        for name in seen & variables.keys():
            for place in places[name]:
                at = (place.line, place.column)
                short_asked[place.path].append((at, name, variables[name]))
        own = attributes[families[path][0]]
        own = {name: own[name] for name in own if name in scan.attributes}
        short[path] = Short(b"", variables, own)
    for path, one in short.items():
        one.source = _replaced(scans[path], one, short_asked[path])
    return short


def asked_for(source: bytes) -> set[str]:
    """Return the names that a file asks others for, or overrides, and more."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.alias | ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
    return found


def _families(scans: dict[str, Scan]) -> dict[str, list[str]]:
    """Return for each module those whose classes inherit from its own, or the other way round."""
    family = {path: {path} for path in scans}
    for scan in scans.values():
        for base in scan.bases:
            other = _module_of_base(scan, base, scans)
            if other is not None and other not in family[scan.path]:
                joined = family[scan.path] | family[other]
                for path in joined:
                    family[path] = joined
    return {path: sorted(family[path]) for path in family}


def _module_of_base(scan: Scan, base: ast.expr, scans: dict[str, Scan]) -> str | None:
    """Return the path of the module that a class inherits from; None: no module of the package."""
    name = base.id if isinstance(base, ast.Name) else ""
    if isinstance(base, ast.Attribute) and isinstance(base.value, ast.Name):
        name = base.value.id
    if name in scan.sources_of:
        found = scan.sources_of[name]
        return next((path for path in found if path in scans), None)
    if name in scan.functions or (isinstance(base, ast.Name) and hasattr(builtins, name)):
        return None
    raise NotShown(f"{scan.path}:{base.lineno}: a class inherits from what cannot be found")


def _short_attributes(family: list[Scan], needed: set[str]) -> dict[str, str]:
    kept = needed.union(
        *(scan.consts | (scan.in_class & scan.variables.keys()) for scan in family)
    )
    names = [name for scan in family for name in scan.attributes]
    numbers = _short_ones(set(names))
    return {
        name: next(numbers)
        for name in dict.fromkeys(names)
        if is_private(name) and name not in kept
    }


def _short_variables(
    scan: Scan, needed: set[str], seen: set[str], keywords: set[str]
) -> dict[str, str]:
    kept = scan.consts | scan.in_class | scan.caught | scan.imported
    kept_arguments = keywords | scan.public_arguments | _FREE
    taken = scan.variables.keys() | scan.imported | scan.module_level
    numbers = _short_ones(taken)
    words = (word for word in _WORDS if word not in taken)
    found = {}
    for name in scan.variables:
        if name in kept:
            continue
        if name in scan.module_level:
            if name not in needed and (name in seen or _keeps_to_itself(scan, name)):
                word = None if name in scan.functions else next(words, None)
                found[name] = word or next(numbers)
        elif name in scan.arguments and name not in kept_arguments:
            found[name] = next(words, None) or next(numbers)
    return found


def _keeps_to_itself(scan: Scan, name: str) -> bool:
    return is_private(name) or not (is_public(scan.path) or name.startswith("__"))


def _short_ones(taken: Iterable[str]) -> Iterator[str]:
    numbered = (f"_{n}" for n in itertools.count(1))
    names = itertools.chain(string.ascii_uppercase, numbered)
    return (name for name in names if name not in taken)


def _replaced(scan: Scan, one: Short, asked: list[tuple[_Position, str, str]]) -> bytes:
    """Return a module's source with its short names, and with those of what it loads."""
    places = [
        (at, name, short[name])
        for table, short in ((scan.variables, one.variables), (scan.attributes, one.attributes))
        for name in short
        for at in table[name]
    ]
    return replaced(scan.source, places + asked)
