"""`python -m tools.soak`, which `make soak` runs."""

from __future__ import annotations

import contextlib
import json
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from ..terminal import failures, standard_streams
from ..terminal.finite_range import FiniteRange
from ..virtual_board import runtimes
from . import report, run

_LOST = 1
_LINE_EVERY_S = 10.0
# A plain ESP32's heap after linkpost has made it grow; TLS lies outside of it.
_ESP32_BYTES = 81_920


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--seconds",
    type=FiniteRange(min=1),
    default=120.0,
    envvar="SOAK_S",
    show_default=True,
    show_envvar=True,
    help="Seconds of faults; draining comes after it.",
)
@click.option("--readings", type=click.IntRange(min=1), help="Or stop after N stored readings.")
@click.option("--boards", type=click.IntRange(min=1), default=5, show_default=True)
@click.option(
    "--heap",
    type=click.IntRange(min=16 * 1024),
    default=_ESP32_BYTES,
    show_default=True,
    help="A chip's heap in bytes; the boards get the unix port's equal.",
)
@click.option("--seed", help="Repeat the schedule of that run, as far as timing allows.")
@click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep logs, flash images and the emulator's database in this folder.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of the table.")
def main(
    seconds: float,
    readings: int | None,
    boards: int,
    heap: int,
    seed: str | None,
    keep: Path | None,
    as_json: bool,
) -> int:
    """Run virtual boards against the emulator while random faults happen.

    Faults of every kind, power cuts, emulator restarts, tokens that expire. At the end the
    faults stop, every board sends its waiting readings, and what their logs promised is compared
    with what arrived.

    \b
    Exit codes: 0 nothing lost, 1 something is wrong, 2 usage, 4 the emulator failed, 130 Ctrl-C.

    \b
    Example: python -m tools.soak --seconds 600 --boards 5
    """
    if not runtimes.has_micropython():
        raise failures.CommandError("a soak needs real MicroPython, which is not installed here")
    plan = run.Plan(seconds, readings, boards, seed or secrets.token_hex(4), heap)
    # First of all, so that also a run that is killed can be repeated.
    print(f"soak: seed {plan.seed}", file=sys.stderr, flush=True)
    folder = keep or Path(tempfile.mkdtemp(prefix="linkpost-soak-"))
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise failures.CommandError(f"{folder} is not empty: give --keep a new folder")
    good = False
    try:
        with _progress(plan) as progress:
            result = run.soak(plan, folder, progress)
        good = result.is_good
    finally:
        if keep is None and good:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            print(f"soak: logs and flash images: {folder}", file=sys.stderr, flush=True)
    if as_json:
        print(json.dumps(report.figures(result)))
    else:
        report.print_table(result, Console(width=None if sys.stdout.isatty() else 120))
        print("nothing lost" if good else "FAILED: see above", flush=True)
    return failures.DONE if good else _LOST


@contextlib.contextmanager
def _progress(plan: run.Plan) -> Iterator[run.Progress]:
    """Yield what shows the progress: a bar on a terminal, else a line now and then."""
    if not sys.stderr.isatty():
        yield _lines()
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("soak", total=plan.seconds)

        def show(seconds: float, readings: int, phase: str) -> None:
            text = f"{phase}: {readings} readings"
            bar.update(task, completed=min(seconds, plan.seconds), description=text)

        yield show


def _lines() -> run.Progress:
    next_at = time.monotonic() + _LINE_EVERY_S

    def show(seconds: float, readings: int, phase: str) -> None:
        nonlocal next_at
        if time.monotonic() >= next_at:
            next_at = time.monotonic() + _LINE_EVERY_S
            print(f"soak: {seconds:.0f} s, {phase}, {readings} readings", file=sys.stderr)

    return show


if __name__ == "__main__":
    standard_streams.replace_what_they_lack()
    try:
        sys.exit(main(standalone_mode=False))
    except click.ClickException as error:
        error.show(sys.stderr)
        sys.exit(failures.USAGE)
    except failures.CommandError as error:
        print(f"soak: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.exceptions.Abort):
        sys.exit(failures.INTERRUPTED)
