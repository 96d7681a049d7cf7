"""Byte code made shorter does the same, and each line that can fail keeps its number."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tools.firmware import board_files, byte_code, tighten
from tools.firmware.mpy import compile_mpy

SOURCE = b"""
import sys
from os import listdir, stat as look


def words(n):
    return [("short",)[0] + str(x) for x in range(n)], (lambda: ("short",)[0])()


def pair():
    return ("a", "b")[1], ("whole",), ("whole",)[0]


def fails(kind):
    a = 1
    b = 2

    for i in range(70):
        if i == 60:
            c = a
            if kind == 0:
                return c / 0
            elif kind == 1:
                try:
                    a = [][c]
                except KeyError:
                    pass
        while b < 9:
            b += 1
            if b == 5:
                continue
            try:
                if b == 7:
                    break
            finally:
                c = 3
    d = (
        a,
        int(
            "x",
        ),
    )
    return d


def gen():
    yield 1
    z = 2

    yield z.nothing


print(words(2), pair(), sys.implementation.name, look("/")[0] & 0x4000)
for k in range(3):
    try:
        fails(k)
    except Exception as e:
        sys.print_exception(e, sys.stdout)
try:
    list(gen())
except Exception as e:
    sys.print_exception(e, sys.stdout)
try:
    from os import nothing
except ImportError as e:
    sys.print_exception(e, sys.stdout)
"""


def run(folder, mpy: bytes) -> str:
    (folder / "m.mpy").write_bytes(mpy)
    command = [Path(sys.executable).parent / "micropython", "-c", "import m"]
    process = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=60, check=True
    )
    return process.stdout


def test_it_does_the_same_with_the_same_tracebacks(tmp_path):
    before = compile_mpy(SOURCE, "m")
    after = tighten.tighten(before)
    assert len(after) < len(before) - 50
    output = run(tmp_path, before)
    assert output.count("Traceback") == 5
    assert run(tmp_path, after) == output


def test_it_is_what_it_was_when_put_together_again(tmp_path):
    before = compile_mpy(SOURCE, "m")
    again = byte_code.build(byte_code.parse(before))
    assert shown(again) == shown(before)
    assert byte_code.build(byte_code.parse(again)) == again


def shown(mpy: bytes) -> list:
    """Return all of an .mpy, jumps by where they go."""
    module = byte_code.parse(mpy)
    found = [module.head, module.names, module.constants]
    for code in module.every_code():
        number = {id(one): at for at, one in enumerate((*code.instructions, code.end))}
        found += [code.signature, code.names, code.cells]
        for one in code.instructions:
            target = None if one.target is None else number[id(one.target)]
            found.append((one.code, one.argument, one.raw, one.extra, target, one.line))
    return found


@pytest.mark.parametrize("module", sorted(board_files.sources()))
def test_each_line_that_can_fail_keeps_its_number(module):
    source = board_files.byte_code_sources()[0][module]
    before = compile_mpy(source, "m")
    assert shown(byte_code.build(byte_code.parse(before))) == shown(before)
    after = tighten.tighten(before)
    assert len(after) < len(before)
    assert tighten.tighten(after) == after
    for old, new in zip(codes(before), codes(after), strict=True):
        assert old == new


def codes(mpy: bytes) -> list:
    """Return the lines of what can fail by function; imports and subscripts have lost parts."""
    ignored = (*tighten._HARMLESS, 0x2A, 0x55)
    return [
        [(one.code, one.line) for one in code.instructions if one.code not in ignored]
        for code in byte_code.parse(mpy).every_code()
    ]


@pytest.mark.parametrize("data", [b"M\x05\x00\x1f", b"X\x06\x00\x1f", b"M\x06\x08\x1f\x00\x00"])
def test_what_is_another_format_is_refused(data):
    with pytest.raises(byte_code.NotByteCode):
        byte_code.parse(data)
