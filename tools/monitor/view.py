"""How `linkpost monitor` shows a board's log: for people in columns, for programs as JSON."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.text import Text

from ..firmware.long_names import with_long_name
from ..terminal.durations import duration
from .log_line import LogLine, parse_log_line

# What stands before a line's own words: time of day, level, area.
_INDENT = len("09:41:07 I sensor ")
_STYLES = {"D": "dim", "I": "", "W": "yellow", "E": "bold red"}
# Phrases of success, in green.
_GOOD = ("accepted", "up", "set by NTP", "set by the platform", "started")
_LONG_MS = 10_000  # from here on a time is also shown in words
_TRACEBACK = "Traceback (most recent call last)"


@dataclass(frozen=True)
class Heard:
    """A line that came from the board, or an `event` on its port; `at` is this machine's time."""

    at: datetime
    text: str
    line: LogLine | None = None
    is_traceback: bool = False
    is_restart: bool = False  # its clock began anew: the board has restarted before this line
    event: bool = False


class Listener:
    """Makes sense of lines in the order in which they come. Args: now, this machine's time."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)):
        self._now = now
        self._uptime_ms = -1
        self._in_traceback = False

    def take(self, text: str) -> Heard:
        """Return what a line is, given those before it."""
        line = parse_log_line(text)
        restarted = line is not None and line.uptime_ms < self._uptime_ms
        if line is not None:
            self._uptime_ms = line.uptime_ms
        # A traceback ends with the line that is not indented: the error itself.
        is_traceback = line is None and (self._in_traceback or text.startswith(_TRACEBACK))
        self._in_traceback = is_traceback and text.startswith((" ", _TRACEBACK))
        if is_traceback:
            text = with_long_name(text)
        return Heard(self._now(), text, line, is_traceback, restarted)

    def event(self, text: str) -> Heard:
        """Return what happened to the port as something heard."""
        self._in_traceback = False
        return Heard(self._now(), text, event=True)


def as_json(heard: Heard) -> str:
    """Return one JSON object: `time` (ISO 8601, UTC), then the parts of the line, or its `text`.

    Of an event, `event`. `restarted` is there, and true, where the board has restarted before.
    """
    found: dict[str, object] = {"time": heard.at.astimezone(UTC).isoformat("T", "milliseconds")}
    if heard.is_restart:
        found["restarted"] = True
    line = heard.line
    if heard.event:
        found["event"] = heard.text
    elif line is None:
        found["text"] = heard.text
    else:
        found |= {
            "uptime_s": line.uptime_ms / 1000,
            "level": line.level,
            "area": line.area,
            "phrase": line.phrase,
            "fields": line.fields,
        }
    return json.dumps(found, ensure_ascii=False)


def as_text(heard: Heard, width: int | None = None) -> Text:
    """Return the lines for people, in colours; wrapped where `width` is given.

    What is no log line stays as it is.
    """
    clock = f"{heard.at.astimezone():%H:%M:%S} "
    if heard.event:
        return Text(f"{clock}-- {heard.text}", style="cyan")
    line = heard.line
    if line is None:
        return Text(heard.text, style="red" if heard.is_traceback else "")
    shown = Text()
    if heard.is_restart:
        shown.append(f"{clock}-- the board has restarted\n", style="cyan")
    style = _STYLES[line.level]
    phrase = "green" if line.level == "I" and line.phrase in _GOOD else style
    rows = _wrapped(without_level(line), width)
    shown.append(clock, style="dim")
    shown.append(f"{line.level} ", style=style)
    shown.append(f"{line.area:6} ", style=style or "cyan")
    shown.append(rows[0][: len(line.phrase)], style=phrase)
    shown.append(rows[0][len(line.phrase) :], style=style)
    for row in rows[1:]:
        shown.append(f"\n{' ' * _INDENT}{row}", style=style)
    return shown


def _wrapped(text: str, width: int | None) -> list[str]:
    if width is None or width < 2 * _INDENT:
        return [text]
    return textwrap.wrap(text, width - _INDENT, break_on_hyphens=False) or [text]


def without_level(line: LogLine) -> str:
    """Return phrase, error and pairs of a line, as in the log; long times also in words."""
    fields = dict(line.fields)
    found = [fields.pop(name) for name in ("error", "why") if fields.get(name)]
    text = ": ".join([line.phrase, *found])
    return " ".join([text, *(_pair(name, value) for name, value in fields.items())])


def _pair(name: str, value: str) -> str:
    pair = f'{name}="{value}"' if " " in value or not value else f"{name}={value}"
    if not value.isdigit():
        return pair
    number = int(value)
    if name == "unix_ms":
        return f"{pair} ({datetime.fromtimestamp(number / 1000).astimezone():%Y-%m-%d %H:%M:%S})"
    if (name == "ms" or name.endswith("_ms")) and number >= _LONG_MS:
        return f"{pair} ({duration(number)})"
    return pair
