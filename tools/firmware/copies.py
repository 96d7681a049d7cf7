"""The copies of the firmware's sources that its byte code is made of: made once, and kept.

They have short names (`short_names`, `inner_names`), strings that are no names (`unnamed_strings`)
and no import of `const`. Making them takes longer than all else that a command does with the
firmware.
"""

from __future__ import annotations

import functools
import hashlib
import json
from pathlib import Path

from ..files.kept import keep, kept_dir
from . import inner_names, short_names
from .unnamed_strings import loaded_modules, unname

# mpy-cross puts the number where `const` stands; what imports it only takes room.
_CONST = (b"\nfrom micropython import const\n", b"\n\n")
# What they are made by: another one of these makes other copies.
_MADE_BY = ("copies", "short_names", "name_scan", "loaded_names", "inner_names", "unnamed_strings")


@functools.cache
def copies(
    sources: tuple[tuple[str, bytes], ...], names: frozenset[str]
) -> tuple[dict[str, bytes], set[str]]:
    """Return what byte code is made of by path in the package, and which modules are loaded.

    Args: names: that stay, for tests; such copies are not kept.
    """
    if names:
        return _make(dict(sources), names)
    identity = _identity(sources)
    path = kept_dir() / "copies.json"
    try:
        found = json.loads(path.read_bytes())
        if found["identity"] == identity:
            texts = found["copies"]
            return {name: text.encode() for name, text in texts.items()}, set(found["loaded"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # not made yet, or half of it
    made, loaded = _make(dict(sources), names)
    texts = {name: copy.decode() for name, copy in made.items()}
    kept = {"identity": identity, "loaded": sorted(loaded), "copies": texts}
    keep(path, json.dumps(kept).encode())
    return made, loaded


def _make(sources: dict[str, bytes], names: frozenset[str]) -> tuple[dict[str, bytes], set[str]]:
    short = short_names.shorten(sources, names)
    made = inner_names.shorten({path: one.source for path, one in short.items()}, names)
    made = {path: source.replace(*_CONST) for path, source in made.items()}
    return unname(made), loaded_modules(sources)


def _identity(sources: tuple[tuple[str, bytes], ...]) -> str:
    here = Path(__file__).parent
    parts = [(here / f"{name}.py").read_bytes() for name in _MADE_BY]
    for name, source in sources:
        parts += (name.encode(), source)
    digest = hashlib.sha256()
    for part in parts:
        digest.update(b"%d:" % len(part) + part)
    return digest.hexdigest()
