"""Progress and result of a run: live on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

from rich.console import Console as Terminal
from rich.live import Live
from rich.table import Table

from .run import Compared, Numbers

_LINE_EVERY_S = 5.0


class Progress:
    """Shows numbers as they come, on standard error; use it in a `with` block."""

    def __init__(self, total_s: float | None):
        self._terminal = Terminal(stderr=True, highlight=False)
        self._total_s = total_s
        self._live: Live | None = None
        self._next_line_s = 0.0

    def __enter__(self) -> Progress:
        if self._terminal.is_terminal:
            self._live = Live(console=self._terminal, transient=True, auto_refresh=False)
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, numbers: Numbers) -> None:
        if self._live is not None:
            self._live.update(make_table(numbers, None), refresh=True)
        elif time.monotonic() >= self._next_line_s:
            self._next_line_s = time.monotonic() + _LINE_EVERY_S
            refused = sum(numbers.refused.values())
            self._terminal.print(
                f"{numbers.seconds:.0f} s  accepted {numbers.accepted}  refused {refused}"
                f"  waiting {numbers.waiting}  {numbers.per_second}/s"
                f"  p50 {numbers.p50_ms} ms  p99 {numbers.p99_ms} ms",
                soft_wrap=True, markup=False,
            )  # fmt: skip


def make_table(numbers: Numbers, compared: Compared | None) -> Table:
    """Return the summary as a table."""
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column()
    table.add_column(justify="right")
    refused = ", ".join(f"{code}: {count}" for code, count in numbers.refused.items())
    rows: list[tuple[str, Any]] = [
        ("boards", numbers.boards),
        ("seconds", numbers.seconds),
        ("accepted", f"{numbers.accepted} ({numbers.per_second}/s)"),
        ("refused", refused or 0),
        ("waiting", numbers.waiting),
        ("dropped", numbers.dropped),
        ("authentications", numbers.authentications),
        ("connections", numbers.connections),
        ("latency p50", f"{numbers.p50_ms} ms"),
        ("latency p95", f"{numbers.p95_ms} ms"),
        ("latency p99", f"{numbers.p99_ms} ms"),
        ("latency max", f"{numbers.max_ms} ms"),
    ]
    if compared is not None:
        rows += [("duplicates", compared.duplicates), ("lost", compared.lost)]
    for name, value in rows:
        table.add_row(name, str(value))
    return table


def as_json(numbers: Numbers, compared: Compared | None) -> dict[str, Any]:
    """Return the summary for programs; `duplicates` and `lost` are null without an emulator."""
    known = asdict(compared) if compared else {"received": None, "duplicates": None, "lost": None}
    return {**asdict(numbers), **known}
