"""docs/commands.md, as every command's `--help` has it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import click

from tools.cli import linkpost
from tools.terminal import failures

WIDTH = 80

_HEAD = """# Commands

Every command of `linkpost`, as its `--help` says it. `make docs` writes this page. After
`make setup` the command is in `.venv/bin`; `. .venv/bin/activate` puts it on your path, in each
terminal.

"""


def commands() -> Iterator[tuple[str, click.Command]]:
    """Yield (name, command) of each command and subcommand, the name as it is typed."""
    yield from _commands("linkpost", linkpost, click.Context(linkpost))


def _commands(
    name: str, command: click.Command, context: click.Context
) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        for part in command.list_commands(context):
            found = command.get_command(context, part)
            assert found is not None, part
            if not found.hidden:
                yield from _commands(f"{name} {part}", found, context)


def help_text(name: str, command: click.Command) -> str:
    """Return what `NAME --help` prints in a terminal of 80 columns."""
    parent = None
    for part in name.split()[:-1]:
        parent = click.Context(click.Group(part), parent=parent, info_name=part)
    settings = linkpost.context_settings
    context = click.Context(
        command,
        parent=parent,
        info_name=name.split()[-1],
        max_content_width=WIDTH,
        terminal_width=WIDTH,
        help_option_names=settings["help_option_names"],
    )
    with context:
        return command.get_help(context).rstrip()


def exit_codes() -> list[tuple[int, str]]:
    """Return each exit code and what it means, as tools/terminal/failures.py says."""
    rows = []
    for line in inspect.getsource(failures).splitlines():
        found = re.match(r"[A-Z_]+ = (\d+)  # (.*)$", line)
        if found:
            rows.append((int(found[1]), found[2]))
    return rows


def page() -> str:
    """Return docs/commands.md."""
    names = dict(commands())
    codes = "\n".join(f"| {code} | {meaning} |" for code, meaning in exit_codes())
    parts = [_HEAD]
    parts.append("| command | does |\n|---|---|\n")
    for name, command in names.items():
        if name != "linkpost":
            anchor = name.replace(" ", "-")
            summary = command.get_short_help_str(200)
            parts.append(f"| [`{name}`](#{anchor}) | {summary} |\n")
    parts.append(
        "\n## Exit codes\n\nThe same in every command.\n\n| code | means |\n|---:|---|\n"
        f"{codes}\n\nResults go to standard output, progress and errors to standard error. "
        "`--debug` shows the\ntraceback of a failure.\n"
    )
    for name, command in names.items():
        heading = "##" + "#" * (len(name.split()) - 2 if name != "linkpost" else 0)
        text = help_text(name, command)
        parts.append(f"\n{heading} {name}\n\n```text\n{text}\n```\n")
    return "".join(parts)
