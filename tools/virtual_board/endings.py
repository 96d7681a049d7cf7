"""How a run of a board ends: its exit code, its last line, and how it is stopped."""

from __future__ import annotations

import signal
import sys
from typing import Protocol

from ..terminal import failures
from .supervisor import CRASHED, INTERRUPTED, POWER_CUT, TIMEOUT, Outcome


class Stoppable(Protocol):
    """A board that runs."""

    def stop(self) -> None: ...


def stop_on_signals(board: Stoppable) -> None:
    """Let Ctrl-C, and a polite kill, stop the board instead of us."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: board.stop())


def exit_code(outcome: Outcome) -> int:
    """Return the exit code of a run, as its help says."""
    if outcome.reason == TIMEOUT:
        refused = outcome.last_error == "AuthError"
        return failures.AUTH_REFUSED if refused else failures.TIMEOUT
    if outcome.reason == INTERRUPTED:
        return failures.INTERRUPTED
    if outcome.reason == POWER_CUT:
        return failures.NO_BOARD
    if outcome.reason == CRASHED:
        return 1
    return failures.exit_code_of(outcome.error) if outcome.error else failures.DONE


def tell_operations(outcome: Outcome) -> None:
    """Say on standard error what the run cost the flash."""
    print(
        f"linkpost: flash operations: {outcome.erases + outcome.programs} "
        f"({outcome.erases} erases, {outcome.programs} programs, "
        f"{outcome.programmed_bytes} bytes)",
        file=sys.stderr,
    )


def tell_end(outcome: Outcome, code: int) -> None:
    """Say on standard error why the run failed, where it did."""
    if code and outcome.message and outcome.reason != POWER_CUT:
        print(f"linkpost: {outcome.message}", file=sys.stderr)


def tell_last_line(outcome: Outcome) -> None:
    """Print the last line: what became of the readings, or where the power was cut."""
    last = outcome.message if outcome.reason == POWER_CUT else str(outcome.counts)
    print(f"board: {last}", flush=True)
