"""`--help` of every command fits a terminal of 80 columns, and shows an example that exists."""

import re
import shlex

import click
import pytest

from host_tests.documents.command_pages import WIDTH, commands, help_text
from tools.cli import linkpost

COMMANDS = dict(commands())


@pytest.mark.parametrize("name", COMMANDS)
def test_help_fits_the_terminal_and_has_an_example(name):
    text = help_text(name, COMMANDS[name])
    assert [line for line in text.splitlines() if len(line) > WIDTH] == []
    assert examples(text), "no example"


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_in_help_are_commands_and_options_that_exist(name):
    for program, *arguments in examples(help_text(name, COMMANDS[name])):
        if program == "linkpost":
            assert unknown_words(arguments) == []


def test_example_that_does_not_exist_is_seen():
    assert unknown_words(["deploy", "--no-such"]) == ["--no-such"]
    assert unknown_words(["board", "rum"]) == ["rum"]
    text = "Example: linkpost deploy \\\n  --ca x\n         linkpost status --json\n\nOptions:"
    assert examples(text) == [
        ["linkpost", "deploy", "--ca", "x"],
        ["linkpost", "status", "--json"],
    ]


def examples(text: str) -> list[list[str]]:
    """Return the command lines of the examples: from the first to the end of its paragraph."""
    found = re.search(r"Example: (.*?)(\n\n|\Z)", text, re.DOTALL)
    if found is None:
        return []
    joined = re.sub(r"\\\n\s*", "", found[1])
    # A command's options may go on in the next line.
    joined = re.sub(r"\n\s+(?=--)", " ", joined)
    lines = [line.strip() for line in joined.splitlines()]
    return [shlex.split(line) for line in lines if not line.endswith(":")]


def unknown_words(arguments: list[str]) -> list[str]:
    """Return the first subcommand that does not exist, or the options that the command lacks."""
    command: click.Command = linkpost
    context = click.Context(linkpost)
    rest = list(arguments)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        found = command.get_command(context, rest[0])
        if found is None:
            return [rest[0]]
        command = found
        rest.pop(0)
    known = {option for parameter in command.params for option in parameter.opts}
    return [word for word in rest if word.startswith("--") and word not in known]
