"""Messages for other programs: CSV and NDJSON, in pieces, however many there are."""

from __future__ import annotations

import base64
import csv
import datetime
import io
import json
import re
from collections.abc import Iterator
from typing import Any, Literal

from .queries import MessageRow, Queries

Format = Literal["csv", "ndjson"]
MEDIA_TYPES: dict[str, Format] = {"text/csv": "csv", "application/x-ndjson": "ndjson"}
COLUMNS = (
    "id", "device", "topic", "time", "time_ms", "code", "reason", "text", "payload_b64"
)  # fmt: skip
_PAGE = 500
# A spreadsheet takes a cell that begins so for a formula, and what is in it came from a device.
_FORMULA = re.compile(r"[=+\-@\t\r\n]")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")


def export_pages(
    queries: Queries,
    format: Format,
    *,
    device: str | None = None,
    topic: str | None = None,
    refused: bool = False,
    after: int = 0,
    limit: int | None = None,
) -> Iterator[str]:
    """Yield the messages, oldest first, as text: a header and rows, or one JSON object a line.

    Args: refused, those that were not accepted as well; after, only ids above it; limit, at most
    that many. What is stored is exact in `payload_b64`, and in NDJSON; a CSV cell that a
    spreadsheet would run as a formula has a `'` before it.
    """
    write = _csv_rows if format == "csv" else _json_lines
    if format == "csv":
        yield ",".join(COLUMNS) + "\r\n"
    left = limit
    while left is None or left > 0:
        rows = queries.messages_after(
            after,
            device=device,
            topic=topic,
            refused=refused,
            limit=_PAGE if left is None else min(_PAGE, left),
        )
        if not rows:
            return
        yield write(rows)
        after = rows[-1].id
        left = None if left is None else left - len(rows)


def _fields(row: MessageRow) -> dict[str, Any]:
    try:
        text: str | None = row.payload.decode()
    except UnicodeDecodeError:
        text = None
    time = datetime.datetime.fromtimestamp(row.time_ms / 1000, datetime.UTC)
    values = (
        row.id, row.device, row.topic, time.isoformat(timespec="milliseconds"), row.time_ms,
        row.code, row.reason, text, base64.b64encode(row.payload).decode(),
    )  # fmt: skip
    return dict(zip(COLUMNS, values, strict=True))


def _json_lines(rows: list[MessageRow]) -> str:
    return "".join(json.dumps(_fields(row), ensure_ascii=False) + "\n" for row in rows)


def _csv_rows(rows: list[MessageRow]) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    for row in rows:
        writer.writerow([_cell(value) for value in _fields(row).values()])
    return text.getvalue()


def _cell(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    value = value.replace("\0", "")  # some C clients send the end of their string
    if _FORMULA.match(value) and not _NUMBER.fullmatch(value):
        return "'" + value
    return value
