"""`linkpost image`: factory images, one for each device of a list."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .. import firmware
from ..client.devices_csv import Triple, read_devices
from ..files.json_files import read_object
from ..firmware.boards import ESP32, Board, find_board
from ..firmware.config_check import check_config
from ..firmware.config_hints import check_rules
from ..firmware.user_files import read_user_files
from ..flash.firmware_cache import firmware_from
from ..flash.firmware_image import look_inside
from ..terminal import failures
from ..terminal.counting import count
from .build import (
    Layout,
    base_image,
    config_for,
    file_names,
    layout_of,
)
from .job import Job, Task

_SIZES_MB = (2, 4, 8, 16, 32)
_TRIPLE = ("product_key", "device_name", "device_secret")


@click.command()
@click.argument("board_name", metavar="BOARD")
@click.option(
    "--config",
    required=True,
    type=click.Path(path_type=Path),
    help="config.json of the device; with --csv a template, whose identity each row replaces.",
)
@click.option(
    "--csv", "csv_path", type=click.Path(path_type=Path), help="The console's device list."
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder for the images, manifest.json and labels.csv; new, or one to continue.",
)
@click.option(
    "--flash-size",
    type=click.Choice([f"{size}MB" for size in _SIZES_MB]),
    help="The chip's flash, where it is not the usual size; linkpost flash shows it.",
)
@click.option("--ca", type=click.Path(path_type=Path), help="PEM file of further CAs to trust.")
@click.option(
    "--micropython",
    type=click.Path(path_type=Path),
    help="MicroPython's .bin or .uf2 to include; then the board needs nothing else.",
)
@click.option(
    "--user",
    "user_folder",
    type=click.Path(path_type=Path),
    help="A folder of your own sensors, for the board's user/, and of a main.py in place of ours.",
)
def image(
    board_name: str,
    config: Path,
    csv_path: Path | None,
    out: Path,
    flash_size: str | None,
    ca: Path | None,
    micropython: Path | None,
    user_folder: Path | None,
) -> int:
    """Make flash images with firmware, certificates and config, one for each device.

    For the ESP32 family a .bin for esptool, for a Pico a .uf2 for its drive. The images hold the
    devices' secrets and nothing else does; manifest.json has their hashes and what to type,
    labels.csv what a label printer wants: name, product key, and the device name as QR text.
    Ctrl-C leaves whole images, and the same command continues.

    \b
    Example: linkpost image RPI_PICO_W --config template.json
             --csv devices.csv --out images
    """
    board = find_board(board_name)
    layout = layout_of(
        board,
        int(flash_size[:-2]) << 20 if flash_size else None,
        firmware_from(micropython) if micropython else None,
    )
    configs = configs_of(config, csv_path)
    user = read_user_files(user_folder)
    user.check_sensors(configs[0][1])
    for _, one in configs:  # before anything is made
        check_config(one, board, user=user.names)
    base = base_image(layout, configs[0][1], ca, user)
    names = file_names([triple for triple, _ in configs], layout.suffix)
    tasks = [Task(triple, data, name) for (triple, data), name in zip(configs, names, strict=True)]
    with Job(out, layout, base, tasks, _facts(layout)) as job:
        job.run()
        entries = job.entries
    many = count(len(entries), "image")
    print(f"{many}, manifest.json and labels.csv are in {out}: {_contents(layout)}")
    first = "" if layout.micropython else f"linkpost flash {board.name}, then "
    print(f"Next: {first}{_command(layout, entries[0]['file'] if len(entries) == 1 else 'FILE')}")
    return failures.DONE


def configs_of(config: Path, csv_path: Path | None) -> list[tuple[Triple, dict[str, Any]]]:
    """Return each device with its config. Raises: CommandError, and the firmware's ConfigError."""
    _, template = read_object(config, "--config")
    if csv_path is not None:
        return [(triple, config_for(template, triple)) for triple in read_devices(csv_path)]
    check_rules(template)
    return [(Triple(*(template[key] for key in _TRIPLE)), template)]


def _facts(layout: Layout) -> dict[str, Any]:
    """Return what the manifest says of all images."""
    board = layout.board
    return {
        "board": board.name,
        "linkpost": firmware.version(),
        "micropython": "in the images" if layout.micropython else board.version,
        "file_system_start": layout.start,
        "block_count": layout.block_count,
        "block_size": board.block_size,
        "command": _command(layout, "FILE"),
    }


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
