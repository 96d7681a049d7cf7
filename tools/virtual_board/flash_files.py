"""The files on a flash, to look at: a dump or image of it, or the folder of a virtual board."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ..firmware.outbox_copy import FOLDER, Files
from ..terminal.failures import CommandError


def flash_files(flash: Path) -> Files:
    """Return the files of that dump, image or folder; only read.

    A dump is of the whole flash or of the file system alone; where several are found in it, it is
    the one with an outbox. One that is cut short is reported on standard error.
    Raises: CommandError for what is none.
    """
    if flash.is_dir():
        return _Folder(flash)
    try:
        dump = flash.read_bytes()
    except OSError as error:
        raise CommandError(f"--flash: cannot read {flash}: {error.strerror}") from error
    from .flash_dump import file_systems

    found = file_systems(dump)
    opened = [(one, _Image(one.system)) for one in found if one.system is not None]
    if not opened:
        cut = found and len(dump) < found[-1].end
        raise CommandError(
            f"--flash: {flash} is no flash image of a board: in its {len(dump):,} bytes there is "
            "no file system that can be opened"
            + (f"; one there would reach to {found[-1].end:,}: read it again" if cut else "")
        )
    place, files = next((one for one in opened if one[1].files(FOLDER)), opened[0])
    if len(dump) < place.end:
        print(
            f"linkpost: {flash} ends after {len(dump):,} of {place.end:,} bytes: what is missing "
            "may hold readings",
            file=sys.stderr,
        )
    return files


def image_files(file_system: Any) -> Files:
    """Return the files of a littlefs that is mounted."""
    return _Image(file_system)


class _Folder:
    def __init__(self, root: Path):
        self._root = root

    def files(self, *paths: str) -> dict[str, int]:
        return {
            file.relative_to(self._root).as_posix(): file.stat().st_size
            for path in paths
            for file in (self._root / path).rglob("*")
            if file.is_file()
        }

    def read(self, path: str) -> bytes | None:
        file = self._root / path
        return file.read_bytes() if file.is_file() else None


class _Image:
    def __init__(self, file_system: Any):
        self._files = file_system

    def files(self, *paths: str) -> dict[str, int]:
        from littlefs import LittleFSError

        found = {}
        for path in paths:
            try:
                for root, _, names in self._files.walk(path):
                    for name in names:
                        full = f"{root.strip('/')}/{name}"
                        found[full] = self._files.stat(full).size
            except LittleFSError:
                continue  # no such folder yet
        return found

    def read(self, path: str) -> bytes | None:
        from littlefs import LittleFSError

        try:
            with self._files.open(path, "rb") as file:
                return file.read()
        except (LittleFSError, FileNotFoundError):
            return None
