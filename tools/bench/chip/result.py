"""The committed result: what was measured, when, and of which firmware."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ... import firmware
from ...files import whole_file
from ...firmware.board_files import files_for
from ...terminal.failures import CommandError
from .budgets import BUDGETS

PATH = Path(__file__).parent / "result.json"


@dataclass(frozen=True)
class Result:
    """`figures` by key of BUDGETS; `firmware` is `firmware_hash()` of what was measured."""

    date: str
    version: str
    firmware: str
    micropython: str
    machine: str
    seconds: float
    figures: dict[str, float]
    details: dict[str, Any]


def read(path: Path = PATH) -> Result | None:
    """Return the result in a file; None where there is none yet. Raises: CommandError."""
    try:
        return Result(**json.loads(path.read_text()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise CommandError(f"{path.name} is no result: {error}. Run: make bench-chip") from error


def write(result: Result, path: Path = PATH) -> None:
    """Replace the result in a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    whole_file.replace(path, (json.dumps(result.__dict__, indent=1) + "\n").encode())


def new(
    figures: dict[str, float], details: dict[str, Any], micropython: str, seconds: float
) -> Result:
    """Return a result of now, of this machine and this firmware."""
    return Result(
        date=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        version=firmware.version(),
        firmware=firmware_hash(),
        micropython=micropython,
        machine=f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}",
        seconds=round(seconds),
        figures={key: round(figures[key], 3) for key in BUDGETS if key in figures},
        details=details,
    )


def worse(figures: dict[str, float], committed: Result | None) -> list[str]:
    """Return a line for each figure that passes its limit."""
    before = committed.figures if committed else {}
    lines = []
    for key, value in figures.items():
        budget = BUDGETS[key]
        if budget.is_worse(value, before.get(key)):
            limit = budget.limit(before.get(key)) or 0
            least = "at least" if budget.is_least else "at most"
            lines.append(f"{budget.what}: {value:,g} {budget.unit}, {least} {limit:,.6g}")
    return lines


def mpy_files(config: dict[str, Any]) -> dict[str, bytes]:
    """Return the byte code that a Pico W with this config gets, by path on its flash."""
    files = files_for(config, chip="rp2", native_digests=True)
    return {path: data for path, data in files.items() if path.endswith(".mpy")}


def firmware_hash() -> str:
    """Return what tells one measured firmware from another: of main.py and of the byte code."""
    from ..measure import CONFIG

    digest = hashlib.sha256()
    parts = {**mpy_files(CONFIG), "main.py": firmware.main_py().read_bytes()}
    for path in sorted(parts):
        digest.update(f"{path} {len(parts[path])}\n".encode())
        digest.update(parts[path])
    return digest.hexdigest()
