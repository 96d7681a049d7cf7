"""`linkpost board run`: the firmware on a virtual board."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ..firmware.long_names import with_long_name
from ..terminal import failures
from ..terminal.finite_range import FiniteRange
from . import image, kinds, options, runtimes
from .endings import (
    exit_code,
    stop_on_signals,
    tell_end,
    tell_last_line,
    tell_operations,
)
from .put_files import put_files
from .supervisor import Setup, Supervisor


@click.command()
@click.option("--config", required=True, type=click.Path(path_type=Path), help="config.json")
@click.option(
    "--flash",
    required=True,
    type=click.Path(path_type=Path),
    help="The board's flash: an image file, made on first use and kept; token and waiting "
    "readings are in it. A folder with --runtime cpython.",
)
@click.option(
    "--ca",
    type=click.Path(path_type=Path),
    help="PEM file of CAs to trust beside the platform's own, e.g. the emulator's. Without it, "
    "the CA of an earlier run is removed from the board.",
)
@options.reports
@click.option("--timeout", type=FiniteRange(min=0), help="Stop after so many seconds.")
@click.option(
    "--runtime",
    type=click.Choice(runtimes.RUNTIMES),
    default=runtimes.MICROPYTHON,
    show_default=True,
    help="Interpreter of the firmware.",
)
@click.option(
    "--heap",
    type=click.IntRange(min=16 * 1024),
    help="MicroPython's heap in bytes; the firmware takes half as much again as on a chip. "
    f"[default: {runtimes.DEFAULT_HEAP_BYTES}]",
)
@options.cut_power_at
@options.board_kind
def run(
    config: Path,
    flash: Path,
    ca: Path | None,
    reports: int | None,
    timeout: float | None,
    runtime: str,
    heap: int | None,
    cut_power_at: int | None,
    kind_name: str,
) -> int:
    """Run the firmware until Ctrl-C, --reports or --timeout.

    \b
    The log goes to standard error. The last line on standard output is
      board: A accepted, R quarantined, P pending, D dropped
    or after --cut-power-at
      board: power cut at flash operation N

    \b
    Exit codes: 0 done, 2 configuration, 6 the --timeout passed (3 if the board's
    latest failure then was a refused authentication), 7 the power was cut,
    130 Ctrl-C.

    \b
    Example: linkpost board run --config config.json --flash board.img \\
                 --ca ca.pem --reports 5
    """
    runtime = runtimes.choose(runtime)
    if runtime == runtimes.CPYTHON:
        for value, option in ((heap, "--heap"), (cut_power_at, "--cut-power-at")):
            if value is not None:
                raise failures.CommandError(f"{option} needs --runtime micropython")
    setup = Setup(
        runtime=runtime,
        kind=kinds.KINDS[kind_name],
        flash=flash,
        heap_bytes=heap or runtimes.DEFAULT_HEAP_BYTES,
        reports=reports,
        timeout_s=timeout,
        cut_at=cut_power_at or 0,
    )
    with image.in_use(flash):
        put_files(setup, config, ca)
    supervisor = Supervisor(
        setup, lambda line: print(with_long_name(line), file=sys.stderr, flush=True)
    )
    stop_on_signals(supervisor)
    with image.in_use(flash):  # a refreshed image is a new file
        outcome = supervisor.run()
    code = exit_code(outcome)
    tell_end(outcome, code)
    if runtime == runtimes.MICROPYTHON:
        tell_operations(outcome)
    tell_last_line(outcome)
    return code
