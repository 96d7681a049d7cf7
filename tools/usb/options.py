"""Options of every command that talks to a board on a cable."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from ..terminal.finite_range import FiniteRange

_Command = TypeVar("_Command", bound=Callable[..., Any])

port = click.option("--port", help="The board's serial port.  [default: that of the only board]")


def wait(default_s: float, text: str = "") -> Callable[[_Command], _Command]:
    """Return the option --wait, given to the command as `wait_s`."""
    return click.option(
        "--wait",
        "wait_s",
        type=FiniteRange(min=0),
        default=default_s,
        show_default=True,
        help=text or "Seconds to wait for a board that is not connected or sleeps.",
    )
