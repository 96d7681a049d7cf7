"""Byte code made shorter, with nothing lost that a program or a person could see.

What mpy-cross leaves, and what becomes of it here:
  1. `from x import a, b` hands the list of names to the import, which only looks whether there is
     one (py/builtinimport.c): True, in its place.
  2. A short text in a tuple (`unnamed_strings`) is a constant by itself: mpy-cross would make a
     name of it. Loading it (py/persistentcode.c) makes none.
  3. Comprehensions, lambdas and generator expressions are called so, each by a name: all are
     called as the module's own lines are, which every board has in ROM.
  4. A line on which nothing can fail (but for Ctrl-C, and for memory while a module is imported)
     is in no traceback: it needs no number, and the one before it goes on. Of a module's own lines
     these are nearly all: `def`.
"""

from __future__ import annotations

from . import byte_code
from .byte_code import Code, Instruction, Module, NotByteCode

_IMPORT_NAME = 0x1B
_LOAD_CONST_OBJ = 0x23
_BUILD_TUPLE = 0x2A
_LOAD_SUBSCR = 0x55
_LOAD_TRUE = 0x52
_ZERO = 0x80  # load the small int 0

_UNNAMED = (b"<listcomp>", b"<setcomp>", b"<dictcomp>", b"<genexpr>", b"<lambda>")

# Nothing on a line of these raises: constants and locals are loaded, kept, thrown away and given
# back, functions made and named, and what is not conditional jumps.
_HARMLESS = {
    *(0x10, 0x16, 0x22, 0x23, 0x24, 0x26, 0x32, 0x42, 0x4A, 0x50, 0x51, 0x52),
    *(0x57, 0x58, 0x59, 0x5A, 0x5B, 0x63),
    *range(0x70, 0xD0),  # small ints, the first 16 locals: loaded, kept
}


def tighten(mpy: bytes) -> bytes:
    """Return an .mpy that does the same. Raises: byte_code.NotByteCode."""
    module = byte_code.parse(mpy)
    for code in module.every_code():
        _drop_import_lists(code)
    _make_texts_constants(module)
    _drop_common_names(module)
    for code in module.every_code():
        _drop_lines(code)
    return byte_code.build(module)


def _drop_import_lists(code: Code) -> None:
    targets = _targets(code)
    found: list[Instruction] = []
    for one in code.instructions:
        if one.code == _IMPORT_NAME and found and found[-1].code == _BUILD_TUPLE:
            names = found[-1 - found[-1].argument : -1]
            if any(id(name) in targets for name in (*names, found[-1])):
                raise NotByteCode("a jump into an import")
            line = names[0].line
            del found[-1 - len(names) :]
            found.append(Instruction(_LOAD_TRUE, line=line))
        found.append(one)
    code.instructions[:] = found


def _targets(code: Code) -> set[int]:
    return {id(one.target) for one in code.instructions if one.target is not None}


def _make_texts_constants(module: Module) -> None:
    """Make `("text",)[0]` the text, where a constant is used in no other way."""
    places: dict[int, list[tuple[Code, int]]] = {}
    others: set[int] = set()
    for code in module.every_code():
        some = code.instructions
        targets = _targets(code)
        for at, one in enumerate(some):
            if one.code == _LOAD_CONST_OBJ:
                follows = [next_one.code for next_one in some[at + 1 : at + 3]]
                is_first = follows == [_ZERO, _LOAD_SUBSCR] and not any(
                    id(next_one) in targets for next_one in some[at + 1 : at + 3]
                )
                if is_first:
                    places.setdefault(one.argument, []).append((code, at))
                else:
                    others.add(one.argument)
    gone: dict[int, set[int]] = {}
    for number, uses in places.items():
        constant = module.constants[number]
        if number in others or constant.kind != byte_code.TUPLE or len(constant.items) != 1:
            continue
        module.constants[number] = constant.items[0]
        for code, at in uses:
            gone.setdefault(id(code), set()).update((at + 1, at + 2))
    for code in module.every_code():
        dropped = gone.get(id(code), set())
        code.instructions[:] = [
            one for at, one in enumerate(code.instructions) if at not in dropped
        ]


def _drop_common_names(module: Module) -> None:
    rom = module.names[module.code.names[0]]
    if not isinstance(rom, int):  # it is "<module>", whose number is below
        return
    module.names[:] = [rom if name in _UNNAMED else name for name in module.names]


def _drop_lines(code: Code) -> None:
    some = code.instructions
    at = 0
    before = 1
    while at < len(some):
        end = at
        while end < len(some) and some[end].line == some[at].line:
            end += 1
        if all(one.code in _HARMLESS for one in some[at:end]):
            for one in some[at:end]:
                one.line = before
        before = some[end - 1].line
        at = end
