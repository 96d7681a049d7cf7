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
from . import heap32, pages
from .budgets import BUDGETS
from .figures import Figures, collect_counts, collect_times

_ROOT = Path(__file__).parent.parent.parent


@click.command()
@click.option(
    "--check", is_flag=True, help="Only figures that are the same in each run; fail at a limit."
)
@click.option("--rounds", default=50, show_default=True, help="Reports of each kind, in turns.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=_ROOT / "build" / "bench.json",
    help="Write the figures as JSON to this file.  [default: build/bench.json]",
)
@click.option("--docs", is_flag=True, help="Write the table into docs/measured.md as well.")
@click.option(
    "--chip", is_flag=True, help="On the Pico W's own build; --check reads the committed figures."
)
@click.option("--accept", is_flag=True, help="With --chip: keep figures that are worse.")
def bench(check: bool, rounds: int, out: Path, docs: bool, chip: bool, accept: bool) -> int:
    """Measure what linkpost costs, beside MicroPython's own `requests`, in one run.

    \b
    Example: linkpost bench --rounds 20
    """
    if not (_ROOT / "host_tests").is_dir():
        raise failures.CommandError("the benchmarks need linkpost's source tree; clone it")
    if docs and (check or chip):
        raise failures.CommandError("--docs is for a whole run: without --check and --chip")
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
    if docs:
        pages.write_desktop_table(figures, _about())
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


def _print_table(figures: Figures) -> None:
    table = Table("what", "ours", "requests", "goal")
    for column in table.columns[1:]:
        column.justify = "right"
    for row in pages.cells(figures):
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
