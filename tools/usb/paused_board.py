"""A board that is asked something: its program is stopped for that, and goes on afterwards."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator

from ..terminal.failures import CommandError
from .board import BoardLost, UsbBoard
from .serial_ports import find_port

# For one that does not answer as it should.
_RESTART_S = 3.0


@contextlib.contextmanager
def paused_board(port: str | None, wait_s: float) -> Iterator[UsbBoard]:
    """Stop the board on `port` (None: the one there is); at the end of the block let it run again.

    A program cannot go on where it was stopped: the board is reset, as its button does. One that
    has nothing to run, or is held, is left at its REPL. Both are printed on standard error.

    Raises: CommandError with exit code 7 where there is no board, or no answer in `wait_s`.
    """
    port = port or find_port()
    _note(f"asking the board on {port}: its app stops, and is restarted")
    with UsbBoard(port, wait_s, _note) as board:
        try:
            yield board
        except BoardLost:
            # Where the port is gone the power is too, or the board restarts by itself. Else
            # others talk into what it says: it is not asked first what it has to run.
            with contextlib.suppress(CommandError):
                board.reconnect(time.monotonic() + _RESTART_S)
                board.leave_running()
            raise
        except BaseException:
            with contextlib.suppress(CommandError):
                board.reconnect()  # Ctrl-C may have cut a command in two
                _let_run(board)
            raise
        _let_run(board)


def _let_run(board: UsbBoard) -> None:
    if "main.py" not in board.files("main.py"):
        _note("the board has no main.py to run: it is left at its REPL")
    elif board.is_held():
        _note("the file `hold` is on the board: it is left at its REPL, without the app")
    else:
        board.leave_running()


def _note(line: str) -> None:
    print(f"linkpost: {line}", file=sys.stderr, flush=True)
