"""How far a copy is: a bar on a terminal, a line per file elsewhere. On standard error."""

from __future__ import annotations

import contextlib

from rich import progress
from rich.console import Console


class Progress(contextlib.AbstractContextManager["Progress"]):
    """Bytes on their way to a board."""

    def __init__(self, total_bytes: int, file_count: int):
        self._console = Console(stderr=True, highlight=False)
        self._count = 0
        self._file_count = file_count
        self._bar: progress.Progress | None = None
        if self._console.is_terminal:
            self._bar = progress.Progress(
                progress.BarColumn(bar_width=30),
                progress.DownloadColumn(),
                progress.TransferSpeedColumn(),
                progress.TextColumn("{task.description}"),
                console=self._console,
                transient=True,
            )
            self._task = self._bar.add_task("", total=total_bytes)

    def __enter__(self) -> Progress:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, *details: object) -> None:
        if self._bar:
            self._bar.stop()

    def start(self, path: str, size: int) -> None:
        """Say that a file comes next."""
        self._count += 1
        if self._bar:
            self._bar.update(self._task, description=path)
        else:
            line = f"linkpost: copying {path} ({size} bytes), {self._count} of {self._file_count}"
            self._console.print(line, soft_wrap=True, markup=False)

    def advance(self, size: int) -> None:
        """Say that so many more bytes have arrived."""
        if self._bar:
            self._bar.advance(self._task, size)
