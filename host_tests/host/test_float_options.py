"""Options with a fraction, of every command: `nan` is no number, nobody waits for `inf`."""

from collections.abc import Iterator

import click
import pytest

from tools.cli import linkpost
from tools.soak.__main__ import main as soak


def commands(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for each in command.list_commands(context):
            found = command.get_command(context, each)
            assert found is not None
            yield from commands(found, f"{name} {each}")


OPTIONS = [
    pytest.param(option.type, id=f"{name} {option.opts[0]}")
    for name, command in (*commands(linkpost, "linkpost"), ("soak", soak))
    for option in command.params
    if isinstance(option.type, click.types.FloatParamType)
]


def test_options_with_a_fraction_are_found():
    assert len(OPTIONS) > 10


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e300"])
@pytest.mark.parametrize("option", OPTIONS)
def test_what_is_no_number_is_refused(option, text):
    with pytest.raises(click.BadParameter):
        option.convert(text, None, None)
