"""How far a list is, with the time left: a bar on a terminal, else a line now and then."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from .durations import duration

_LINE_S = 10.0


class Counter:
    """Counts what is done of `total`; `note` says a line, above the bar where there is one."""

    def __init__(self, what: str, total: int, done: int = 0):
        self._what = what
        self._total = total
        self._done = self._begun_at = done
        self._started = self._said = time.monotonic()
        self._bar: Progress | None = None

    def advance(self, count: int = 1) -> None:
        """Count so many more as done."""
        self._done += count
        if self._bar is not None:
            self._bar.advance(self._bar.task_ids[0], count)
        elif time.monotonic() - self._said >= _LINE_S and self._done < self._total:
            self._said = time.monotonic()
            self.note(f"{self._what} {self._done:,} of {self._total:,}{self._left()}")

    def note(self, line: str) -> None:
        """Say a line on standard error."""
        if self._bar is not None:
            self._bar.console.print(f"linkpost: {line}", soft_wrap=True, markup=False)
        else:
            print(f"linkpost: {line}", file=sys.stderr, flush=True)

    def _left(self) -> str:
        made = self._done - self._begun_at
        if not made:
            return ""
        left_s = (time.monotonic() - self._started) / made * (self._total - self._done)
        return f", about {duration(max(1, round(left_s)) * 1000)} left"

    @contextlib.contextmanager
    def _shown(self) -> Iterator[Counter]:
        console = Console(stderr=True, highlight=False)
        if not console.is_terminal:
            yield self
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        more = (TimeRemainingColumn(), TextColumn("left"))
        with Progress(*columns, *more, console=console, transient=True) as self._bar:
            self._bar.add_task(self._what, total=self._total, completed=self._done)
            yield self


def counted(what: str, total: int, done: int = 0) -> contextlib.AbstractContextManager[Counter]:
    """Show how far it is, in a `with` block; `what` is a word for it, "images"."""
    return Counter(what, total, done)._shown()
