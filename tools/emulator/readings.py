"""What a payload says, where it is one of linkpost's: readings with stream, seq, time, values."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

_SEQ_MAX = 2**53  # what every JSON parser keeps exactly
_NAME_MAX = 64
_TIME_MAX_MS = 2**43  # the year 2248: anything later is no time
_NO_VALUES = ("stream", "seq", "time", "error")
_POST = "thing.event.property.post"


@dataclass(frozen=True)
class Reading:
    """One reading; None where the payload does not say."""

    stream: str | None
    seq: int | None
    time_ms: int | None
    values: dict[str, float]


def parse_readings(payload: bytes) -> list[Reading]:
    """Return the readings of a payload: `json`, an array of them, or `alink`; [] of another."""
    if payload[:1] not in (b"{", b"["):
        return []
    try:
        # Some C clients send the NUL that ends their string.
        found = json.loads(payload.rstrip(b"\0").decode())
    except (ValueError, RecursionError):
        return []
    if isinstance(found, dict) and found.get("method") == _POST:
        return [_alink(found)]
    readings = found if isinstance(found, list) else [found]
    return [_json(reading) for reading in readings if isinstance(reading, dict)]


def _json(found: dict[str, Any]) -> Reading:
    values = {}
    for name, value in found.items():
        if name not in _NO_VALUES and _is_number(value) and len(name) <= _NAME_MAX:
            values[name] = float(value)
    stream, seq = found.get("stream"), found.get("seq")
    known = isinstance(stream, str) and len(stream) <= _NAME_MAX
    return Reading(stream if known else None, _whole(seq, _SEQ_MAX), _time(found), values)


def _alink(found: dict[str, Any]) -> Reading:
    """`id` is the seq; the stream is not told, so that of a device's alink posts is ""."""
    params = found.get("params")
    values: dict[str, float] = {}
    times = []
    for name, entry in params.items() if isinstance(params, dict) else ():
        value: Any = entry.get("value") if isinstance(entry, dict) else entry
        if _is_number(value) and len(name) <= _NAME_MAX:
            values[name] = float(value)
        if isinstance(entry, dict) and (time_ms := _time(entry)) is not None:
            times.append(time_ms)
    number = found.get("id")
    if isinstance(number, str) and number.isascii() and number.isdigit() and len(number) <= 16:
        number = int(number)
    return Reading("", _whole(number, _SEQ_MAX), max(times, default=None), values)


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False


def _time(found: dict[str, Any]) -> int | None:
    return _whole(found.get("time"), _TIME_MAX_MS)


def _whole(value: object, limit: int) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 < value < limit else None
