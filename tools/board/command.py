"""`linkpost board`: its commands, each beside what it runs."""

from __future__ import annotations

import click

from ..chip.command import chip
from ..virtual_board.command import run
from ..virtual_board.serial_command import serial


@click.group()
def board() -> None:
    """A virtual board: the files that deploy installs, on real MicroPython, without hardware.

    \b
    Example: linkpost board run --config config.json --flash board.img \\
                 --ca ca.pem --reports 5
    """


board.add_command(run)
board.add_command(serial)
board.add_command(chip)
