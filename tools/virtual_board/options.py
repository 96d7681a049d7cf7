"""Options that `linkpost board run` and `linkpost board serial` share."""

from __future__ import annotations

import click

from . import kinds

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
