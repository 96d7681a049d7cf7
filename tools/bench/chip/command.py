"""`linkpost bench --chip`: measure on the chip's own build, or judge by what was committed."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ...chip import cache
from ...terminal import failures
from .. import pages
from . import figures, result
from .budgets import BUDGETS, NOT_MODELLED

_LONG_REPORTS = 200
_ROOT = Path(__file__).parent.parent.parent.parent
_AGAIN = "run `make bench-chip` where the emulated chip's files are, and commit result.json"


def measure(accept: bool = False) -> int:
    """Measure, print the table and write the result; 1 where a figure passes its limit.

    A result that is worse is written beside the committed one, which stays, unless `accept`.
    """
    committed = result.read()
    micropython, _ = cache.micropython()
    started = time.monotonic()
    measured = result.firmware_hash()
    found = figures.collect(_say, _LONG_REPORTS, committed.figures if committed else {})
    seconds = time.monotonic() - started
    new = result.new(found.values, found.details, micropython, seconds)
    if new.firmware != measured:
        raise failures.CommandError("the firmware changed while it was measured: run it again", 1)
    _print_table(new)
    _print_details(new)
    print(f"Measured in {seconds:.0f} s of this machine: {new.machine}.")
    failed = result.worse(new.figures, committed)
    for line in failed:
        print(f"linkpost: worse than its limit: {line}", file=sys.stderr)
    if not failed or accept:
        result.write(new)
        pages.write_chip_pages()
        return failures.DONE
    path = _ROOT / "build" / "bench-chip.json"
    result.write(new, path)
    print(
        f"linkpost: the committed result is kept, this run is in {path.relative_to(_ROOT)}; "
        "--accept keeps this one",
        file=sys.stderr,
    )
    return 1


def check() -> int:
    """Judge this firmware: by the committed result where that measured it, else by measuring.

    Raises: CommandError where it did not, and the emulated chip's files are not here.
    """
    committed = result.read()
    if committed is not None and committed.firmware == result.firmware_hash():
        _print_table(committed)
        print(f"The figures are of {committed.date}, of this very firmware.")
        return failures.DONE
    when = f"of {committed.date}, older than this firmware" if committed else "missing"
    if not cache.is_complete():
        raise failures.CommandError(f"the chip's figures are {when}: {_AGAIN}", 1)
    _say(f"the committed figures are {when}: measuring, which takes minutes")
    return measure()


def _say(what: str) -> None:
    print(f"bench: {what}", file=sys.stderr, flush=True)


def _print_table(shown: result.Result) -> None:
    title = f"linkpost {shown.version}, {shown.micropython}, {shown.date}"
    table = Table("what", "measured", "goal", title=title, title_justify="left")
    for column in table.columns[1:]:
        column.justify = "right"
    for key, value in shown.figures.items():
        budget = BUDGETS[key]
        goal = "" if budget.goal is None else _number(budget.goal, budget.unit)
        if not budget.is_reached(value):
            goal += " (aim)" if budget.is_aim else " (not reached)"
        table.add_row(budget.what, _number(value, budget.unit), goal)
    Console().print(table)
    print(NOT_MODELLED)


def _print_details(shown: result.Result) -> None:
    for name, value in shown.details.items():
        if name == "mpy":
            continue
        print(f"{name}: {value}")


def _number(value: float, unit: str) -> str:
    text = f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:,.3g}"
    return f"{text} {unit}".rstrip()
