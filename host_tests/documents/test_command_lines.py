"""Every command that README and docs show, or a message names, is one that there is."""

from __future__ import annotations

import ast
import re

import pytest

from host_tests.documents import command_lines, command_pages, markdown
from host_tests.documents.command_lines import Line
from host_tests.documents.generated import COMMANDS
from host_tests.documents.markdown import ROOT

# Of tools that are not ours.
_OTHERS = {"--require-hashes"}
_COMMAND = re.compile(r"linkpost [a-z]+(?: [a-z]+(?= --))*(?: --[a-z-]+)*")


@pytest.mark.parametrize("page", markdown.pages(), ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_and_options_that_a_page_shows_exist(page):
    if page.name == "CHANGELOG.md":  # it names what was, too
        return
    for line in command_lines.lines(page.read_text()):
        assert command_lines.fault(line) == "", line.text


def test_modules_that_a_page_runs_exist():
    shown = {
        module for page in markdown.pages() for module in command_lines.modules(page.read_text())
    }
    assert len(shown) >= 2
    for module in shown:
        path = ROOT.joinpath(*module.split("."))
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), module


def test_options_that_a_page_names_alone_exist():
    known = {"--help", *_OTHERS}
    for _, command in command_pages.commands():
        for param in command.params:
            known |= {*param.opts, *param.secondary_opts}
    for page in markdown.pages():
        if page.name == "CHANGELOG.md":  # it names what was, too
            continue
        for name in re.findall(r"`(--[a-z][a-z-]+)[ =`]", page.read_text()):
            assert name in known, (page.name, name)


def test_examples_of_every_help_are_right():
    seen = 0
    for name, command in command_pages.commands():
        text = re.sub(r"\\?\n +(?=--)", " ", command.help or "")
        for example in re.findall(r"(?:^|: ) *(linkpost [a-z].*)$", text, re.MULTILINE):
            if not example.startswith("linkpost: "):
                seen += 1
                assert command_lines.fault(Line(example, True)) == "", (name, example)
    assert seen > 20


def named_in_messages(source: str) -> list[str]:
    """Return the commands that the texts of a module name, as far as they are fixed."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            for match in re.finditer(
                r"linkpost [a-z]+(?: [a-z]+(?= --))*(?: --[a-z-]+)*", node.value
            ):
                found.append(match[0])
    return found


def test_commands_that_messages_of_firmware_and_tools_name_exist():
    names = {name for name, _ in command_pages.commands()}
    seen = 0
    for room in ("firmware", "tools"):
        for path in (ROOT / room).rglob("*.py"):
            for text in named_in_messages(path.read_text()):
                words = text.split()
                if f"linkpost {words[1]}" in names:
                    seen += 1
                    assert command_lines.fault(Line(text, False)) == "", (path, text)
                else:
                    # "linkpost needs ...": a sentence about it, which no option follows.
                    assert "--" not in text, (path, text)
    assert seen > 50


def test_page_of_commands_is_linked_for_each_command():
    anchors = markdown.anchors(COMMANDS.read_text())
    for name, _ in command_pages.commands():
        assert name.replace(" ", "-") in anchors


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("linkpost deploy --ca ca.pem", ""),
        ("linkpost deploy --cacert ca.pem", "no option --cacert"),
        ("linkpost dploy", "no command dploy"),
        ("linkpost board run --config c.json", "lacks --flash"),
        ("linkpost fleet --boards many", "'many' is not a valid integer"),
        ("linkpost image RPI_PICO_W --csv d.csv --out images extra", "too much"),
        ("linkpost emulator --host 0.0.0.0   # for a board", ""),
        ("SOAK_S=600 make soak", ""),
        ("make sok", "no target sok"),
        ("make bench OPTIONS=--docs", ""),
        ("make bench OPTIONS=--readme", "no option --readme"),
        ("make deploy PROT=/dev/ttyUSB0", "no variable PROT"),
    ],
)
def test_command_line_that_is_wrong_is_seen(text, wrong):
    found = command_lines.fault(Line(text, True))
    assert wrong in found and bool(wrong) == bool(found), found
