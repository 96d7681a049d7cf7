"""What comes onto a chip's flash before it starts, and whether a board can do anything with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .. import firmware
from ..firmware.board_files import CA_PREFIX, load_config
from ..firmware.config_check import CHECKED, CONFIG, check_config
from ..terminal.failures import CommandError
from ..virtual_board import image
from . import cache, flash


def put_config(path: Path, config: Path, ca: Path | None) -> None:
    """Put the firmware and a config onto the flash, as a deploy does; it is made where it is not.

    Raises: CommandError, also where the board could not vouch for the endpoint.
    """
    files = files_of(config, ca)
    _check_anchors(files[CONFIG], list(files), "give --ca FILE (the emulator prints its name)")
    flash.refresh(path, files)


def files_of(config: Path, ca: Path | None) -> dict[str, bytes]:
    """Return what a deploy with that config writes. Raises: CommandError."""
    text, parsed = load_config(config)
    files = flash.firmware_files(parsed, ca)
    return {**files, CONFIG: text, CHECKED: _checked(parsed, text)}


def put_image(path: Path, image_path: Path) -> None:
    """Make a flash of the .uf2 that `linkpost image` wrote. Raises: CommandError."""
    if path.exists():
        raise CommandError(f"{path} already exists: give a new --flash for --image")
    try:
        data = image_path.read_bytes()
    except OSError as error:
        raise CommandError(f"--image: cannot read {image_path}: {error.strerror}") from error
    content = flash.from_image(image_path.name, data)
    _check_flash(content, f"make {image_path.name} again, with linkpost image --ca FILE")
    image.write(path, content)


def look_at(path: Path) -> None:
    """Make a kept flash ready to run as it is. Raises: CommandError."""
    _check_flash(flash.read(path), "give --config FILE and --ca FILE")
    flash.mend(path)


def _checked(parsed: dict[str, Any], text: bytes) -> bytes:
    """Return what stands beside config.json; empty where the board has to say what is wrong."""
    firmware.enable_imports()
    from linkpost.errors import ConfigError

    try:
        return check_config(parsed, cache.chip_board(), text)
    except ConfigError:
        return b""


def _check_flash(content: bytes | bytearray, what_to_do: str) -> None:
    files = flash.files_in(content)
    names = list(files.files(CA_PREFIX.partition("/")[0]))
    _check_anchors(files.read(CONFIG) or b"", names, what_to_do)


def _check_anchors(config: bytes, names: list[str], what_to_do: str) -> None:
    """An emulator's certificate is vouched for by its own CA. Raises: CommandError without one."""
    try:
        endpoint = json.loads(config).get("endpoint", "")
    except (ValueError, AttributeError):
        return  # the board says what is wrong with it
    host = str(endpoint).removeprefix("https://").partition(":")[0]
    is_local = host == "localhost" or host.startswith("127.")
    if is_local and not any(name.startswith(CA_PREFIX) for name in names):
        raise CommandError(
            f"the endpoint {host} is an emulator's, whose CA this board does not know: "
            f"{what_to_do}"
        )
