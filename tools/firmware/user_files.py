"""What --user gives: the user's own sensors, and a main.py.

soil.py           /user/soil.py on the board: {"type": "user.soil"} in the config
parts/filter.py   /user/parts/filter.py, for the sensors to import
main.py           the board's main.py, in the place of ours
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import firmware
from ..terminal.failures import CommandError
from .mpy import compile_mpy
from .sensor_types import USER

MAIN = "main.py"
_FOLDER = "user"
# Defined, assigned or imported: what the board looks for in a sensor's file.
_SENSOR = re.compile(rb"^(class\s+Sensor\b|Sensor\s*=|from\s.*\bimport\b.*\bSensor\b)", re.M)


@dataclass(frozen=True)
class UserFiles:
    """`files`: content by path on the board, "user/soil.py"; `main`: of main.py, b"" for ours."""

    files: dict[str, bytes] = field(default_factory=dict)
    main: bytes = b""

    @property
    def names(self) -> set[str]:
        """Return the names by which a config may call a sensor: "soil"."""
        found = (re.fullmatch(rf"{_FOLDER}/(\w+)\.m?py", path) for path in self.files)
        return {match[1] for match in found if match}

    def check_sensors(self, config: dict[str, Any]) -> None:
        """Raise the firmware's ConfigError where a sensor's file has no class Sensor."""
        firmware.enable_imports()
        from linkpost.errors import ConfigError

        for number, sensor in enumerate(config.get("sensors") or []):
            path = f"{_FOLDER}/{str(sensor.get('type')).removeprefix(USER)}.py"
            if path in self.files and not _SENSOR.search(self.files[path]):
                raise ConfigError(f"sensors[{number}]", f"{path} has no class Sensor")


def read_user_files(folder: Path | None) -> UserFiles:
    """Return what is in that folder; nothing where there is none. Hidden files stay here.

    Raises: CommandError where it cannot be read, or a file is not Python that a board can load.
    """
    if folder is None:
        return UserFiles()
    if not folder.is_dir():
        raise CommandError(f"--user: {folder} is not a folder")
    files = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_dir() or any(p.startswith(".") or p == "__pycache__" for p in name.parts):
            continue
        try:
            files[name.as_posix()] = path.read_bytes()
        except OSError as error:
            raise CommandError(f"--user: cannot read {path}: {error.strerror}") from error
    for text, content in files.items():
        if text.endswith(".py"):
            compile_mpy(content, text)  # its errors have file and line
    main = files.pop(MAIN, b"")
    if not files and not main:
        raise CommandError(f"--user: nothing is in {folder}")
    return UserFiles({f"{_FOLDER}/{text}": content for text, content in files.items()}, main)
