"""The flash of a virtual board: a littlefs image, or for CPython a folder with the same files."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from littlefs import LittleFS, LittleFSError
from littlefs.context import UserContext
from littlefs.lfs import LFSConfig

from ..files import whole_file
from ..firmware.board_files import OWNED_FOLDERS
from ..terminal.failures import CommandError
from .kinds import BLOCK_SIZE, BoardKind


def refresh_image(path: Path, kind: BoardKind, files: dict[str, bytes]) -> bool:
    """Make the image hold exactly these files of ours; make it on first use.

    What is not ours (token, outbox, user) stays. The image is replaced as a whole, so that an
    interruption leaves the old one.

    Returns: whether anything was written.
    Raises: CommandError for a file that is no image of that kind of board, or one that is full.
    """
    content = _read_host_file(path) if path.exists() else None
    if content is not None and len(content) != kind.image_bytes:
        raise _not_an_image(path, kind)
    try:
        made = build_image(kind, files, content)
    except LittleFSError as error:
        if error.code != LittleFSError.Error.LFS_ERR_NOSPC:
            raise _not_an_image(path, kind) from error
        raise CommandError(
            f"{path} is full: the firmware does not fit beside what is on it. Its readings can "
            "be kept by making config.json's outbox.max_bytes smaller; or start with a new image"
        ) from error
    if made == content:
        return False
    write(path, made)
    return True


def build_image(kind: BoardKind, files: dict[str, bytes], content: bytes | None = None) -> bytes:
    """Return an image that holds exactly these files of ours, beside all else that `content` has.

    Args: content: an image to begin with; None for an empty one.
    Raises: LittleFSError, LFS_ERR_NOSPC where it is full.
    """
    memory = Memory(buffer=bytearray(content or b"\xff" * kind.image_bytes))
    file_system = LittleFS(memory, mount=False, **_settings(kind))
    if content is None:
        file_system.format()
    file_system.mount()
    _synchronise(file_system, files)
    return bytes(memory.buffer)


def add_file(kind: BoardKind, content: bytes, name: str, data: bytes) -> bytes:
    """Return an image with one more file in it. Raises: LittleFSError where it is full."""
    memory = Memory(buffer=bytearray(content))
    file_system = LittleFS(memory, **_settings(kind))
    folder, _, _ = name.rpartition("/")
    if folder:
        file_system.makedirs(folder, exist_ok=True)
    with file_system.open(name, "wb") as file:
        file.write(data)
    return bytes(memory.buffer)


def remove_file(kind: BoardKind, content: bytes, name: str) -> bytes:
    """Return an image without that file; the same where there is none. Raises: LittleFSError."""
    memory = Memory(buffer=bytearray(content))
    try:
        LittleFS(memory, **_settings(kind)).remove(name)
    except FileNotFoundError:
        return content
    return bytes(memory.buffer)


def read_file(kind: BoardKind, content: bytes, name: str) -> bytes | None:
    """Return a file of an image, or None where it is not there. Raises: LittleFSError."""
    return _read(open_content(kind, content), name)


def live_blocks(kind: BoardKind, content: bytes) -> list[int]:
    """Return which blocks of an image the chip reads before it has written them.

    The others need not be brought onto its flash, whatever is there. These have to, also where
    they are blank: of the two blocks of a directory the newer counts, and one that an earlier file
    system left in the place of the blank one may be newer (tried: most such images had wrong
    files, or did not mount).
    """
    memory = Memory(buffer=bytearray(content))
    file_system = LittleFS(memory, mount=False, **_settings(kind))
    file_system.mount()
    for root, _, names in file_system.walk("/"):
        for name in names:
            _read(file_system, f"{root.rstrip('/')}/{name}")
    return sorted(memory.blocks_read)


def refresh_folder(path: Path, files: dict[str, bytes]) -> bool:
    """Make the folder hold exactly these files of ours, as `refresh_image` does."""
    if path.exists() and not path.is_dir():
        raise CommandError(
            f"{path} is a file; the cpython runtime keeps its flash in a folder: give another name"
        )
    changed = False
    _make_private(path)
    for name, content in files.items():
        file = path / name
        if not file.is_file() or file.read_bytes() != content:
            file.parent.mkdir(parents=True, exist_ok=True)
            write(file, content)
            changed = True
    for folder in OWNED_FOLDERS:
        for file in sorted((path / folder).rglob("*")):
            name = file.relative_to(path).as_posix()
            if file.is_file() and name not in files and "__pycache__" not in file.parts:
                file.unlink()
                changed = True
    return changed


def open_image(path: Path, kind: BoardKind) -> LittleFS:
    """Return the image's file system, to look into; what is written there is not kept."""
    try:
        return open_content(kind, _read_host_file(path))
    except LittleFSError as error:
        raise _not_an_image(path, kind) from error


def open_content(kind: BoardKind, content: bytes) -> LittleFS:
    """Return the file system of an image in memory. Raises: LittleFSError where there is none."""
    memory = Memory(buffer=bytearray(content))
    file_system = LittleFS(memory, mount=False, **_settings(kind))
    file_system.mount()
    return file_system


@contextlib.contextmanager
def in_use(path: Path) -> Iterator[None]:
    """Keep other virtual boards off this flash meanwhile, where there is one yet.

    Two boards on one flash would overwrite each other's file system. Not on Windows: it has no
    such locks on folders. Raises: CommandError where another board has it.
    """
    if sys.platform == "win32" or not path.exists():
        yield
        return
    import fcntl

    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise CommandError(
            f"{path} is in use by another virtual board: stop that one, or give another --flash"
        ) from error
    finally:
        os.close(descriptor)


class Memory(UserContext):
    """An image in memory. The package's own formats a log line for each access; this does not."""

    def __init__(self, buffer: bytearray):
        super().__init__(buffer=buffer)
        self.blocks_read: set[int] = set()

    def read(self, cfg: LFSConfig, block: int, off: int, size: int) -> bytearray:
        self.blocks_read.add(block)
        start = block * BLOCK_SIZE + off
        return self.buffer[start : start + size]

    def prog(self, cfg: LFSConfig, block: int, off: int, data: bytes) -> int:
        start = block * BLOCK_SIZE + off
        self.buffer[start : start + len(data)] = data
        return 0

    def erase(self, cfg: LFSConfig, block: int) -> int:
        start = block * BLOCK_SIZE
        self.buffer[start : start + BLOCK_SIZE] = b"\xff" * BLOCK_SIZE
        return 0


def _settings(kind: BoardKind) -> dict[str, Any]:
    # The cache decides which files are inlined into their directory; it has to be the chip's, or
    # the chip could not read what was inlined here.
    return {
        "block_size": BLOCK_SIZE,
        "block_count": kind.block_count,
        "read_size": kind.read_size,
        "prog_size": kind.read_size,
        "cache_size": kind.cache_size,
        "lookahead_size": 32,
        "block_cycles": 100,
    }


def _synchronise(file_system: LittleFS, files: dict[str, bytes]) -> None:
    # Old files go first: an image that is nearly full may need their blocks.
    for folder in OWNED_FOLDERS:
        for name in _walk(file_system, folder):
            if name not in files:
                file_system.remove(name)
    for name, content in files.items():
        if _read(file_system, name) != content:
            folder, _, _ = name.rpartition("/")
            if folder:
                file_system.makedirs(folder, exist_ok=True)
            with file_system.open(name, "wb") as file:
                file.write(content)


def _walk(file_system: LittleFS, folder: str) -> list[str]:
    try:
        return [
            f"{root.lstrip('/')}/{name}"
            for root, _, names in file_system.walk(folder)
            for name in names
        ]
    except LittleFSError:
        return []  # no such folder yet


def _read(file_system: LittleFS, name: str) -> bytes | None:
    try:
        with file_system.open(name, "rb") as file:
            return file.read()
    except (LittleFSError, FileNotFoundError):
        return None


def _read_host_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CommandError(f"cannot read {path}: {error.strerror}") from error


def write(path: Path, content: bytes | bytearray) -> None:
    """Replace a flash's file whole, or make it. Raises: CommandError.

    Only its owner may read it: it can hold a device secret.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        whole_file.replace(path, content)
    except OSError as error:
        raise CommandError(f"cannot write {path}: {error.strerror}") from error


def _make_private(folder: Path) -> None:
    """Make a folder that only its owner can look into; one that is there stays as it is."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise CommandError(f"cannot make {folder}: {error.strerror}") from error


def _not_an_image(path: Path, kind: BoardKind) -> CommandError:
    return CommandError(
        f"{path} is not a flash image of {kind.name} ({kind.image_bytes} bytes of littlefs): give "
        "the --board it was made with, or another name and it is made"
    )
