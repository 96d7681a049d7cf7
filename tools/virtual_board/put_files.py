"""Firmware, config and trust anchors on a virtual board's flash."""

from __future__ import annotations

from pathlib import Path

from tools.board_files import files_for, load_config
from tools.virtual_board import image, runtimes
from tools.virtual_board.supervisor import Setup


def put_files(setup: Setup, config: Path, ca: Path | None) -> None:
    """Put firmware, config and trust anchors on the board's flash; make it on first use."""
    on_image = setup.runtime == runtimes.MICROPYTHON
    text, parsed = load_config(config)
    files = files_for(parsed, chip="host", native_digests=True, byte_code=on_image, ca=ca)
    files["config.json"] = text
    if on_image:
        image.refresh_image(setup.flash, setup.kind, files)
    else:
        image.refresh_folder(setup.flash, files)
