"""`linkpost board chip serial`: the emulated chip's REPL as a serial port."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import click

from ..terminal import failures
from ..virtual_board import image, options
from ..virtual_board.endings import stop_on_signals
from ..virtual_board.ready import port_name, tell_ready
from . import fill
from . import flash as flash_file


@click.command(short_help="Its REPL on a serial port, for mpremote and deploy.")
@click.option(
    "--flash",
    required=True,
    type=click.Path(path_type=Path),
    help="The board's whole 2 MB flash: a file, made on first use and kept.",
)
@options.on_a_port(
    "native",
    "The port is the chip's own, away for a second at a hard reset, as a Pico's; or a "
    "bridge chip's, which stays.",
)
@options.seed
def serial(
    flash: Path,
    config: Path | None,
    ca: Path | None,
    usb: str,
    link: Path | None,
    ready_file: Path | None,
    seed: int | None,
) -> int:
    """MicroPython's own Pico W build on a serial port: provision, deploy, status, mpremote.

    Runs until Ctrl-C, no faster than a board does. The first line on standard output is the
    port's name; resets are printed on standard error. The signal SIGUSR1 presses its reset button.

    \b
    Example: linkpost board chip serial --flash pico.flash --link /tmp/pico
             linkpost provision --port /tmp/pico
    """
    if sys.platform == "win32":
        raise failures.CommandError("board chip serial needs pseudo-terminals: Linux or macOS")
    from .serial_board import ChipOnPort

    if ca is not None and config is None:
        raise failures.CommandError("--ca needs --config")
    with image.in_use(flash):
        if config is not None:
            fill.put_config(flash, config, ca)
        else:
            flash_file.prepare(flash)
    with port_name(link) as name, image.in_use(flash):
        board = ChipOnPort(
            flash, name, usb, lambda line: print(f"board: {line}", file=sys.stderr, flush=True)
        )
        stop_on_signals(board)
        signal.signal(signal.SIGUSR1, lambda *_: board.press_reset())
        board.start(seed)
        tell_ready(ready_file, name, flash, usb, "RPI_PICO_W")
        board.run()
    return failures.INTERRUPTED
