"""The command lines that pages show, taken apart and judged without being run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

import click

from host_tests.documents import markdown
from host_tests.documents.markdown import ROOT
from tools.cli import linkpost

_MAKEFILE = (ROOT / "Makefile").read_text()
_TARGETS = set(re.findall(r"^([a-z][a-z-]*):", _MAKEFILE, re.MULTILINE))
_VARIABLES = set(re.findall(r"\$\(([A-Z_]+)\)|^([A-Z_]+) \?=", _MAKEFILE, re.MULTILINE))
_VARIABLES = {name for pair in _VARIABLES for name in pair if name}
# Values that are judged; paths and names are the reader's.
_JUDGED = (click.Choice, click.types.IntParamType, click.types.FloatParamType)


@dataclass(frozen=True)
class Line:
    """A command line of a page; `whole`: as typed, not a part of one in a sentence."""

    text: str
    whole: bool


def lines(page: str) -> Iterator[Line]:
    """Yield every command line of `linkpost` and `make` that a page shows."""
    shown = [block.text for block in markdown.blocks(page) if block.language in ("console", "sh")]
    shown += [
        line[4:] for line in page.splitlines() if re.match(r" {4}(?:linkpost|make|\$) ", line)
    ]
    for text in shown:
        for line in text.replace("\\\n", " ").splitlines():
            typed = line.removeprefix("$ ")
            if re.match(r"(?:[A-Z_]+=\S+ )*(?:linkpost|make) ", typed):
                yield Line(typed, True)
    for span in re.findall(r"`((?:[A-Z_]+=\S+ )*(?:linkpost|make) [^`]+)`", page):
        yield Line(span, False)


def modules(page: str) -> list[str]:
    """Return the Python modules that a page runs by `python -m`."""
    return re.findall(r"python -m ((?:host_tests|tools)[\w.]*)", page)


def fault(line: Line) -> str:
    """Return what is wrong with a command line, "" where nothing is."""
    # Two blanks and what follows say what it does.
    words = shlex.split(re.split(r" {3,}(?=\S)", line.text)[0], comments=True)
    while "=" in words[0]:
        name = words.pop(0).partition("=")[0]
        if name not in _VARIABLES:
            return f"no variable {name}"
    if words[0] == "make":
        return _fault_of_make(words[1:])
    return _fault_of_linkpost(words[1:], line.whole)


def _fault_of_make(words: list[str]) -> str:
    targets = [word for word in words if "=" not in word]
    for word in words:
        name, equals, value = word.partition("=")
        if not equals and word not in _TARGETS:
            return f"no target {word}"
        if equals and name not in _VARIABLES:
            return f"no variable {name}"
        if name == "OPTIONS" and value and value != "...":
            return _fault_of_linkpost([*targets, *shlex.split(value)], False)
    return ""


def _find(words: list[str]) -> tuple[click.Command, list[str]]:
    command: click.Command = linkpost
    rest = list(words)
    while isinstance(command, click.Group) and rest:
        found = command.get_command(click.Context(command), rest[0])
        if found is None:
            break
        command = found
        del rest[0]
    return command, rest


def _fault_of_linkpost(words: list[str], whole: bool) -> str:
    command, rest = _find(words)
    if command is linkpost:
        return f"no command {' '.join(words)}" if rest and rest[0][0] != "-" else ""
    context = click.Context(command, help_option_names=["-h", "--help"])
    known = {name for param in command.get_params(context) for name in param.opts}
    known |= {name for param in command.get_params(context) for name in param.secondary_opts}
    known |= {"--debug"}
    for word in rest:
        name = word.partition("=")[0]
        if name.startswith("--") and name not in known:
            return f"no option {name}"
    return _fault_of_whole(command, context, rest) if whole else ""


def _fault_of_whole(command: click.Command, context: click.Context, rest: list[str]) -> str:
    try:
        found, left, _ = command.make_parser(context).parse_args(list(rest))
    except click.UsageError as error:
        return error.format_message()
    if left:
        return f"too much: {left}"
    for param in command.params:
        value = found.get(param.name)
        if param.required and value is None:
            return f"lacks {param.opts[0]}"
        if isinstance(param.type, _JUDGED) and isinstance(value, str) and value.isascii():
            try:
                if value[0] != "$" and not value.isupper():
                    param.type.convert(value, param, context)
            except click.UsageError as error:
                return error.format_message()
    return ""
