"""Short strings of loaded modules are no names; all others stay as they are."""

from __future__ import annotations

import ast

import pytest

from tools.firmware import board_files, unnamed_strings
from tools.firmware.mpy import compile_mpy

LOADS = b'load("net.words")\n'


def unname(text: str, path: str = "net/words.py", **others: bytes) -> str:
    sources = {path: text.encode(), "app.py": LOADS}
    sources.update({f"{name}.py": other for name, other in others.items()})
    return unnamed_strings.unname(sources)[path].decode()


def test_short_string_of_a_loaded_module_is_in_a_tuple():
    assert unname('x = "not found"\n') == 'x = ("not found",)[0]\n'
    assert unname("f('%d %s' % y, 'é', {'a b': 'c d'})\n") == (
        "f(('%d %s',)[0] % y, ('é',)[0], {('a b',)[0]: ('c d',)[0]})\n"
    )


@pytest.mark.parametrize(
    "text",
    [
        'x = "eleven char"\n',
        'x = "a"\n',  # a name everywhere
        'x = ("ab", "cd")\n',  # none already
        'x = const("ab")\n',
        'load("net.wifi")\n',
        '"""Doc."""\n',
        'x = b"ab"\n',
        'x = "name"\ny.name\n',
        'x = "name"\ndef f(name):\n    pass\n',
        'x = "name"\nfrom m import name\n',
        'x = ("a b"\n     "c d")\n',
        'x = "a b" "c d"\n',
    ],
)
def test_string_that_stays(text):
    assert unname(text) == text


def test_string_of_what_stays_in_heap_stays():
    text = 'x = "not found"\n'
    for path in ("app.py", "sensors/dht.py", "ports/rp2.py"):
        assert unnamed_strings.unname({path: text.encode()})[path].decode() == text
    assert unname(text, other=b"from .net import words\n") == text
    assert unname(text, other=b"from .net.words import said\n") == text
    assert unname(text, other=text.encode()) == text  # a name there in any case
    assert unname(text, aio=text.encode()) != text  # not on every board


def test_byte_code_has_the_string_and_not_as_a_name():
    source = b"x = ('not found',)[0]\n"
    assert eval(source.partition(b"= ")[2]) == "not found"  # noqa: S307
    named = compile_mpy(b"x = 'not found'\n", "a")
    unnamed = compile_mpy(source, "a")
    # In the table of names a string has twice its length before it, among objects its length.
    name = bytes([2 * len("not found")]) + b"not found\0"
    assert name in named and name not in unnamed
    assert bytes([len("not found")]) + b"not found\0" in unnamed


def test_firmware_says_the_same_on_the_same_lines():
    sources = board_files.sources()
    changed = 0
    for path, made in unnamed_strings.unname(sources).items():
        before = sources[path].split(b"\n")
        after = made.split(b"\n")
        assert len(before) == len(after)
        assert ast.dump(_Plain().visit(ast.parse(made))) == ast.dump(ast.parse(sources[path]))
        changed += before != after
    assert 20 < changed < len(sources) - 20


class _Plain(ast.NodeTransformer):
    """Makes `("x",)[0]` "x" again."""

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        self.generic_visit(node)
        is_ours = (
            isinstance(node.value, ast.Tuple)
            and len(node.value.elts) == 1
            and isinstance(node.slice, ast.Constant)
            and node.slice.value == 0
        )
        return node.value.elts[0] if is_ours else node
