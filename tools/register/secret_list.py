"""The device list that `linkpost register` writes: a row is there before its secret is asked for.

    DeviceName,DeviceSecret,ProductKey
    sensor01,0123456789abcdef0123456789abcdef,a1B2c3D4e5F
    sensor02,(asked and not received)        ,a1B2c3D4e5F

The platform gives a secret once, so no full disk and no crash may come between it and this file.

Rules
  1. A row is reserved at its full length, and on the disk, before the platform is asked.
  2. The secret overwrites the reserved cell, in place: that needs no room.
  3. A reserved row that is found at opening stands for a secret that may have been given out and
     was lost. It is never asked for again, unless --again says that the device was reset.
  4. A line cut short at the end of the file is a reservation that was not finished: nothing was
     asked for yet, and it is dropped.
"""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import Self

from ..client.devices_csv import NOT_RECEIVED
from ..files import locked_file
from ..terminal.failures import CommandError

_HEADER = b"DeviceName,DeviceSecret,ProductKey\n"
_SECRET_BYTES = 32
# What a cell can hold without quotes.
_SECRET = re.compile(r"[!#-+\--~]{1,32}")
_ROW = re.compile(rb"([A-Za-z0-9_.@:-]{4,32}),([ !#-~]{32}),([A-Za-z0-9_*-]{1,32})\n")


class SecretList:
    """An open list of one product; use it in a `with` block.

    Attributes: received, the names that have their secret; lost, those asked for and not received.
    Raises: CommandError where the file is something else, cannot be written, or is in use.
    """

    def __init__(self, path: Path, product_key: str):
        self.path = path
        self.received: set[str] = set()
        self.lost: set[str] = set()
        self._product_key = product_key
        self._places: dict[str, int] = {}  # of the secret's cell
        try:
            self._file = locked_file.open_locked(path, "r+b" if path.exists() else "x+b")
        except locked_file.InUse as error:
            raise CommandError(
                f"--out: {path} is in use by another linkpost: wait for it, or give another file"
            ) from error
        except OSError as error:
            raise CommandError(f"--out: cannot open {path}: {error.strerror}") from error
        try:
            self._read()
        except OSError as error:
            self.close()
            raise CommandError(f"--out: cannot write {path}: {error.strerror}") from error
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file; one that got no row is removed."""
        if not self._places:
            with contextlib.suppress(OSError):
                if self._file.seek(0, os.SEEK_END) <= len(_HEADER):
                    self.path.unlink()
        self._file.close()

    def reserve(self, name: str) -> None:
        """Put a row there, on the disk, for a secret that is asked for next.

        Raises: CommandError, with the file as it was: nothing may be asked for.
        """
        if name in self.lost:
            return  # it has its row
        end = self._file.seek(0, os.SEEK_END)
        row = f"{name},{NOT_RECEIVED:<{_SECRET_BYTES}},{self._product_key}\n".encode()
        try:
            locked_file.append(self._file, row)
        except OSError as error:
            raise CommandError(
                f"--out: no room for {name} in {self.path} ({error.strerror}); it was not asked "
                "for. Make room, and run the same command again"
            ) from error
        self._places[name] = end + len(name) + 1
        self.lost.add(name)

    def put(self, name: str, secret: str) -> None:
        """Write the secret of a name that has its row; it is on the disk when this returns.

        Raises: CommandError that names the device as lost.
        """
        try:
            self._file.seek(self._places[name])
            locked_file.write(self._file, f"{secret:<{_SECRET_BYTES}}".encode())
        except OSError as error:
            raise CommandError(
                f"{name}: asked, not received: its secret could not be written to {self.path} "
                f"({error.strerror}). Reset it in the console, then run the command with --again"
            ) from error
        self.lost.discard(name)
        self.received.add(name)

    def take_back(self, name: str) -> None:
        """Remove the row of a name for which no secret was given out. Raises: CommandError."""
        start = self._places[name] - len(name) - 1
        length = len(name) + _SECRET_BYTES + len(self._product_key) + 3
        if start + length != self._file.seek(0, os.SEEK_END):
            return  # lost in an earlier run, and others came after it: it stays so
        try:
            locked_file.cut_to(self._file, start)
        except OSError as error:
            raise CommandError(f"--out: cannot write {self.path}: {error.strerror}") from error
        del self._places[name]
        self.lost.discard(name)

    def secret_of(self, name: str) -> str:
        """Return the secret of a name that has one."""
        self._file.seek(self._places[name])
        return self._file.read(_SECRET_BYTES).decode().rstrip()

    def _read(self) -> None:
        content = self._file.read()
        if not content.startswith(_HEADER):
            if not _HEADER.startswith(content):
                raise self._not_ours()
            self._file.seek(0)  # new, or a crash came in the middle of its first line
            locked_file.write(self._file, _HEADER)
            return
        at = len(_HEADER)
        while at < len(content):
            found = _ROW.match(content, at)
            if found is None:
                if b"\n" in content[at:]:
                    raise self._not_ours()
                locked_file.cut_to(self._file, at)
                return
            name, cell, product_key = (part.decode() for part in found.groups())
            if product_key != self._product_key:
                raise CommandError(
                    f"--out: {self.path} is the list of the product {product_key}: give another "
                    "file"
                )
            if name in self._places:
                raise self._not_ours()
            self._places[name] = found.start(2)
            if cell.rstrip() == NOT_RECEIVED:
                self.lost.add(name)
            elif _SECRET.fullmatch(cell.rstrip()):
                self.received.add(name)
            else:
                raise self._not_ours()
            at = found.end()

    def _not_ours(self) -> CommandError:
        return CommandError(
            f"--out: {self.path} exists, and is not a list that linkpost register has "
            "written: give a new file"
        )


def is_secret(text: str) -> bool:
    """Tell whether a device can have that secret, and a row hold it."""
    return _SECRET.fullmatch(text) is not None
