"""`linkpost emulator export`: messages out of the database, also while the emulator runs."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import click

from ..terminal.failures import DONE, CommandError
from .default_paths import default_db
from .export import Format, export_pages
from .queries import Queries


@click.command(short_help="Messages as CSV or NDJSON.")
@click.option(
    "--db",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The emulator's database.  [default: that of `linkpost emulator`]",
)
@click.option(
    "--format",
    "format_name",
    type=click.Choice(("csv", "ndjson")),
    default="ndjson",
    show_default=True,
    help="One JSON object a line, or a table.",
)
@click.option("--device", metavar="PK/DN", help="Only of this device.")
@click.option("--topic", help="Only of this topic.")
@click.option("--after", type=click.IntRange(0), default=0, help="Only with a higher id.")
@click.option("--refused", is_flag=True, help="Refused messages too, with code and reason.")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="File.  [default: stdout]"
)
def export(
    db: Path | None,
    format_name: Format,
    device: str | None,
    topic: str | None,
    after: int,
    refused: bool,
    out: Path | None,
) -> int:
    """Messages as CSV or NDJSON, oldest first, also while the emulator runs.

    No token, signature or secret is in it. A CSV cell that a spreadsheet would take for a formula
    has a ' before it; payload_b64 is exact.

    \b
    Example: linkpost emulator export --format csv --out messages.csv
    """
    path = db or default_db()
    if not path.is_file():
        raise CommandError(f"{path}: there is no database; give the emulator's with --db")
    queries = Queries(path)
    try:
        queries.check()
        if device is not None and not queries.devices(device):
            raise CommandError(f"no device {device}; write PRODUCT_KEY/DEVICE_NAME")
        with _opened(out) as file:
            for page in export_pages(
                queries, format_name, device=device, topic=topic, refused=refused, after=after
            ):
                file.write(page)
    except sqlite3.Error as error:
        raise CommandError(f"{path}: cannot be read as the emulator's database") from error
    finally:
        queries.close()
    return DONE


@contextlib.contextmanager
def _opened(out: Path | None) -> Iterator[TextIO]:
    """The file, or standard output in UTF-8 with its line ends left alone."""
    if out is None:
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(encoding="utf-8", newline="")
        yield sys.stdout
        sys.stdout.flush()
        return
    part = out.with_name(f"{out.name}.{os.getpid()}.part")
    try:
        with part.open("w", encoding="utf-8", newline="") as file:
            yield file
        os.replace(part, out)
    except OSError as error:
        raise CommandError(f"{out}: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)
