"""The platform's device list: one device's triple, and the console's batch file of them."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass, field
from pathlib import Path

from tools.failures import CommandError

# The header of the file that the platform's console gives out (PROTOCOL.md, Names).
COLUMNS = ("ProductKey", "DeviceName", "DeviceSecret")
_SECRET_MAX = 32


@dataclass(frozen=True)
class Triple:
    """What a device authenticates with. The secret is in no repr."""

    product_key: str
    device_name: str
    device_secret: str = field(repr=False)

    @property
    def key(self) -> str:
        """`ProductKey/DeviceName`, as the emulator's API names a device."""
        return f"{self.product_key}/{self.device_name}"


def check_triple(triple: Triple) -> str:
    """Return what is wrong with the triple, in words that hold no secret; "" when it is good.

    The rules are the platform's (PROTOCOL.md, Names) and the same as those of config.json.
    """
    if not re.fullmatch(r"[A-Za-z0-9_*-]{1,32}", triple.product_key):
        return f"product key {triple.product_key!r} is not 1 to 32 of A-Z a-z 0-9 _ - *"
    if not re.fullmatch(r"[A-Za-z0-9_.@:-]{4,32}", triple.device_name):
        return f"device name {triple.device_name!r} is not 4 to 32 of A-Z a-z 0-9 _ . @ : -"
    if not re.fullmatch(r"[!-~]+", triple.device_secret):
        return "the device secret is empty or has spaces or characters outside ASCII"
    if len(triple.device_secret) > _SECRET_MAX:
        return f"the device secret has {len(triple.device_secret)} characters, at most 32"
    return ""


def read_devices(path: Path) -> list[Triple]:
    """Return the devices of the console's batch file, in its order.

    The header names `DeviceName`, `DeviceSecret` and `ProductKey` in any order; other columns are
    ignored, and so are a byte order mark and empty lines.

    Raises CommandError (exit code 2) that lists every bad row with its line number, and a file
    that cannot be read or lacks a column; no message holds a secret.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}; give the console's device list") from error
    except UnicodeDecodeError as error:
        raise CommandError(f"{path}: not UTF-8; save it as CSV UTF-8") from error
    rows = csv.reader(io.StringIO(text, newline=""))
    try:
        return _parse(path, rows)
    except csv.Error as error:
        raise CommandError(f"{path}: line {rows.line_num}: not a CSV row: {error}") from error


def _parse(path: Path, rows) -> list[Triple]:
    header: list[str] = []
    for header in rows:
        if any(cell.strip() for cell in header):
            break
    header = [cell.strip() for cell in header]
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        raise CommandError(
            f"{path}: the header lacks {', '.join(missing)}; "
            "it has to name DeviceName, DeviceSecret and ProductKey"
        )
    places = [header.index(name) for name in COLUMNS]
    devices: list[Triple] = []
    seen: dict[str, int] = {}
    wrong: list[str] = []
    line = rows.line_num + 1  # a quoted cell may span lines: a row is known by its first
    for row in rows:
        first_line, line = line, rows.line_num + 1
        if not any(cell.strip() for cell in row):
            continue
        if len(row) <= max(places):
            wrong.append(f"line {first_line}: {len(row)} cells, the header has {len(header)}")
            continue
        triple = Triple(*(row[place].strip() for place in places))
        problem = check_triple(triple)
        if not problem and triple.key in seen:
            problem = f"{triple.key} is on line {seen[triple.key]} already"
        if problem:
            wrong.append(f"line {first_line}: {problem}")
            continue
        seen[triple.key] = first_line
        devices.append(triple)
    if wrong:
        raise CommandError(f"{path}: {len(wrong)} bad rows:\n  " + "\n  ".join(wrong))
    if not devices:
        raise CommandError(f"{path}: no devices below the header")
    return devices
