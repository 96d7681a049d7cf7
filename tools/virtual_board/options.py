"""Options that the commands of `linkpost board` share, also those of the chip."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from . import kinds

_PATH = click.Path(path_type=Path)

board_kind = click.option(
    "--board",
    "kind_name",
    metavar="BOARD",
    type=click.Choice(sorted(kinds.KINDS)),
    default=kinds.DEFAULT_KIND,
    show_default=True,
    help="Board to imitate (flash layout, watchdog, deep sleep): "
    + ", ".join(sorted(kinds.KINDS))
    + ".",
)

cut_power_at = click.option(
    "--cut-power-at",
    type=click.IntRange(min=1),
    help="Cut the power in the middle of flash operation N (programs and erases counted "
    "together), and end.",
)
reports = click.option(
    "--reports", type=click.IntRange(min=1), help="Stop after N accepted reports."
)
new_ca = click.option(
    "--ca",
    type=_PATH,
    help="With --config: PEM file of CAs to trust beside the platform's own.",
)
seed = click.option(
    "--seed", type=int, help="Make os.urandom give the same bytes in each run with this number."
)


def on_a_port(usb: str, usb_help: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return what adds the options of a board behind a serial port.

    Args: usb: what `--usb` is without being given; usb_help: what it means for that board.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    options = (
        click.option(
            "--config",
            type=_PATH,
            help="config.json: put the firmware and this config on the board first. Without it "
            "the flash stays as it is; a new one has nothing on it but MicroPython.",
        ),
        new_ca,
        click.option(
            "--usb",
            type=click.Choice(["uart", "native"]),
            default=usb,
            show_default=True,
            help=usb_help,
        ),
        click.option(
            "--link",
            type=_PATH,
            help="The port's name.  [default: a new one for each run]",
        ),
        click.option(
            "--ready-file",
            type=_PATH,
            help='Written when the port is there: {"port": ..., "flash": ..., "usb": ..., '
            '"board": ..., "pid": ...}',
        ),
    )
    return decorate
