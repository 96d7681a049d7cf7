"""`linkpost board serial`: a virtual board behind a serial port, for mpremote."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import click

from ..terminal import failures
from . import image, kinds, options, runtimes
from .endings import stop_on_signals
from .put_files import put_files
from .ready import port_name, tell_ready
from .supervisor import Setup


@click.command(short_help="A board on a serial port, for mpremote and deploy.")
@click.option(
    "--flash",
    required=True,
    type=click.Path(path_type=Path),
    help="The board's flash: an image file, made on first use and kept.",
)
@options.on_a_port(
    "uart",
    "The port is a bridge chip's and stays, or the chip's own: away for a second at a hard "
    "reset, and for all of a deep sleep.",
)
@options.board_kind
def serial(
    flash: Path,
    config: Path | None,
    ca: Path | None,
    usb: str,
    link: Path | None,
    ready_file: Path | None,
    kind_name: str,
) -> int:
    """A board on a serial port: real MicroPython with its REPL, for mpremote and deploy.

    Runs until Ctrl-C. The first line on standard output is the port's name; resets
    and sleep are printed on standard error. The signal SIGUSR1 presses its reset button.
    What the board stands for: `sys.platform` is the desktop's, so the tools give it the files of
    a host, with native digests.

    \b
    Example: linkpost board serial --flash board.img --link /tmp/board
             mpremote connect /tmp/board fs ls
    """
    if sys.platform == "win32" or not runtimes.has_micropython():
        raise failures.CommandError(
            "board serial needs MicroPython and pseudo-terminals: Linux x86_64 or macOS arm64",
            failures.USAGE,
        )
    from .serial_board import SerialBoard, Wiring, prepare_flash

    if ca is not None and config is None:
        raise failures.CommandError("--ca needs --config", failures.USAGE)
    setup = Setup(runtimes.MICROPYTHON, kinds.KINDS[kind_name], flash)
    with image.in_use(flash):
        prepare_flash(setup)
        if config is not None:
            put_files(setup, config, ca)
    with port_name(link) as name:
        serial_board = SerialBoard(
            setup, Wiring(name, usb), note=lambda line: print(f"board: {line}", file=sys.stderr)
        )
        stop_on_signals(serial_board)
        signal.signal(signal.SIGUSR1, lambda *_: serial_board.press_reset())
        serial_board.port.appear()
        tell_ready(ready_file, name, flash, usb, kind_name)
        serial_board.run()
    return failures.INTERRUPTED
