"""The board's log line, taken apart; the firmware's `log.py` makes it.

12.345 I send accepted seq=17 ms=412
"""

from __future__ import annotations

import re
from dataclasses import dataclass

AREAS = ("app", "wifi", "clock", "send", "store", "sensor")
LEVELS = "DIWE"

_LINE = re.compile(rf"(\d+)\.(\d{{3}}) ([{LEVELS}]) ({'|'.join(AREAS)}) (\S.*)")
_FIELD = re.compile(r'(?:^|(?<= ))(\w+)=("[^"]*"|[^\s"]*)(?= |$)')


@dataclass(frozen=True)
class LogLine:
    """One line: ms since the board's boot, level, area, the phrase, and the pairs in order."""

    uptime_ms: int
    level: str
    area: str
    phrase: str
    fields: dict[str, str]


def parse_log_line(text: str) -> LogLine | None:
    """Return what a line says, None where it is no log line (without its end)."""
    found = _LINE.fullmatch(text)
    if found is None:
        return None
    seconds, ms, level, area, rest = found.groups()
    first = _FIELD.search(rest)
    phrase = rest[: first.start()] if first else rest
    fields = {name: value.strip('"') for name, value in _FIELD.findall(rest)}
    return LogLine(int(seconds) * 1000 + int(ms), level, area, phrase.rstrip(), fields)
