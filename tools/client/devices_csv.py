"""The platform's device list: one device's triple, and the console's batch file of them."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..firmware.config_hints import odd_character
from ..terminal.failures import CommandError

# The header of the file that the platform's console gives out (docs/protocol.md, "Names").
COLUMNS = ("ProductKey", "DeviceName", "DeviceSecret")
_SECRET_MAX = 32
# In the place of a secret that `linkpost register` asked for; no secret has a space.
NOT_RECEIVED = "(asked and not received)"
_SHOWN_BELOW = 16
_END = 4
# 8.67E+14, and with a comma where that is the decimal point.
_SHORTENED = re.compile(r"-?\d+(?:[.,]\d+)?E[+-]\d+", re.IGNORECASE)
# What tells Excel the character between cells: a line before the header.
_SEPARATOR = re.compile(r'"?sep=([,;\t])"?', re.IGNORECASE)


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
    """Return what is wrong with the triple, without any secret; "" when it is good.

    The rules are the platform's (docs/protocol.md, "Names") and the same as those of config.json.
    """
    problem = check_product_key(triple.product_key) or check_name(triple.device_name)
    if problem:
        return problem
    if not re.fullmatch(r"[!-~]+", triple.device_secret):
        return (
            "the device secret is empty or has spaces or characters outside ASCII"
            + odd_character(triple.device_secret)
        )
    if len(triple.device_secret) > _SECRET_MAX:
        return f"the device secret has {len(triple.device_secret)} characters, at most 32"
    return ""


def check_product_key(product_key: str) -> str:
    """Return what is wrong with a product key; "" when it is good."""
    if re.fullmatch(r"[A-Za-z0-9_*-]{1,32}", product_key):
        return ""
    odd = odd_character(product_key)
    return f"product key {_shown(product_key)} is not 1 to 32 of A-Z a-z 0-9 _ - *{odd}"


def check_name(device_name: str) -> str:
    """Return what is wrong with a device name; "" when it is good."""
    if re.fullmatch(r"[A-Za-z0-9_.@:-]{4,32}", device_name):
        return ""
    odd = odd_character(device_name)
    return f"device name {_shown(device_name)} is not 4 to 32 of A-Z a-z 0-9 _ . @ : -{odd}"


def check_product(product_key: str, product_secret: str) -> str:
    """Return what is wrong with a product's key or secret; "" when they are good."""
    if not re.fullmatch(r"[!-~]{1,64}", product_secret):
        return (
            "the product's secret is not 1 to 64 characters of printable ASCII without spaces"
            + (odd_character(product_secret))
        )
    return check_product_key(product_key)


def _shown(name: str) -> str:
    """Return a name for a message; only the end of a long one, which may be a secret in the place
    of a name: a cell too many, two columns changed."""
    if len(name) < _SHOWN_BELOW:
        return repr(name)
    return f"of {len(name)} characters, ending in {name[-_END:]!r},"


def read_devices(path: Path) -> list[Triple]:
    """Return the devices of the console's batch file, in its order.

    The header names `DeviceName`, `DeviceSecret` and `ProductKey` in any order; other columns are
    ignored, and so are a byte order mark and empty lines. A second list may follow the first, with
    its own header. As spreadsheets save it, it may have
    tabs or semicolons between its cells, and be UTF-8, UTF-16 or GBK.

    Raises CommandError (exit code 2) that lists every bad row with its line number, and a file
    that cannot be read or lacks a column; no message holds a secret.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}; give the console's device list") from error
    return parse_devices(str(path), data)


def parse_devices(path: str, data: bytes) -> list[Triple]:
    """Return the devices of a file's content; `path` is for messages. Raises: as above."""
    return [Triple(*cells) for cells in _rows(path, data, COLUMNS, _triple_problem)]


def read_names(path: Path) -> list[str]:
    """Return the names of a file with a column `DeviceName`, in its order.

    Other columns are ignored, and what `read_devices` takes of marks, empty lines, separators and
    encodings is taken here. Raises CommandError (exit code 2) that lists every bad row, for none
    at all, and for a file that cannot be read.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}; give a CSV with DeviceName") from error
    return [cells[0] for cells in _rows(str(path), data, ("DeviceName",), _name_problem)]


def _triple_problem(cells: list[str]) -> str:
    if cells[2].startswith(NOT_RECEIVED):
        return f"{cells[1]}: its secret was asked for and not received: reset it in the console"
    return check_triple(Triple(*cells))


def _name_problem(cells: list[str]) -> str:
    return check_name(cells[0])


def _decode(path: str, data: bytes) -> str:
    # A mark at the start tells; else UTF-8, which nothing else passes for, and then what a Chinese
    # Excel writes. GB18030 is GBK with more characters.
    is_utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    names = ["utf-16"] if is_utf16 else ["utf-8-sig", "gb18030"]
    for name in names:
        try:
            return data.decode(name)
        except UnicodeDecodeError:
            continue
    raise CommandError(f"{path}: neither UTF-8 nor UTF-16 nor GBK; save it as CSV UTF-8")


def _delimiter(text: str) -> str:
    header = next((line for line in text.splitlines() if line.strip()), "")
    if told := _SEPARATOR.fullmatch(header):
        return told[1]
    return max(",\t;", key=header.count)


def _rows(
    path: str, data: bytes, columns: tuple[str, ...], problem_of: Callable[[list[str]], str]
) -> list[list[str]]:
    """Return the cells of those columns, row by row. Raises: CommandError for any bad row."""
    text = _decode(path, data)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text))
    try:
        return _parse(path, rows, columns, problem_of)
    except csv.Error as error:
        raise CommandError(f"{path}: line {rows.line_num}: not a CSV row: {error}") from error


def _parse(
    path: str, rows: Any, columns: tuple[str, ...], problem_of: Callable[[list[str]], str]
) -> list[list[str]]:
    header: list[str] = []
    for header in rows:
        if any(cell.strip() for cell in header) and not header[0].lower().startswith("sep="):
            break
    header, places = _columns(path, header, columns)
    found: list[list[str]] = []
    seen: dict[str, int] = {}
    wrong: list[str] = []
    line = rows.line_num + 1  # a quoted cell may span lines: a row is known by its first
    for row in rows:
        first_line, line = line, rows.line_num + 1
        if not any(cell.strip() for cell in row):
            continue
        if _is_header(row, header):  # of a second list, put behind the first
            header, places = _columns(f"{path}: line {first_line}", row, columns)
            continue
        if len(row) <= max(places):
            wrong.append(f"line {first_line}: {len(row)} cells, the header has {len(header)}")
            continue
        cells = [row[place].strip() for place in places]
        key = "/".join(cells[:2])  # a triple's without its secret
        problem = _shortened(columns, cells) or problem_of(cells)
        if not problem and key in seen:
            problem = f"{key} is on line {seen[key]} already"
        if problem:
            wrong.append(f"line {first_line}: {problem}")
            continue
        seen[key] = first_line
        found.append(cells)
    if wrong:
        rows_word = "bad row" if len(wrong) == 1 else "bad rows"
        raise CommandError(f"{path}: {len(wrong)} {rows_word}:\n  " + "\n  ".join(wrong))
    if not found:
        raise CommandError(f"{path}: no devices below the header")
    return found


def _columns(
    path: str, header: list[str], columns: tuple[str, ...]
) -> tuple[list[str], list[int]]:
    """Return a header's cells, and where in a row those columns are. Raises: CommandError."""
    header = _plain(header)
    missing = [name for name in columns if name not in header]
    twice = [name for name in columns if header.count(name) > 1]
    if missing or twice:
        wrong = f"lacks {', '.join(missing)}" if missing else f"has {', '.join(twice)} twice"
        wanted = ", ".join(sorted(columns)[:-1]) + " and " if len(columns) > 1 else ""
        raise CommandError(
            f"{path}: the header {wrong}; it has to name {wanted}{sorted(columns)[-1]}, once"
        )
    return header, [header.index(name) for name in columns]


def _is_header(row: list[str], header: list[str]) -> bool:
    # One of the words alone may be a device's name.
    plain = _plain(row)
    return plain == header or len(set(COLUMNS).intersection(plain)) > 1


def _plain(header: list[str]) -> list[str]:
    # A list put behind another one brings its byte order mark along.
    return [cell.strip().removeprefix("\ufeff").strip() for cell in header]


def _shortened(columns: tuple[str, ...], cells: list[str]) -> str:
    """Return what to say of a cell that a spreadsheet took for a number; "" for none."""
    for name, cell in zip(columns, cells, strict=True):
        if _SHORTENED.fullmatch(cell):
            shown = "" if name == "DeviceSecret" else f" ({cell})"
            return (
                f"{name}{shown} was turned into a number by a spreadsheet, and its digits are "
                "gone: take the file as the console gave it"
            )
    return ""
