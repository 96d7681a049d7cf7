"""Many images in one folder: made on all cores, whole or not there, and gone on with.

    a1B2c3D4e5F.sensor01.uf2   an image; while it is made it is called .part
    manifest.json              what all have in common, and each image that is whole
    labels.csv                 for a label printer, of the same images; no secrets

The manifest stands there before the first image. So a folder without one is not ours, and one that
was stopped, or whose power went, is gone on with by the same command: images in the manifest stay,
all others are made anew. `made_from` tells whether an image is still what would be made: firmware,
certificates and config go into it, and it is as hard to turn back as the image's own hash.
"""

from __future__ import annotations

import contextlib
import csv
import datetime
import hashlib
import io
import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..client.devices_csv import Triple
from ..files import locked_file, whole_file
from ..firmware.config_check import check_config, dump_config
from ..terminal.counted_progress import Counter, counted
from ..terminal.failures import CommandError
from .build import Layout, device_image, write_sparse

MANIFEST = "manifest.json"
LABELS = "labels.csv"
_PART = ".part"
# How often the manifest is written while images are made.
_NOTE_S = 2.0
_POOL_FROM = 16  # below that a pool costs more than it saves
_BLOCK_BYTES = 512  # what a file system counts in


@dataclass(frozen=True)
class Task:
    """One image to make."""

    triple: Triple
    config: dict[str, Any]
    name: str  # of its file


@dataclass(frozen=True)
class _Common:
    """What every image of a job is made with."""

    layout: Layout
    base: bytes
    base_sha256: str
    folder: Path


class Job:
    """The images of a list in one folder; use it in a `with` block.

    Args: facts: what the manifest says of all of them.
    Raises: CommandError where the folder is something else's, in use, or cannot be made.
    """

    def __init__(
        self, folder: Path, layout: Layout, base: bytes, tasks: list[Task], facts: dict[str, Any]
    ):
        digest = hashlib.sha256(base).hexdigest()
        self._common = _Common(layout, base, digest, folder)
        self._tasks = tasks
        self._facts = {**facts, "base_sha256": digest}
        self._entries: dict[str, dict[str, Any]] = {}
        self._made = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%dT%H:%M:%S+00:00}"
        self._noted_s = 0.0
        self._lock = -1
        is_new = _make_folder(folder)
        try:
            self._lock_folder(folder)
            if not is_new:
                self._take_over(folder)
            for part in folder.glob(f"*{_PART}"):
                part.unlink()
            self._note(final=False)
        except OSError as error:
            self.__exit__()
            raise CommandError(f"--out: cannot write {folder}: {error.strerror}") from error
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self) -> Job:
        return self

    def __exit__(self, *details: object) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    @property
    def entries(self) -> list[dict[str, Any]]:
        """Return the manifest's lines of the images that are whole, in the list's order."""
        return [self._entries[one.name] for one in self._tasks if one.name in self._entries]

    def run(self) -> None:
        """Make what is missing. Ctrl-C leaves whole images and a manifest that says which.

        Raises: CommandError where the disk is too small for all, or full.
        """
        left = [one for one in self._tasks if not self._is_whole(one)]
        total = len(self._tasks)
        try:
            with counted("images", total, total - len(left)) as counter:
                if total - len(left):
                    counter.note(f"{total - len(left):,} of {total:,} images exist already")
                try:
                    self._make_all(left, counter)
                except KeyboardInterrupt:
                    counter.note(
                        f"stopped: {len(self._entries):,} of {total:,} images are complete, and "
                        "manifest.json says which; the same command continues"
                    )
                    raise
        except OSError as error:
            raise CommandError(
                f"--out: cannot write to {self._common.folder}: {error.strerror}. "
                f"{len(self._entries):,} of {total:,} images are complete; the same command "
                "continues"
            ) from error
        finally:
            with contextlib.suppress(OSError):
                self._note(final=True)

    # -- making -----------------------------------------------------------------------------------

    def _make_all(self, left: list[Task], counter: Counter) -> None:
        if not left:
            return
        first, *rest = left
        self._keep(first, _make(self._common, first), counter)
        if rest:
            self._say_size(first, len(rest), counter)
        workers = os.cpu_count() or 1
        if len(rest) < _POOL_FROM or workers < 2:
            for one in rest:
                self._keep(one, _make(self._common, one), counter)
            return
        with _pool(workers, self._common) as submit:
            futures = {submit(one): one for one in rest}
            try:
                for future in as_completed(futures):
                    self._keep(futures[future], future.result(), counter)
            except BaseException:
                # What a process has begun becomes whole, and is noted.
                for future in futures:
                    future.cancel()
                for future, one in futures.items():
                    if not future.cancelled() and future.exception() is None:
                        self._entries[one.name] = future.result()
                raise

    def _keep(self, task: Task, entry: dict[str, Any], counter: Counter) -> None:
        self._entries[task.name] = entry
        counter.advance()
        if time.monotonic() - self._noted_s > _NOTE_S:
            self._note(final=False)

    def _say_size(self, first: Task, more: int, counter: Counter) -> None:
        found = (self._common.folder / first.name).stat()
        stored = getattr(found, "st_blocks", 0) * _BLOCK_BYTES or found.st_size
        free = shutil.disk_usage(self._common.folder).free
        counter.note(
            f"{len(self._tasks):,} images of about {_size(found.st_size)}: about "
            f"{_size(stored * more)} more on the disk, where {_size(free)} are free"
        )
        if stored * more > free:
            raise CommandError(
                f"--out: {self._common.folder} has no room for {more:,} more images: make room, "
                "and the same command continues"
            )

    # -- the folder -------------------------------------------------------------------------------

    def _lock_folder(self, folder: Path) -> None:
        if os.name != "posix":  # Windows has no such locks on folders
            return
        self._lock = os.open(folder, os.O_RDONLY)
        try:
            locked_file.lock(self._lock)
        except locked_file.InUse as error:
            raise CommandError(
                f"--out: {folder} is in use by another linkpost image: wait for it"
            ) from error

    def _take_over(self, folder: Path) -> None:
        """Take in what an earlier run of the same command has made."""
        try:
            manifest = json.loads((folder / MANIFEST).read_text())
            facts = {name: manifest[name] for name in self._facts}
            entries = {entry["file"]: entry for entry in manifest["images"]}
            made = str(manifest["made"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise _not_ours(folder) from error
        if facts != self._facts:
            raise CommandError(
                f"--out: {folder} has images of another board, firmware, template or CA: give a "
                "new folder"
            )
        if entries.keys() - {one.name for one in self._tasks}:
            raise CommandError(
                f"--out: {folder} has images of devices that are not in this list: give the list "
                "it was started with, or a new folder"
            )
        self._entries = entries
        self._made = made

    def _is_whole(self, task: Task) -> bool:
        entry = self._entries.get(task.name)
        if entry is None:
            return False
        path = self._common.folder / task.name
        same = entry.get("made_from") == _made_from(self._common, task)
        if same and path.is_file() and path.stat().st_size == entry.get("bytes"):
            return True
        del self._entries[task.name]
        return False

    def _note(self, final: bool) -> None:
        folder = self._common.folder
        self._noted_s = time.monotonic()
        entries = self.entries
        manifest = {
            **self._facts,
            "made": self._made,
            "complete": final and len(entries) == len(self._tasks),
            "devices": len(self._tasks),
            "images": entries,
        }
        text = json.dumps(manifest, indent=1) + "\n"
        whole_file.replace(folder / MANIFEST, text.encode())
        if final:
            whole_file.replace(folder / LABELS, _labels(self._tasks, self._entries).encode())


def _make(common: _Common, task: Task) -> dict[str, Any]:
    """Make one image, whole or not at all; return its line of the manifest."""
    layout = common.layout
    content = dump_config(task.config)
    data = device_image(layout, common.base, content, check_config(task.config, layout.board))
    solid = len(layout.micropython or b"") if layout.suffix == ".bin" else len(data)
    path = common.folder / task.name
    part = common.folder / f"{task.name}{_PART}"
    try:
        digest = write_sparse(part, data, layout.board.block_size, solid)
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return {
        "device": task.triple.key,
        "file": task.name,
        "bytes": len(data),
        "sha256": digest,
        "made_from": _made_from(common, task),
    }


def _made_from(common: _Common, task: Task) -> str:
    return hashlib.sha256(common.base_sha256.encode() + dump_config(task.config)).hexdigest()


# -- the pool: what all images have in common goes to each process once -------------------------

_of_this_process: list[_Common] = []


def _start_process(common: _Common) -> None:
    # Ctrl-C reaches every process of the terminal: the first one ends them in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _of_this_process[:] = [common]


def _make_there(task: Task) -> dict[str, Any]:
    return _make(_of_this_process[0], task)


@contextlib.contextmanager
def _pool(workers: int, common: _Common) -> Iterator[Callable[[Task], Future[dict[str, Any]]]]:
    with ProcessPoolExecutor(workers, initializer=_start_process, initargs=(common,)) as pool:
        yield lambda task: pool.submit(_make_there, task)


def _make_folder(folder: Path) -> bool:
    """Make the folder; return whether it is new or empty. Raises: CommandError."""
    try:
        folder.mkdir(parents=True, mode=0o700)
        return True
    except FileExistsError as error:
        if not folder.is_dir():
            raise _not_ours(folder) from error
        if not any(folder.iterdir()):
            folder.chmod(0o700)
            return True
        if not (folder / MANIFEST).is_file():
            raise _not_ours(folder) from error
        return False
    except OSError as error:
        raise CommandError(f"--out: cannot make {folder}: {error.strerror}") from error


def _not_ours(folder: Path) -> CommandError:
    return CommandError(f"--out: {folder} already exists: give a new folder")


def _labels(tasks: list[Task], entries: dict[str, Any]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("Name", "ProductKey", "QR"))
    for one in tasks:
        if one.name in entries:
            writer.writerow((one.triple.key, one.triple.product_key, one.triple.device_name))
    return text.getvalue()


def _size(count: int) -> str:
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("KB", 10**3)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count} bytes"
