"""Firmware, config and root certificates on a virtual board's flash."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from .. import firmware
from ..firmware.board_files import files_for, load_config
from ..firmware.config_check import CHECKED, CONFIG, render
from . import image, runtimes
from .kinds import BoardKind
from .supervisor import Setup

# What `sys.implementation._build` is on MicroPython's unix port.
_UNIX_BUILD = "standard"


def put_files(setup: Setup, config: Path, ca: Path | None) -> None:
    """Put firmware, config and root certificates on the board's flash; make it on first use."""
    on_image = setup.runtime == runtimes.MICROPYTHON
    text, parsed = load_config(config)
    files = files_for(
        parsed, chip="host", native_digests=True, byte_code=on_image, ca=ca, with_aio=True
    )
    files[CONFIG] = text
    files[CHECKED] = _checked(text, parsed, setup.kind, _UNIX_BUILD if on_image else sys.platform)
    if on_image:
        image.refresh_image(setup.flash, setup.kind, files)
    else:
        image.refresh_folder(setup.flash, files)


def _checked(text: bytes, parsed: dict[str, Any], kind: BoardKind, build: str) -> bytes:
    """Return what stands beside config.json; empty where the board has to say what is wrong."""
    firmware.enable_imports()
    from linkpost.config import Config
    from linkpost.config_rules import check_port
    from linkpost.errors import ConfigError

    checked = Config(parsed)
    limits = SimpleNamespace(
        can_deep_sleep=kind.can_deep_sleep,
        can_light_sleep=True,
        watchdog_max_ms=kind.watchdog_max_ms,
    )
    if checked.led_pin is not None:
        return b""  # it has no pins
    try:
        check_port(checked, limits)
    except ConfigError:
        return b""
    return render(text, checked, build)
