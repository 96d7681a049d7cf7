"""Short names for what the firmware's modules ask of each other: nobody else may ask for them."""

from __future__ import annotations

import ast
import builtins
import importlib
import re
from pathlib import Path

import pytest

from tools import firmware
from tools.firmware import board_files, byte_code, inner_names, name_scan, short_names
from tools.firmware.inner_names import INNER_NAMES
from tools.firmware.mpy import compile_mpy

ROOT = Path(__file__).parent.parent.parent
# Modules of MicroPython that the firmware uses and CPython has too, for their attributes' names.
MODULES = (
    *("asyncio", "binascii", "errno", "gc", "hashlib", "io", "json", "os", "select", "socket"),
    *("ssl", "struct", "sys", "time"),
)


def test_inner_name_is_replaced_in_all_modules_and_lines_stay():
    sources = {
        "a.py": b'"""seq_of"""\nfrom b import (\n    seq_of,\n)\n\nx = seq_of(1)  # seq_of\n',
        "b.py": b"def seq_of(a):\n    return a.tight\n",
    }
    assert inner_names.shorten(sources) == {
        "a.py": b'"""seq_of"""\nfrom b import (\n    isalpha,\n)\n\nx = isalpha(1)  # seq_of\n',
        "b.py": b"def isalpha(a):\n    return a.islower\n",
    }


def test_words_cost_nothing():
    words = "".join(f"x.{word}\n" for word in inner_names._WORDS)
    names = byte_code.parse(compile_mpy(words.encode(), "m")).names
    assert [name for name in names if not isinstance(name, int)] == [b"m", b"x"]


def test_name_that_somebody_asks_for_stays():
    source = b"def seq_of(x):\n    return x.tight\n"
    assert inner_names.shorten({"a.py": source}, {"seq_of", "tight"}) == {"a.py": source}


@pytest.mark.parametrize("text", ["seq_of", "readings.seq_of", "is_in seq_of"])
def test_name_in_a_string_is_refused(text):
    source = f"def seq_of():\n    getattr(x, '{text}')\n".encode()
    with pytest.raises(name_scan.NotShown, match="seq_of"):
        inner_names.shorten({"a.py": source})


def test_each_stands_in_the_firmware_and_is_its_own():
    scans = [name_scan.Scan(path, source) for path, source in board_files.sources().items()]
    ours = set().union(*(one.set_here | one.module_level for one in scans))
    assert not set(INNER_NAMES) - ours
    assert len(INNER_NAMES) == len(set(INNER_NAMES))


def test_none_is_an_attribute_of_python_s_own():
    others = set(dir(builtins))
    for name in MODULES:
        module = importlib.import_module(name)
        others |= set(dir(module))
        for value in vars(module).values():
            if isinstance(value, type):
                others |= set(dir(value))
    for name in ("list", "dict", "str", "bytes", "bytearray", "memoryview", "OSError", "int"):
        others |= set(dir(getattr(builtins, name)))
    assert not others & set(INNER_NAMES)
    for path in (ROOT / "typings").rglob("*.pyi"):  # after `make types`
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                assert node.name not in INNER_NAMES, path
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                assert node.id not in INNER_NAMES, path


def test_no_document_and_no_example_names_one():
    for path in (ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")):
        assert not set(re.findall(r"\w+", path.read_text())) & set(INNER_NAMES), path
    for path in (ROOT / "boards").rglob("*"):
        if path.suffix in (".py", ".md"):
            assert not set(re.findall(r"\w+", path.read_text())) & set(INNER_NAMES), path


def test_nothing_that_runs_on_a_board_asks_for_one():
    folder_of_tools = ROOT / "tools"
    folders = ("virtual_board/on_board", "chip/stand_ins", "bench/chip/on_chip")
    folders += ("bench/on_micropython", "bench/webassembly/in_memory")
    for folder in (*folders, "bench/webassembly/scenarios"):
        files = sorted((folder_of_tools / folder).glob("*.py"))
        assert files, folder
        for path in files:
            asked = short_names.asked_for(path.read_bytes())
            assert not asked & set(INNER_NAMES), path
    # What the tools type at a board's prompt stands in strings.
    for path in folder_of_tools.rglob("*.py"):
        if path.name == "inner_names.py":
            continue
        scan_text = " ".join(inner_names._strings(path.read_bytes()))
        assert not set(re.findall(r"\w+", scan_text)) & set(INNER_NAMES), path


def test_no_attribute_of_a_config_is_one():
    """config.json.checked names them."""
    config = {
        "endpoint": "a.example",
        "product_key": "a1B2c3D4e5F",
        "device_name": "board-1",
        "device_secret": "s" * 32,
    }
    firmware.enable_imports()
    from linkpost.config import Config

    names = vars(Config(config)).keys()
    assert "interval_ms" in names
    assert not names & set(INNER_NAMES)
