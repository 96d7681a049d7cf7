"""`linkpost image`: factory images, one for each device of a list."""

from __future__ import annotations

import datetime
import json
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from tools import failures, firmware
from tools.boards import ESP32, Board, find_board
from tools.config_check import check_config, dump_config
from tools.devices_csv import Triple, read_devices
from tools.failures import CommandError
from tools.firmware_cache import firmware_from
from tools.firmware_image import look_inside
from tools.image_build import (
    Layout,
    base_image,
    config_for,
    device_image,
    file_names,
    layout_of,
    write_sparse,
)
from tools.json_files import read_object

_SIZES_MB = (2, 4, 8, 16, 32)
# In the folder while its images are being made.
_UNFINISHED = ".unfinished"
_IGNORE_CTRL_C = (signal.SIGINT, signal.SIG_IGN)
_TRIPLE = ("product_key", "device_name", "device_secret")


@click.command()
@click.argument("board_name", metavar="BOARD")
@click.option(
    "--config",
    required=True,
    type=click.Path(path_type=Path),
    help="config.json of the device; with --csv a template, whose triple each row replaces.",
)
@click.option(
    "--csv", "csv_path", type=click.Path(path_type=Path), help="The console's device list."
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="A new folder for the images and manifest.json.",
)
@click.option(
    "--flash-size",
    type=click.Choice([f"{size}MB" for size in _SIZES_MB]),
    help="Of the chip, where it is not the usual one; linkpost flash tells it.",
)
@click.option("--ca", type=click.Path(path_type=Path), help="PEM file of further CAs to trust.")
@click.option(
    "--micropython",
    type=click.Path(path_type=Path),
    help="MicroPython's own file: it goes into the image, which is then all the board needs.",
)
def image(
    board_name: str,
    config: Path,
    csv_path: Path | None,
    out: Path,
    flash_size: str | None,
    ca: Path | None,
    micropython: Path | None,
) -> int:
    """Make flash images that need no REPL: firmware, certificates and config of each device.

    For the ESP32 family a .bin for esptool, for a Pico a .uf2 for its drive. The images hold the
    devices' secrets and nothing else does; manifest.json has their hashes and what to type.

    \b
    Example: linkpost image RPI_PICO_W --config template.json --csv devices.csv --out images
    """
    board = find_board(board_name)
    layout = layout_of(
        board,
        int(flash_size[:-2]) << 20 if flash_size else None,
        firmware_from(micropython) if micropython else None,
    )
    configs = configs_of(config, csv_path)
    check_config(configs[0][1], board)
    base = base_image(layout, configs[0][1], ca)
    names = file_names([triple for triple, _ in configs], layout.suffix)
    tasks = [
        (layout, base, triple, data, out / name)
        for (triple, data), name in zip(configs, names, strict=True)
    ]
    entries = []
    with _new_folder(out), _bar(len(tasks)) as advance, _pool(len(tasks)) as run:
        for entry in run(_make_one, tasks):
            entries.append(entry)
            advance()
        _write_manifest(out, layout, entries)
    many = "1 image" if len(entries) == 1 else f"{len(entries)} images"
    print(f"{many} and manifest.json are in {out}: {_contents(layout)}")
    first = "" if layout.micropython else f"linkpost flash {board.name}, then "
    print(f"Next: {first}{_command(layout, entries[0]['file'] if len(entries) == 1 else 'FILE')}")
    return failures.DONE


def configs_of(config: Path, csv_path: Path | None) -> list[tuple[Triple, dict[str, Any]]]:
    """Return each device with its config. Raises: CommandError, and the firmware's ConfigError."""
    _, template = read_object(config, "--config")
    if csv_path is not None:
        return [(triple, config_for(template, triple)) for triple in read_devices(csv_path)]
    firmware.enable_imports()
    from linkpost.config import Config

    Config(template)
    return [(Triple(*(template[key] for key in _TRIPLE)), template)]


def _make_one(task: tuple[Layout, bytes, Triple, dict[str, Any], Path]) -> dict[str, Any]:
    """Make and write one device's image; runs in a process of the pool."""
    layout, base, triple, config, path = task
    checked = check_config(config, layout.board)
    data = device_image(layout, base, dump_config(config), checked)
    solid = len(layout.micropython or b"") if layout.suffix == ".bin" else len(data)
    digest = write_sparse(path, data, layout.board.block_size, solid)
    return {"device": triple.key, "file": path.name, "bytes": len(data), "sha256": digest}


Run = Callable[[Callable[[Any], Any], list[Any]], Iterator[Any]]


@contextmanager
def _pool(count: int) -> Iterator[Run]:
    """Yield a `map` over all cores; over none where there is little to do."""
    workers = min(count // 8, os.cpu_count() or 1)
    if workers < 2:
        yield map
        return
    # Ctrl-C reaches them too; it is ours to end them.
    pool = ProcessPoolExecutor(workers, initializer=signal.signal, initargs=_IGNORE_CTRL_C)
    try:
        yield lambda work, tasks: pool.map(work, tasks, chunksize=4)
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _bar(total: int) -> Iterator[Callable[[], None]]:
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda: None
        return
    columns = (TextColumn("images"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("images", total=total)
        yield lambda: progress.advance(task)


@contextmanager
def _new_folder(out: Path) -> Iterator[None]:
    """Make the folder; what is cut short leaves no image, as each holds a secret.

    A folder in which a killed run has left its mark is emptied and used again.
    """
    is_new = not out.exists()
    try:
        out.mkdir(parents=True, mode=0o700, exist_ok=True)
        if (out / _UNFINISHED).exists():
            _empty(out)
        if any(out.iterdir()):
            raise CommandError(f"--out: {out} is there already; give a new folder")
        out.chmod(0o700)
        (out / _UNFINISHED).touch()
    except OSError as error:
        raise CommandError(f"--out: cannot make {out}: {error.strerror}") from error
    try:
        yield
    except BaseException:
        _empty(out)
        if is_new:
            out.rmdir()
        raise
    (out / _UNFINISHED).unlink()


def _empty(out: Path) -> None:
    """Remove what a run has made; the mark last, for a next time where this is cut short."""
    for path in sorted(out.iterdir(), key=lambda path: path.name == _UNFINISHED):
        path.unlink()


def _write_manifest(out: Path, layout: Layout, entries: list[dict[str, Any]]) -> None:
    board = layout.board
    manifest = {
        "board": board.name,
        "linkpost": firmware.version(),
        "micropython": "in the images" if layout.micropython else board.version,
        "made": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "file_system_start": layout.start,
        "block_count": layout.block_count,
        "block_size": board.block_size,
        "command": _command(layout, "FILE"),
        "images": entries,
    }
    (out / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")


def _contents(layout: Layout) -> str:
    if layout.micropython:
        return f"{look_inside(layout.micropython, layout.board).micropython}, firmware and config"
    return (
        f"firmware and config, no MicroPython. The board needs {layout.board.version} first, "
        "or give its file with --micropython"
    )


def _command(layout: Layout, file: str) -> str:
    """Return what brings an image onto a board."""
    board: Board = layout.board
    if board.port == ESP32:
        return f"esptool --chip {board.chip} write-flash {layout.offset:#x} {file}"
    return f"copy {file} to the drive {board.uf2_volume} (BOOTSEL held while plugging in)"
