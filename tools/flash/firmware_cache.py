"""MicroPython's own firmware: downloaded once, kept with its checksum."""

from __future__ import annotations

import hashlib
import json
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import platformdirs

from ..files import whole_file
from ..firmware.boards import Board
from ..terminal.failures import NETWORK, CommandError

# Takes the place of the download site, for a mirror on one's own network.
URL_VARIABLE = "LINKPOST_FIRMWARE_URL"
_TIMEOUT_S = 30
_PIECE_BYTES = 65536
_MAX_BYTES = 32 * 1024 * 1024

Progress = Callable[[int, int], None]  # bytes so far, bytes in all (0: not known)


def firmware_for(board: Board, progress: Progress = lambda done, total: None) -> tuple[str, bytes]:
    """Return (file name, content) of the pinned firmware, downloaded if it is not here yet.

    Raises: CommandError where it cannot be downloaded (exit code 4), or is not any more what it
        was when it was downloaded.
    """
    name = board.url.rpartition("/")[2]
    folder = cache_dir()
    kept, note = folder / name, folder / f"{name}.json"
    if kept.exists() and note.exists():
        data = kept.read_bytes()
        known = json.loads(note.read_text())
        if hashlib.sha256(data).hexdigest() != known["sha256"]:
            raise CommandError(
                f"{kept} has changed since it was downloaded from {known['url']}. Nothing was "
                "written. Delete it to download it again."
            )
        return name, data
    url = url_of(board.url)
    data = download(url, progress)
    _keep(kept, data)
    _keep(
        note,
        json.dumps({"url": url, "sha256": hashlib.sha256(data).hexdigest()}).encode(),
    )
    return name, data


def firmware_from(path: Path) -> tuple[str, bytes]:
    """Return (file name, content) of a firmware that the user gives. Raises: CommandError."""
    try:
        return path.name, path.read_bytes()
    except OSError as error:
        raise CommandError(f"--firmware: cannot read {path}: {error.strerror}") from error


def cache_dir() -> Path:
    """Return the folder of downloads, in the user's own cache."""
    return Path(platformdirs.user_cache_dir("linkpost", appauthor=False)) / "firmware"


def url_of(url: str) -> str:
    """Return where a file is downloaded from: there, or from the mirror that takes its place."""
    base = os.environ.get(URL_VARIABLE)
    return f"{base.rstrip('/')}/{url.rpartition('/')[2]}" if base else url


def download(
    url: str, progress: Progress = lambda done, total: None, option: str = "--firmware"
) -> bytes:
    """Return what is at that address. Raises: CommandError, which names the option to give a
    file with that is here already."""
    if not url.startswith(("https://", "http://")):
        raise CommandError(f"{URL_VARIABLE}: {url} is no web address")
    data = bytearray()
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as reply:  # noqa: S310  checked above
            total = int(reply.headers.get("Content-Length") or 0)
            while piece := reply.read(_PIECE_BYTES):
                data += piece
                if len(data) > _MAX_BYTES:
                    raise CommandError(f"{url} is over {_MAX_BYTES:,} bytes: no firmware", NETWORK)
                progress(len(data), total)
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise CommandError(
            f"cannot download {url} ({reason}). Download it elsewhere and give it with {option}",
            NETWORK,
        ) from error
    if total and len(data) != total:
        raise CommandError(f"{url} came short: {len(data):,} of {total:,} bytes; repeat", NETWORK)
    return bytes(data)


def _keep(path: Path, data: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        whole_file.replace(path, data)
    except OSError as error:
        raise CommandError(f"cannot write {path}: {error.strerror}") from error
