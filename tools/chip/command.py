"""`linkpost board chip`: MicroPython's own Pico W build on this machine."""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import click

from ..firmware.board_files import load_config
from ..firmware.config_check import CONFIG
from ..firmware.long_names import with_long_name
from ..terminal import failures
from ..terminal.failures import CommandError
from ..terminal.finite_range import FiniteRange
from ..virtual_board import image, options
from ..virtual_board.endings import (
    exit_code,
    stop_on_signals,
    tell_end,
    tell_last_line,
    tell_operations,
)
from . import cache, fill, flash
from .process import ChipProcess
from .repl import ChipRepl
from .run import ChipRun, Wanted
from .serial_command import serial

HEAP_BYTES = 205_568  # what MicroPython's build for the Pico W has

# For scripts that need no config of their own.
_TEST_CONFIG = {
    "endpoint": "localhost:8443",
    "product_key": "a1B2c3D4e5F",
    "device_name": "sensor01",
    "device_secret": "0123456789abcdef",
    "wifi": {"ssid": "desk", "password": "12345678"},
}


@click.group()
def chip() -> None:
    """A Pico W on this machine: MicroPython's own build on an emulated RP2040.

    Processor, clock, heap (205,568 bytes), TLS and flash are the real build's; the radio is this
    computer's network. `linkpost board chip fetch` comes first.

    \b
    Example: linkpost board chip run --config config.json --ca ca.pem \\
                 --flash pico.flash --reports 5
    """


_config = click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="config.json: put the firmware and this config on the board first.",
)
_heap = click.option(
    "--heap",
    type=click.IntRange(16_384, HEAP_BYTES),
    help="Total heap in bytes: the rest is taken in one block before any import. What the "
    "stand-ins keep comes on top, as far as there is so much.  "
    f"[default: {HEAP_BYTES}, the chip's, less what they keep]",
)
_tls = click.option(
    "--tls",
    type=click.Choice(["chip", "host"]),
    default="chip",
    show_default=True,
    help="Who does TLS: mbedTLS on the chip, or this computer, as on an ESP32, whose TLS lies "
    "outside the heap.",
)
_flash = click.option(
    "--flash",
    "flash_path",
    type=click.Path(path_type=Path),
    help="The board's whole 2 MB flash: a file, made on first use and kept.  [default: a new one "
    "for each run]",
)


@chip.command()
@click.option(
    "--micropython",
    type=click.Path(path_type=Path),
    help="A RPI_PICO_W-*.uf2 that is here already.",
)
@click.option(
    "--bootrom",
    type=click.Path(path_type=Path),
    help="The RP2040's boot ROM that is here already: 16,384 bytes, or the bootrom.ts of "
    "rp2040js' demo.",
)
def fetch(micropython: Path | None, bootrom: Path | None) -> int:
    """Download the two files that the chip needs into your cache, or copy them there.

    MicroPython's build for the Pico W and the RP2040's boot ROM, revision B1. Neither is part of
    linkpost.

    \b
    Example: linkpost board chip fetch
             linkpost board chip fetch --micropython FILE.uf2 --bootrom bootrom.ts
    """
    kept = []
    if bootrom is not None or micropython is None:
        kept.append(cache.keep_bootrom(bootrom))
    if micropython is not None or bootrom is None:
        kept.append(cache.keep_micropython(micropython))
    for path in kept:
        print(path)
    if not cache.is_complete():
        missing = "--micropython" if bootrom is not None else "--bootrom"
        print(f"Next: linkpost board chip fetch {missing} FILE", file=sys.stderr)
    return failures.DONE


@chip.command()
@click.option(
    "--image",
    "image_path",
    type=click.Path(path_type=Path),
    help="A .uf2 that `linkpost image RPI_PICO_W --micropython FILE` wrote, onto a new flash.",
)
@_config
@options.new_ca
@_flash
@options.reports
@click.option("--timeout", type=FiniteRange(min=0), help="Stop after so many seconds here.")
@options.cut_power_at
@_heap
@_tls
@options.seed
def run(
    image_path: Path | None,
    config: Path | None,
    ca: Path | None,
    flash_path: Path | None,
    reports: int | None,
    timeout: float | None,
    cut_power_at: int | None,
    heap: int | None,
    tls: str,
    seed: int | None,
) -> int:
    """Run the firmware on the chip's own build, until Ctrl-C, --reports or --timeout.

    The log goes to standard error as it comes, its seconds are the chip's. With --reports idle
    time is skipped; without, it takes as long as on a board. The last line on standard output is
    as that of `linkpost board run`, and so are the exit codes.

    \b
    Example: linkpost board chip run --config config.json --ca ca.pem \\
                 --flash pico.flash --reports 5
    """
    if (ca is not None) and config is None:
        raise CommandError("--ca needs --config; an image has its certificates in it")
    if config is not None and image_path is not None:
        raise CommandError("give --config or --image, not both")
    with _flash_file(flash_path) as path:
        _fill(path, image_path, config, ca)
        board = ChipRun(
            Wanted(reports, timeout, cut_power_at or 0),
            lambda line: print(with_long_name(line), file=sys.stderr, flush=True),
        )
        stop_on_signals(board)
        with image.in_use(path):
            outcome = board.run(
                path,
                heap=heap,
                tls_on_host=tls == "host",
                seed=seed,
                real_time=reports is None and cut_power_at is None,
            )
    code = exit_code(outcome)
    tell_end(outcome, code)
    where = "beside it" if board.heap else "of it"
    print(
        f"linkpost: chip time: {board.chip_ms / 1000:.1f} s, in {board.wall_s:.1f} s here; heap: "
        f"{board.heap or HEAP_BYTES} bytes, the stand-ins keep {board.kept_by_stand_ins} {where}"
        + ("; TLS is not in it" if tls == "host" else ""),
        file=sys.stderr,
    )
    tell_operations(outcome)
    tell_last_line(outcome)
    return code


chip.add_command(serial)


@chip.command(name="exec")
@click.argument("script", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_config
@options.new_ca
@_flash
@_heap
@_tls
@options.seed
@click.option(
    "--timeout", type=FiniteRange(min=0), default=600.0, show_default=True, help="Seconds."
)
def exec_script(
    script: Path,
    config: Path | None,
    ca: Path | None,
    flash_path: Path | None,
    heap: int | None,
    tls: str,
    seed: int | None,
    timeout: float,
) -> int:
    """Run a script at the chip's raw REPL, with the firmware on its flash but not started.

    A --flash that exists stays as it is, but with --config. Exit code 1 where it raises.

    \b
    Example: linkpost board chip exec measure.py --heap 81920 --tls host
    """
    with _flash_file(flash_path) as path:
        with image.in_use(path):
            _prepare(path, config, ca, is_kept=flash_path is not None)
        began = time.monotonic()
        with (
            image.in_use(path),
            ChipProcess(path, heap=heap, tls_on_host=tls == "host", seed=seed) as board,
        ):
            notes: list[str] = []
            repl = ChipRepl(board, notes.append)
            repl.enter()
            if flash.has_app(path):
                repl.soft_reset()  # it had begun
            _tell_heap(notes[-1])
            _, error = repl.run(script.read_bytes(), timeout, _show)
            board.off()
            while (event := board.next_event(10)) and "end" not in event:
                pass
    wall_s = time.monotonic() - began
    print(f"chip: {board.chip_ms:.0f} ms of chip time, {wall_s:.1f} s here", file=sys.stderr)
    sys.stderr.write(error.decode(errors="replace").replace("\r\n", "\n"))
    return 1 if error else failures.DONE


@contextlib.contextmanager
def _flash_file(given: Path | None) -> Iterator[Path]:
    """Yield the flash; a new one, where none was given, is gone at the end, also by SIGTERM."""
    if given is not None:
        yield given
        return
    signal.signal(signal.SIGTERM, _interrupt)
    with tempfile.TemporaryDirectory(prefix="linkpost-chip-") as folder:
        yield Path(folder) / "flash"


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _fill(path: Path, image_path: Path | None, config: Path | None, ca: Path | None) -> None:
    with image.in_use(path):
        if config is not None:
            fill.put_config(path, config, ca)
        elif image_path is not None:
            fill.put_image(path, image_path)
        elif path.exists():
            fill.look_at(path)
        else:
            raise CommandError("there is nothing to run: give --config, --image, or a --flash")


def _prepare(path: Path, config: Path | None, ca: Path | None, is_kept: bool) -> None:
    """Put onto the flash what a script finds there; a kept one's own files stay."""
    if config is not None and is_kept:
        flash.refresh(path, fill.files_of(config, ca))
    elif path.exists():
        if ca is not None:
            raise CommandError(f"--ca needs --config: {path} exists, and stays as it is")
        flash.mend(path)
    else:
        text, parsed = load_config(config) if config else (b"", _TEST_CONFIG)
        files = flash.firmware_files(parsed, ca)
        del files["main.py"]
        flash.refresh(path, {**files, CONFIG: text or json.dumps(parsed).encode()})


def _tell_heap(note: str) -> None:
    print(f"chip: stand-ins kept, heap, free: {note}", file=sys.stderr)


def _show(data: bytes) -> None:
    sys.stdout.write(data.decode(errors="replace").replace("\r\n", "\n"))
    sys.stdout.flush()
