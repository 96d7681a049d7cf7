"""Readings that were taken off a board, in a file: one JSON object a line, oldest first.

    {"device":"PK/DN","stream":"9f2c41aa","seq":17,"time":1790000000017,"values":{"n":17}}

`device` is null where the flash had no config.json; `time` is Unix ms, null where the board's
clock was not right; `values` are those of a reading, with "error" where a sensor failed.
"""

from __future__ import annotations

import json
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..firmware.outbox_copy import Reading
from ..terminal.failures import CommandError

_KEYS = {"device", "stream", "seq", "time", "values"}
_FLOAT32_DIGITS = range(6, 10)  # so many are enough to tell two of them apart


@dataclass(frozen=True)
class Saved:
    """The readings of one outbox. `device` is None where it is not known whose."""

    device: str | None
    stream: str
    readings: list[Reading]


def encode(saved: Saved) -> bytes:
    """Return the file's content."""
    head = {"device": saved.device, "stream": saved.stream}
    lines = [
        {**head, "seq": one.seq, "time": one.unix_ms, "values": _values(one.values)}
        for one in saved.readings
    ]
    dumped = [json.dumps(line, ensure_ascii=False, separators=(",", ":")) for line in lines]
    return "".join(f"{line}\n" for line in dumped).encode()


def read(path: Path) -> Saved:
    """Return what a file holds. Raises: CommandError for what `encode` did not make."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise CommandError(f"--readings: cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CommandError(
            f"--readings: {path} is not a file of linkpost outbox --save"
        ) from error
    device: Any = None
    stream = ""
    readings: list[Reading] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        found = _parse(line)
        if found is None:
            raise CommandError(
                f"--readings: {path}: line {number} is not a reading of linkpost outbox --save"
            )
        if not readings:
            device, stream = found["device"], found["stream"]
        elif (device, stream) != (found["device"], found["stream"]):
            raise CommandError(
                f"--readings: {path}: line {number} is of another device or outbox than the first:"
                " give one file for each"
            )
        elif found["seq"] <= readings[-1].seq:
            raise CommandError(f"--readings: {path}: line {number} is not in the order of seq")
        readings.append(Reading(found["seq"], found["time"], found["values"]))
    if not readings:
        raise CommandError(f"--readings: {path} holds no reading")
    return Saved(device, stream, readings)


def _parse(line: str) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or set(found) != _KEYS:
        return None
    device, time = found["device"], found["time"]
    good = (
        (device is None or isinstance(device, str))
        and isinstance(found["stream"], str)
        and re.fullmatch("[0-9a-f]{8}", found["stream"])
        and _is_whole(found["seq"])
        and found["seq"] >= 1
        and (time is None or _is_whole(time))
        and isinstance(found["values"], dict)
    )
    return found if good else None


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _values(values: dict[str, Any]) -> dict[str, Any]:
    return {name: _as_sent(value) for name, value in values.items()}


def _as_sent(value: Any) -> Any:
    """Return a number as a chip writes it, whose floats have 32 bits: 21.3, not 21.299999237."""
    if not isinstance(value, float):
        return value
    try:
        packed = struct.pack("<f", value)
    except OverflowError:
        return value
    if struct.unpack("<f", packed)[0] != value:
        return value  # of a runtime with longer ones
    shorter = (float(f"{value:.{digits}g}") for digits in _FLOAT32_DIGITS)
    return next((one for one in shorter if struct.pack("<f", one) == packed), value)
