"""`linkpost outbox --forget-through`: delete readings of a board that a file has."""

from __future__ import annotations

import sys
from typing import Any

import click

from ..terminal import failures
from ..terminal.counting import count
from ..terminal.failures import CommandError
from ..usb.board import UsbBoard
from ..usb.paused_board import paused_board

# Run on the board: its own storage opens and acknowledges. Only where a deploy is complete: a
# truncated .mpy would hang the import.
_OPEN = """
import os
os.chdir('/')
from linkpost.storage.outbox import Outbox
_linkpost_o=Outbox('outbox',None,os.urandom)
"""
_TELL = """
_linkpost_tell(repr((_linkpost_o.stream,_linkpost_o.next_seq,_linkpost_o.pending)))
"""


def forget_through(
    port: str | None, wait_s: float, seq: int, stream: str | None, yes: bool
) -> int:
    """Delete the board's waiting readings up to `seq`, after asking.

    Args: stream: refuse where the board's outbox is another one; yes: do not ask.
    Raises: CommandError.
    """
    if not yes and not sys.stdin.isatty():
        raise CommandError("--forget-through asks first: on a terminal, or give --yes")
    with paused_board(port, wait_s) as board:
        if board.identify().linkpost is None:
            raise CommandError("the board has no complete linkpost: run linkpost deploy first")
        there, next_seq, pending = _outbox(board)
        if stream is not None and stream != there:
            raise CommandError(
                f"the board's outbox id is {there}, not {stream}: these are other readings, and "
                "nothing was deleted"
            )
        oldest = next_seq - pending
        if seq >= next_seq:
            raise CommandError(
                f"--forget-through {seq}: the board's newest reading is seq={next_seq - 1}; "
                "nothing was deleted"
            )
        if seq < oldest:
            print(f"Nothing to delete: the oldest waiting reading is seq={oldest}.")
            return failures.DONE
        what = count(seq - oldest + 1, "waiting reading")
        what += f" (outbox id {there}, seq={oldest} to seq={seq})"
        if not yes and not click.confirm(
            f"Delete {what} from the board? Only a file has them then", err=True
        ):
            print("Nothing was deleted.", file=sys.stderr)
            return failures.INTERRUPTED
        _, _, left = _outbox(board, f"_linkpost_o.acknowledge({seq})\n_linkpost_o.sync()\n")
    print(f"Deleted: {what}. {left:,} are still waiting.")
    return failures.DONE


def _outbox(board: UsbBoard, action: str = "") -> tuple[Any, ...]:
    # Repeating it changes nothing, as `ask_value` requires.
    return board.ask_value(_OPEN + action + _TELL)
