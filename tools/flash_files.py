"""The files on a virtual board's flash, to look at: an image, or the folder of a CPython one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tools.failures import CommandError
from tools.outbox_copy import Files


def flash_files(flash: Path) -> Files:
    """Return the files of that image or folder; only read.

    Raises: CommandError for what is neither.
    """
    if flash.is_dir():
        return _Folder(flash)
    if not flash.exists():
        raise CommandError(f"--flash: there is no {flash}")
    from tools.chip import flash as chip_flash
    from tools.virtual_board.image import open_image
    from tools.virtual_board.kinds import KINDS

    size = flash.stat().st_size
    if size == chip_flash.FLASH_BYTES:
        return chip_flash.files_on(flash)
    for kind in KINDS.values():
        if kind.image_bytes == size:
            return _Image(open_image(flash, kind))
    raise CommandError(
        f"--flash: {flash} is no flash image of a board: {size} bytes are none of their sizes"
    )


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
