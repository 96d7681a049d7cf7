"""What `linkpost factory` shows: a bar per port on a terminal, else plain lines."""

from __future__ import annotations

import contextlib
import json
import sys
import threading
from typing import IO, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn


class View(contextlib.AbstractContextManager["View"]):
    """Lines and bars on standard error or `error_file`, a label per board on standard output."""

    def __init__(self, as_json: bool = False, error_file: IO[str] | None = None):
        self._as_json = as_json
        self._console = Console(stderr=True, highlight=False, file=error_file)
        self._lock = threading.Lock()
        self._tasks: dict[str, TaskID] = {}
        self._bars: Progress | None = None
        if self._console.is_terminal:
            self._bars = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TaskProgressColumn(),
                console=self._console,
                transient=True,
                # Into a file the labels go past the bars.
                redirect_stdout=sys.stdout.isatty(),
            )

    def __enter__(self) -> View:
        if self._bars:
            self._bars.start()
        return self

    def __exit__(self, *details: object) -> None:
        if self._bars:
            self._bars.stop()

    def say(self, port: str, text: str) -> None:
        """Say what happens at a port; "" for the bench as a whole."""
        line = f"linkpost: {port}: {text}" if port else f"linkpost: {text}"
        self._console.print(line, soft_wrap=True, markup=False)

    def show(self, port: str, percent: float) -> None:
        """Show how far the writing is, on a terminal; 100 ends the bar."""
        if self._bars is None:
            return
        with self._lock:
            if percent < 100:
                if port not in self._tasks:
                    self._tasks[port] = self._bars.add_task(f"{port}: writing", total=100)
                self._bars.update(self._tasks[port], completed=percent)
            elif port in self._tasks:
                self._bars.remove_task(self._tasks.pop(port))

    def label(self, board: dict[str, Any]) -> None:
        """Print a finished board: what to write on its label, or one JSON object."""
        text = json.dumps(board) if self._as_json else f"{board['device']}  {board['mac']}"
        with self._lock:
            print(text, flush=True)
