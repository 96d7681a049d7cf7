"""`linkpost board chip`: MicroPython's own Pico W build on this machine."""

from __future__ import annotations

import re
import sys
import tempfile
import time
from pathlib import Path

import click

from tools import failures
from tools.board_files import load_config
from tools.chip import cache, flash
from tools.chip.process import ChipProcess
from tools.chip.repl import ChipRepl


@click.group()
def chip() -> None:
    """A Pico W on this machine: MicroPython's own build on an emulated RP2040.

    \b
    Example: linkpost board chip run --config config.json --ca ca.pem --reports 5
    """


_config = click.option("--config", type=click.Path(path_type=Path), help="config.json")
_ca = click.option("--ca", type=click.Path(path_type=Path), help="PEM file of further CAs.")
_heap = click.option("--heap", type=click.IntRange(min=16384), help="Total heap in bytes.")
_tls = click.option(
    "--tls", type=click.Choice(["chip", "host"]), default="chip", show_default=True
)
_flash = click.option("--flash", "flash_path", type=click.Path(path_type=Path), help="Flash file.")
_seed = click.option("--seed", type=int, help="Makes os.urandom repeatable.")


@chip.command()
@click.option("--micropython", type=click.Path(path_type=Path), help="RPI_PICO_W-*.uf2")
@click.option("--bootrom", type=click.Path(path_type=Path), help="Binary, or bootrom.ts.")
def fetch(micropython: Path | None, bootrom: Path | None) -> int:
    """Put MicroPython's build and the boot ROM into the cache."""
    if micropython is not None:
        print(cache.keep_micropython(micropython))
    if bootrom is not None:
        print(cache.keep_bootrom(bootrom))
    return failures.DONE


@chip.command()
@click.option("--config", required=True, type=click.Path(path_type=Path), help="config.json")
@_ca
@_flash
@_heap
@_tls
@_seed
@click.option("--reports", type=click.IntRange(min=1), help="Stop after N accepted reports.")
@click.option("--timeout", type=click.FloatRange(min=0), help="Stop after so many seconds.")
def run(
    config: Path,
    ca: Path | None,
    flash_path: Path | None,
    heap: int | None,
    tls: str,
    seed: int | None,
    reports: int | None,
    timeout: float | None,
) -> int:
    """Run the firmware on the chip's own build."""
    text, parsed = load_config(config)
    files = {**flash.firmware_files(parsed, ca), "config.json": text}
    accepted = 0
    end = time.monotonic() + timeout if timeout else None
    with tempfile.TemporaryDirectory() as folder:
        path = flash_path or Path(folder) / "flash.bin"
        flash.refresh(path, files)
        with ChipProcess(
            path, heap=heap, tls_on_host=tls == "host", seed=seed, real_time=reports is None
        ) as board:
            line = b""
            while True:
                event = board.next_event(1)
                if end is not None and time.monotonic() > end:
                    return failures.TIMEOUT
                if event is None or "time" in event:
                    continue
                if "console" not in event:
                    print(f"chip: {event}", file=sys.stderr)
                    if "end" in event:
                        return failures.NO_BOARD
                    continue
                line += event["console"]
                *lines, line = line.split(b"\n")
                for one in lines:
                    shown = one.decode(errors="replace").rstrip()
                    print(shown, file=sys.stderr, flush=True)
                    found = re.search(r" I send accepted seq=\d+(?: count=(\d+))?", shown)
                    accepted += int(found.group(1) or 1) if found else 0
                if reports is not None and accepted >= reports:
                    board.off()
                    reports = 1 << 60
                    print(f"board: {accepted} accepted")
                    return failures.DONE


@chip.command(name="exec")
@click.argument("script", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--config", type=click.Path(path_type=Path), help="config.json; puts the firmware on."
)
@_ca
@_flash
@_heap
@_tls
@_seed
@click.option("--timeout", type=float, default=600.0, help="Seconds.")
def exec_command(
    script: Path,
    config: Path | None,
    ca: Path | None,
    flash_path: Path | None,
    heap: int | None,
    tls: str,
    seed: int | None,
    timeout: float,
) -> int:
    """Run a script at the chip's raw REPL, with the firmware's files on its flash.

    main.py is left out, so nothing runs beside it.
    """
    if config is None:
        parsed = {
            "endpoint": "localhost:8443",
            "product_key": "a1B2c3D4e5F",
            "device_name": "sensor01",
            "device_secret": "0123456789abcdef",
            "wifi": {"ssid": "x", "password": "12345678"},
        }
        files = flash.firmware_files(parsed, ca)
    else:
        text, parsed = load_config(config)
        files = {**flash.firmware_files(parsed, ca), "config.json": text}
    del files["main.py"]
    with tempfile.TemporaryDirectory() as folder:
        path = flash_path or Path(folder) / "flash.bin"
        flash.refresh(path, files)
        started = time.monotonic()
        with ChipProcess(path, heap=heap, tls_on_host=tls == "host", seed=seed) as board:
            repl = ChipRepl(
                board,
                lambda text: print(f"chip: stand-ins kept, heap, free: {text}", file=sys.stderr),
            )
            repl.enter()
            _, error = repl.run(script.read_bytes(), timeout, _show)
            board.off()
            while (event := board.next_event(10)) and "end" not in event:
                pass
        wall = time.monotonic() - started
        print(f"chip: {board.chip_ms:.0f} ms of chip, {wall:.1f} s here", file=sys.stderr)
        sys.stderr.write(error.decode(errors="replace"))
        return 1 if error else failures.DONE


def _show(data: bytes) -> None:
    sys.stdout.write(data.decode(errors="replace").replace("\r\n", "\n"))
    sys.stdout.flush()
