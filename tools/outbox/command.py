"""`linkpost outbox`: the waiting and the quarantined readings of a board."""

from __future__ import annotations

import contextlib
import json
import sys
import textwrap
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from ..firmware.outbox_copy import Contents, Files, Reading, look_into
from ..terminal import failures
from ..usb import options
from ..usb.paused_board import paused_board
from ..virtual_board.flash_files import flash_files
from . import forget
from . import save as outbox_save

_LIMIT = 100


@click.command()
@options.port
@click.option(
    "--flash",
    type=click.Path(path_type=Path),
    help="Read a flash dump instead (whole flash or file system), or a virtual board's flash.",
)
@click.option("--quarantined", is_flag=True, help="List the quarantined readings instead.")
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=_LIMIT,
    show_default=True,
    help="List at most N waiting readings, oldest first; 0: all.",
)
@click.option(
    "--save",
    type=click.Path(path_type=Path),
    help="Write all waiting readings to a new file, for linkpost send --readings.",
)
@click.option(
    "--forget-through",
    type=click.IntRange(min=1),
    metavar="SEQ",
    help="Delete the board's waiting readings up to this seq, once they are saved elsewhere.",
)
@click.option(
    "--outbox-id",
    "--stream",
    "stream",
    help="With --forget-through: only if this is the outbox's id.",
)
@click.option("--yes", is_flag=True, help="With --forget-through: do not ask.")
@options.wait(75.0)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def outbox(
    port: str | None,
    flash: Path | None,
    quarantined: bool,
    limit: int,
    save: Path | None,
    forget_through: int | None,
    stream: str | None,
    yes: bool,
    wait_s: float,
    as_json: bool,
) -> int:
    """List a board's waiting readings, or with --quarantined those that the service refused.

    The board's app is stopped for that and restarted then. Nothing on its flash is changed, but
    by --forget-through. Of a board that has died, --flash takes what esptool or picotool read off
    its flash.

    \b
    Example: linkpost outbox --port /dev/ttyUSB0
             linkpost outbox --flash dump.bin --save readings.jsonl
    """
    if flash is not None and port is not None:
        raise click.UsageError("give --port or --flash, not both")
    if forget_through is not None:
        if flash is not None or save is not None or quarantined:
            raise click.UsageError("--forget-through is for a board, and goes alone")
        return forget.forget_through(port, wait_s, forget_through, stream, yes)
    if stream is not None or yes:
        raise click.UsageError("--outbox-id and --yes go with --forget-through")
    if save is not None:
        if quarantined:
            raise click.UsageError("--save writes waiting readings: leave --quarantined out")
        with _source(port, flash, wait_s) as source:
            return outbox_save.save(source, save, as_json)
    waiting = 0 if quarantined else limit or sys.maxsize
    with _source(port, flash, wait_s) as source, Console(stderr=True).status("looking") as status:
        found = look_into(
            source,
            waiting,
            quarantined,
            lambda path, size: status.update(f"fetching {path}, {size:,} bytes"),
        )
    readings = found.quarantined_readings if quarantined else found.waiting
    if as_json:
        print(json.dumps(_as_json(found, readings), ensure_ascii=False))
    else:
        _show(found, readings, quarantined)
    return failures.DONE


@contextlib.contextmanager
def _source(port: str | None, flash: Path | None, wait_s: float) -> Iterator[Files]:
    if flash is not None:
        yield flash_files(flash)
        return
    with paused_board(port, wait_s) as board:
        board.identify()
        yield board


def _as_json(found: Contents, readings: list[Reading]) -> dict[str, Any]:
    return {
        "stream": found.stream,
        "next_seq": found.next_seq,
        "pending": found.pending,
        "quarantined": found.quarantined,
        "dropped": found.dropped,
        "notes": found.notes,
        "readings": [_reading_as_json(one) for one in readings],
    }


def _reading_as_json(reading: Reading) -> dict[str, Any]:
    found: dict[str, Any] = {"seq": reading.seq, "time": reading.unix_ms}
    found["values"] = reading.values
    if reading.refusal is not None:
        code, _, message = reading.refusal.partition(" ")
        found |= {"code": int(code) if code.isdigit() else None, "message": message}
    return found


def _show(found: Contents, readings: list[Reading], quarantined: bool) -> None:
    for note in found.notes:
        print(f"linkpost: {note}", file=sys.stderr)
    print(summary(found))
    if found.stream is not None:
        print(f"outbox id {found.stream} next_seq={found.next_seq}")
    if quarantined and found.quarantined > len(readings):
        print(f"The newest {len(readings)} of the quarantined readings are kept.")
    if not readings:
        return
    console = Console()
    width = console.width if console.is_terminal else None
    print(f"\n{'seq':>8}  {'time':19}  values")
    for reading in readings:
        print(*_rows(reading, width), sep="\n")
    left = found.pending - len(readings)
    if not quarantined and left > 0:
        print(f"{left:,} newer ones are waiting too: --limit 0 lists all.", file=sys.stderr)


def summary(found: Contents) -> str:
    """Return one line on what an outbox holds."""
    if found.stream is None and not found.pending:
        return "No outbox yet: the app has not run on this flash."
    return (
        f"{found.pending:,} waiting, {found.quarantined:,} quarantined, {found.dropped:,} dropped"
    )


def _rows(reading: Reading, width: int | None) -> list[str]:
    time = "not known"
    if reading.unix_ms is not None:
        time = f"{datetime.fromtimestamp(reading.unix_ms / 1000):%Y-%m-%d %H:%M:%S}"
    head = f"{reading.seq:>8}  {time:19}  "
    words = [word for name, value in reading.values.items() for word in _words(name, value)]
    if reading.refusal is not None:
        words.append(f"refused: {_value(reading.refusal)}")
    text = head + ", ".join(words)
    if width is None:
        return [text]
    return textwrap.wrap(text, width, subsequent_indent=" " * len(head)) or [text]


def _words(name: str, value: Any) -> list[str]:
    if name == "error" and isinstance(value, dict):
        return [f"{sensor} failed: {_value(why)}" for sensor, why in value.items()]
    return [f"{name} {_value(value)}"]


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"  # a chip's floats have 24 bits
    if isinstance(value, str):
        return value if value.isprintable() else repr(value)
    return json.dumps(value, ensure_ascii=True)
