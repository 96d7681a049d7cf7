"""A board's outbox, copied and opened on this machine by the firmware's own storage modules.

Opening an outbox sets it in order, which writes; so it is a copy that is opened, and nothing on
the board's flash is touched. Only what is needed is fetched: over a serial port a full backlog
would take minutes. The other segments stand there empty, with their names and sizes, from which
the firmware knows what they hold.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from .. import firmware

FOLDER = "outbox"
_BACKLOG = f"{FOLDER}/backlog/"
_SEGMENT = re.compile(re.escape(_BACKLOG) + "s([0-9a-f]{8})")
# What the firmware makes there (docs/flash-format.md); anything else is not fetched.
_OURS = re.compile(
    re.escape(FOLDER) + "/(stream|acked/cursor|r[0-9]/[a-z]|backlog/[sq][0-9a-f]{8})"
)

Progress = Callable[[str, int], None]


class Files(Protocol):
    """Where an outbox lies: a board on a port, an image, a folder. Only read."""

    def files(self, *paths: str) -> dict[str, int]: ...

    def read(self, path: str) -> bytes | None: ...


@dataclass(frozen=True)
class Reading:
    """One reading; `unix_ms` is None where the board's clock was not right.

    `refusal` is the platform's code and message, of a quarantined one; None where not known.
    """

    seq: int
    unix_ms: int | None
    values: dict[str, Any]
    refusal: str | None = None


@dataclass(frozen=True)
class Contents:
    """What an outbox holds. `stream` is None where there is no outbox yet.

    `waiting` and `quarantined_readings` have what was asked for, oldest first; `notes` says what
    is wrong.
    """

    stream: str | None = None
    next_seq: int = 1
    pending: int = 0
    quarantined: int = 0
    dropped: int = 0
    waiting: list[Reading] = field(default_factory=list)
    quarantined_readings: list[Reading] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def look_into(
    source: Files, waiting: int = 0, quarantined: bool = False, progress: Progress | None = None
) -> Contents:
    """Return what an outbox holds; `source` is left as it is.

    Args: waiting: how many of the oldest waiting readings to fetch; quarantined: fetch those too;
        progress: is given each file and its size before it is fetched.
    Raises: what `source` raises.
    """
    sizes = {path: size for path, size in source.files(FOLDER).items() if _OURS.fullmatch(path)}
    if not sizes:
        return Contents()
    with tempfile.TemporaryDirectory(
        prefix="linkpost-outbox-", ignore_cleanup_errors=True
    ) as name:
        copy = _Copy(source, sizes, Path(name), progress or (lambda path, size: None))
        return copy.open(waiting, quarantined)


class _Copy:
    def __init__(self, source: Files, sizes: dict[str, int], root: Path, progress: Progress):
        self._source = source
        self._sizes = sizes
        self._root = root
        self._progress = progress
        self._segments = sorted(path for path in sizes if _SEGMENT.fullmatch(path))

    def open(self, waiting: int, quarantined: bool) -> Contents:
        firmware.enable_imports()
        from linkpost.storage.outbox import Outbox

        for path in self._sizes:
            if path in self._segments:
                self._stand_in(path)
            elif quarantined or not path.startswith(_BACKLOG):
                self._fetch(path)
        self._fetch_last_segment()
        log = _Notes()
        outbox: Any = Outbox(str(self._root / FOLDER), None, os.urandom, log)
        acked = outbox.next_seq - 1 - outbox.pending
        last = acked + min(waiting, outbox.pending)
        for path in self._holding(acked + 1, last):
            self._fetch(path)
        return Contents(
            outbox.stream if f"{FOLDER}/stream" in self._sizes else None,
            outbox.next_seq,
            outbox.pending,
            outbox.quarantined,
            outbox.dropped,
            list(_up_to(outbox.readings(), last)) if waiting else [],
            list(_up_to(quarantined_readings(outbox))) if quarantined else [],
            log.notes,
        )

    def _fetch_last_segment(self) -> None:
        """Fetch the last one that has a reading: how far it goes is not known by its name."""
        from linkpost.storage.segments import last_seq

        for path in reversed(self._segments):
            self._fetch(path)
            if last_seq(str(self._target(path))):
                return

    def _holding(self, first: int, last: int) -> Iterator[str]:
        """Yield the segments that hold seqs of that range and were not fetched."""
        if last < first:
            return
        left = [path for path in self._segments if (self._root / path).exists()]
        for path, following in zip(left, left[1:], strict=False):
            if _first_seq(path) <= last and _first_seq(following) > first:
                yield path

    def _fetch(self, path: str) -> None:
        self._progress(path, self._sizes[path])
        content = self._source.read(path)
        if content is not None:
            self._target(path).write_bytes(content)

    def _stand_in(self, path: str) -> None:
        with self._target(path).open("wb") as file:
            file.truncate(self._sizes[path])

    def _target(self, path: str) -> Path:
        target = self._root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        return target


def quarantined_readings(outbox: Any) -> Iterator[tuple[int, int | None, dict[str, Any]]]:
    """Yield the readings that an outbox has quarantined and still keeps, oldest first."""
    from linkpost.storage import opening, segments

    for first, _ in opening.listed(outbox, "q"):
        for _, frame in segments.frames(outbox.path_of(first, "q")):
            yield outbox.reading(frame)


class _Notes:
    """What the firmware has to say of an outbox, in place of its log."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def warning(self, area: str, phrase: str, *pairs: object) -> None:
        self.notes.append(phrase)


def _first_seq(path: str) -> int:
    found = _SEGMENT.fullmatch(path)
    return int(found[1], 16) if found else 0


def _up_to(
    readings: Iterator[tuple[int, int | None, dict[str, Any]]], last: int | None = None
) -> Iterator[Reading]:
    for seq, unix_ms, values in readings:
        if last is not None and seq > last:
            return
        refusal = values.pop("", None)
        yield Reading(seq, unix_ms, values, refusal)
        if seq == last:
            return  # the next one may lie in a segment that was not fetched
