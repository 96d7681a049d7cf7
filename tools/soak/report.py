"""The closing table of a soak, for people; and the same figures for programs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.table import Table

from .account import Account
from .boards import Board
from .run import Result

_SHOWN_MAX = 10  # of a list of problems


def figures(result: Result) -> dict[str, Any]:
    """Return the sums as JSON can hold them."""
    return {
        "seed": result.plan.seed,
        "seconds": round(result.seconds, 1),
        "good": result.is_good,
        "chip_heap": result.plan.heap_bytes,
        "emulator_restarts": result.restarts,
        "tokens_expired": result.expiries,
        "faults": dict(sorted(result.hits.items())),
        "boards": [
            _figures_of(board, account)
            for board, account in zip(result.boards, result.accounts, strict=True)
        ],
    }


def _figures_of(board: Board, account: Account) -> dict[str, Any]:
    counters = board.counters
    return {
        "board": board.name,
        "variant": board.variant.name,
        "kind": board.kind.name,
        "taken": account.taken,
        "accepted": account.accepted,
        "duplicates": account.duplicates,
        "duplicates_max": account.duplicates_max,
        "quarantined": account.quarantined,
        "lost": len(account.lost),
        "lost_keys": account.lost[:_SHOWN_MAX],
        "conflicts": len(account.conflicts),
        "problems": account.problems[:_SHOWN_MAX],
        "cuts_at_operation": counters.cuts_at_operation,
        "kills": counters.kills,
        "watchdog": board.journal.watchdog,
        "heap": board.heap_bytes,
        "boots": len(board.journal.boots),
        "heap_start": account.heap.start,
        "heap_end": account.heap.end,
        "heap_readings": account.heap.readings,
        "flash_operations": counters.operations,
        "flash_bytes": counters.programmed_bytes,
        "flash_readings": counters.readings,
    }


# Title, figure of one board, and whether the boards' figures add up.
_ROWS: tuple[tuple[str, Callable[[dict[str, Any]], Any], bool], ...] = (
    ("readings taken", lambda board: board["taken"], True),
    ("accepted", lambda board: board["accepted"], True),
    ("duplicates", lambda board: board["duplicates"], True),
    ("  at most", lambda board: board["duplicates_max"], True),
    ("quarantined", lambda board: board["quarantined"], True),
    ("lost", lambda board: board["lost"], True),
    ("one seq, two readings", lambda board: board["conflicts"], True),
    ("boots", lambda board: board["boots"], True),
    ("cut at a flash operation", lambda board: board["cuts_at_operation"], True),
    ("killed (-9)", lambda board: board["kills"], True),
    ("watchdog resets", lambda board: board["watchdog"], True),
    ("heap in all", lambda board: _kilobytes(board["heap"]), False),
    ("free heap, start", lambda board: _kilobytes(board["heap_start"]), False),
    ("free heap, end", lambda board: _kilobytes(board["heap_end"]), False),
    ("  readings between", lambda board: board["heap_readings"], False),
    ("flash operations/reading", lambda board: _per_reading(board, "operations", "{:.1f}"), False),
    ("flash bytes/reading", lambda board: _per_reading(board, "bytes", "{:.0f}"), False),
)


def print_table(result: Result, console: Console) -> None:
    """Print the closing table, and what is wrong, if anything is."""
    numbers = figures(result)
    boards = numbers["boards"]
    table = Table(title=f"Soak of {result.seconds:.0f} s, seed {result.plan.seed}")
    table.add_column("")
    for board in boards:
        table.add_column(f"{board['variant']}\n{board['kind']}", justify="right")
    table.add_column("all", justify="right")
    for title, value, adds_up in _ROWS:
        values = [value(board) for board in boards]
        table.add_row(title, *map(str, values), str(sum(values)) if adds_up else "")
    console.print(table)
    console.print(
        f"Each board's heap, {boards[0]['heap']:,} bytes with its own side, equals "
        f"{result.plan.heap_bytes:,} of a chip, TLS outside of it."
    )
    faults = ", ".join(f"{kind} {count}" for kind, count in numbers["faults"].items())
    console.print(
        f"Emulator restarts: {result.restarts}. Tokens expired: {result.expiries}. "
        f"Faults that happened ({result.hits.total()}): {faults}."
    )
    for board in boards:
        for problem in board["problems"]:
            console.print(f"{board['board']}: {problem}", markup=False)
        if board["lost"]:
            console.print(f"{board['board']}: lost, the first of them: {board['lost_keys']}")


def _kilobytes(count: int) -> str:
    return f"{count / 1024:.0f} KB" if count else "-"


def _per_reading(board: dict[str, Any], what: str, form: str) -> str:
    readings = board["flash_readings"]
    return form.format(board[f"flash_{what}"] / readings) if readings else "-"
