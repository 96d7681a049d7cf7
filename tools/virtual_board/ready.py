"""What `board serial` says when its port is there, whichever board is behind it."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ..files import whole_file
from ..terminal.failures import CommandError


@contextlib.contextmanager
def port_name(link: Path | None) -> Iterator[Path]:
    """Yield the name of the port: that link, or one in a new folder.

    Raises: CommandError where something else has that name.
    """
    from .own_link import own_link  # Windows has none, and no boards on ports

    with tempfile.TemporaryDirectory(prefix="linkpost-port-") as folder:
        name = (link or Path(folder) / "board").absolute()
        with own_link(name):
            yield name


def tell_ready(ready_file: Path | None, name: Path, flash: Path, usb: str, board: str) -> None:
    """Print the port's name, and write the ready file where one is wanted.

    Raises: CommandError where it cannot be written.
    """
    print(name, flush=True)
    if sys.stderr.isatty():
        print("board: it has power until Ctrl-C", file=sys.stderr)
    if ready_file is not None:
        ready = {
            "port": str(name),
            "flash": str(flash.absolute()),
            "usb": usb,
            "board": board,
            "pid": os.getpid(),
        }
        try:
            whole_file.replace(ready_file, json.dumps(ready).encode(), 0o644)
        except OSError as error:
            raise CommandError(
                f"--ready-file: cannot write {ready_file}: {error.strerror}"
            ) from error
