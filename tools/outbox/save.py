"""`linkpost outbox --save`: a board's waiting readings in a file, to be delivered from there."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from rich.console import Console

from ..files import whole_file
from ..firmware.outbox_copy import Contents, Files, look_into
from ..terminal import failures
from ..terminal.counting import count
from ..terminal.failures import CommandError
from . import saved_readings


def save(source: Files, file: Path, as_json: bool) -> int:
    """Write all waiting readings to a new file, whole or not at all; return the exit code.

    Raises: CommandError where the file is there already, or cannot be written.
    """
    if file.exists():
        raise CommandError(f"--save: {file} already exists: give a new name")
    with Console(stderr=True).status("reading the outbox") as status:
        found = look_into(
            source,
            sys.maxsize,
            False,
            lambda path, size: status.update(f"fetching {path}, {size:,} bytes"),
        )
        device = _device_of(source)
    for note in found.notes:
        print(f"linkpost: {note}", file=sys.stderr)
    if found.pending > len(found.waiting):
        left = found.pending - len(found.waiting)
        print(f"linkpost: {left:,} more cannot be read", file=sys.stderr)
    if not found.waiting:
        print("No reading is waiting: no file was written.", file=sys.stderr)
        return failures.DONE
    saved = saved_readings.Saved(device, _outbox_id(found), found.waiting)
    _write(file, saved_readings.encode(saved))
    first, last = found.waiting[0].seq, found.waiting[-1].seq
    if as_json:
        facts = {"device": device, "stream": saved.stream, "first": first, "last": last}
        print(json.dumps({**facts, "count": len(found.waiting), "file": str(file)}))
        return failures.DONE
    whose = device or "a device without config.json"
    print(
        f"{file}: {count(len(found.waiting), 'reading')} of "
        f"{whose}, outbox id {saved.stream}, seq={first} to seq={last}"
    )
    return failures.DONE


def _device_of(source: Files) -> str | None:
    """Return "PK/DN" of the flash's config.json, or None. Its secrets go nowhere from here."""
    content = source.read("config.json")
    try:
        config = json.loads(content or b"")
        names = [config["product_key"], config["device_name"]]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return "/".join(names) if all(isinstance(name, str) for name in names) else None


def _outbox_id(found: Contents) -> str:
    # Where the id was lost a new one was made while looking: another one each time, so the same
    # readings saved twice would not be known as the same.
    if found.stream is None:
        raise CommandError("the outbox has readings but no id: its flash is damaged")
    return found.stream


def _write(file: Path, content: bytes) -> None:
    try:
        whole_file.replace(file, content)
        with file.open("rb") as made:
            os.fsync(made.fileno())
    except OSError as error:
        raise CommandError(f"--save: cannot write {file}: {error.strerror}") from error
