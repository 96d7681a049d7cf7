"""`linkpost outbox --forget-through`: a board forgets readings that are delivered from a file."""

from __future__ import annotations

import sys
from typing import Any

import click

from ..terminal import failures
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
    """Let the board forget its waiting readings up to `seq`, once the person says so.

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
                f"the board's stream is {there}, not {stream}: these are other readings, and "
                "nothing was forgotten"
            )
        oldest = next_seq - pending
        if seq >= next_seq:
            raise CommandError(
                f"--forget-through {seq}: the board's newest reading is {next_seq - 1}; nothing "
                "was forgotten"
            )
        if seq < oldest:
            print(f"Nothing to forget: what waits begins with seq {oldest}.")
            return failures.DONE
        count = seq - oldest + 1
        what = f"{count:,} waiting readings (stream {there}, seq {oldest} to {seq})"
        if not yes and not click.confirm(
            f"Let the board forget {what}? Only a file has them then", err=True
        ):
            print("Nothing was forgotten.", file=sys.stderr)
            return failures.INTERRUPTED
        _, _, left = _outbox(board, f"_linkpost_o.acknowledge({seq})\n_linkpost_o.sync()\n")
    print(f"Forgotten: {what}. {left:,} wait.")
    return failures.DONE


def _outbox(board: UsbBoard, action: str = "") -> tuple[Any, ...]:
    # Said twice it does no more than once, which is what `ask_value` wants.
    return board.ask_value(_OPEN + action + _TELL)
