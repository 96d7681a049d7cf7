"""`linkpost bench`: measure, print one table, keep it; from a source tree only."""

from __future__ import annotations

import datetime
import json
import os
import platform as machine
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from .. import firmware
from ..terminal import failures
from . import heap32
from .budgets import BUDGETS
from .figures import Figures, collect_counts, collect_times

_ROOT = Path(__file__).parent.parent.parent
_README_START = "<!-- made by make bench -->"
_README_END = "<!-- end of what make bench made -->"


@click.command()
@click.option("--check", is_flag=True, help="Only what each run gives alike; fail past a limit.")
@click.option("--rounds", default=50, show_default=True, help="Reports of each kind, in turns.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=_ROOT / "build" / "bench.json",
    help="Where the figures go as JSON.  [default: build/bench.json]",
)
@click.option("--readme", is_flag=True, help="Put the table into the README as well.")
@click.option(
    "--chip", is_flag=True, help="On the Pico W's own build; --check trusts what was committed."
)
@click.option("--accept", is_flag=True, help="With --chip: keep figures that are worse.")
def bench(check: bool, rounds: int, out: Path, readme: bool, chip: bool, accept: bool) -> int:
    """Measure what linkpost costs, beside MicroPython's own `requests`, in one run.

    \b
    Example: linkpost bench --rounds 20
    """
    if not (_ROOT / "host_tests").is_dir():
        raise failures.CommandError("the benchmarks need linkpost's source tree; clone it")
    if chip:
        from .chip import command

        return command.check() if check else command.measure(accept)
    if check and not heap32.is_possible() and os.environ.get("CI"):
        raise failures.CommandError("Node and npm are needed: apt install nodejs npm")
    figures = Figures()
    collect_counts(figures, _say)
    if not check:
        collect_times(figures, _say, rounds)
    _write(out, figures)
    _print_table(figures)
    if not check:
        _print_details(figures)
    if readme:
        _write_readme(_ROOT / "README.md", figures)
    failed = figures.failures()
    for line in failed:
        print(f"linkpost: over its limit: {line}", file=sys.stderr)
    return 1 if failed else failures.DONE


def _say(what: str) -> None:
    print(f"bench: {what}", file=sys.stderr, flush=True)


def _about() -> dict[str, str]:
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": f"{machine.machine()}, {os.cpu_count()} cores, {machine.system()}",
        "version": firmware.version(),
    }


def _write(out: Path, figures: Figures) -> None:
    rows = {
        key: {
            "what": BUDGETS[key].what,
            "value": value,
            "unit": BUDGETS[key].unit,
            "theirs": figures.theirs.get(key),
            "goal": BUDGETS[key].goal,
            "limit": BUDGETS[key].limit,
        }
        for key, value in figures.values.items()
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({**_about(), "rows": rows, "details": figures.details}, indent=1)
    out.write_text(text + "\n")


def _cells(figures: Figures) -> list[tuple[str, str, str, str]]:
    """Return (what, ours, theirs, goal) of each figure, as text."""
    cells = []
    for key, value in figures.values.items():
        budget = BUDGETS[key]
        theirs = figures.theirs.get(key)
        goal = "" if budget.goal is None else f"{_number(budget.goal, budget.unit)}"
        if budget.goal is not None and value > budget.goal:
            goal += " (not reached)"
        cells.append(
            (
                budget.what,
                _number(value, budget.unit),
                "" if theirs is None else _number(theirs, budget.unit),
                goal,
            )
        )
    return cells


def _number(value: float, unit: str) -> str:
    text = f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
    return f"{text} {unit}".rstrip()


def _print_table(figures: Figures) -> None:
    table = Table("what", "ours", "requests", "goal")
    for column in table.columns[1:]:
        column.justify = "right"
    for row in _cells(figures):
        table.add_row(*row)
    Console().print(table)


def _print_details(figures: Figures) -> None:
    for name, value in figures.details.items():
        if name in ("mpy", "flash"):
            continue
        print(f"{name}:")
        if isinstance(value, dict):
            rows = sorted(value.items(), key=_largest_first) if "module" in name else value.items()
            for key, number in rows:
                print(f"  {key}: {number}")
        else:
            print(f"  {value}")


def _largest_first(item: tuple[str, int]) -> int:
    return -item[1]


def _write_readme(path: Path, figures: Figures) -> None:
    about = _about()
    lines = ["| what | ours | `requests` | goal |", "|---|---:|---:|---:|"]
    lines += [f"| {' | '.join(row)} |" for row in _cells(figures)]
    lines += ["", f"Measured {about['date']} on {about['machine']}, linkpost {about['version']}."]
    text = path.read_text()
    before, found, rest = text.partition(_README_START)
    _, ended, after = rest.partition(_README_END)
    if not found or not ended:
        raise failures.CommandError(f"{path} has no place for the table: {_README_START}")
    block = "\n".join(lines)
    path.write_text(f"{before}{_README_START}\n{block}\n{_README_END}{after}")
