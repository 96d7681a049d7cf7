"""The first lines of a boot, judged: does the app run, and if not, why."""

from __future__ import annotations

from dataclasses import dataclass, field

from tools.failures import exit_code_of
from tools.log_line import LogLine, parse_log_line

# What the REPL shows when main.py has ended.
_REPL = (">>>", "MicroPython v", 'Type "help()"')


@dataclass
class FirstLines:
    """Takes a boot's lines one by one.

    `runs` is True once the app has said so, and `failure` is set where it cannot run: one line,
    with the `exit_code` that belongs to it. A log line of a board whose first ones were lost (by
    native USB the port comes after them) counts as running.
    """

    runs: bool = False
    failure: str | None = None
    exit_code: int = 1
    traceback: list[str] = field(default_factory=list)
    _in_traceback: bool = False

    def take(self, line: str) -> None:
        """Follow one line, without its end."""
        if line.startswith("Traceback (most recent call last)"):
            self._in_traceback = True
            self.traceback = [line]
            return
        if self._in_traceback:
            self.traceback.append(line)
            if not line.startswith(" "):
                self._in_traceback = False
                self.runs = False
                self.failure = f"the app stopped: {line}"
            return
        found = parse_log_line(line)
        if found:
            self._take_log_line(found)
        elif line.startswith(_REPL) and self.failure is None:
            self.runs = False
            self.failure = "main.py has ended, and the board is at its REPL"

    def _take_log_line(self, line: LogLine) -> None:
        phrase = line.phrase if line.area == "app" else ""
        if phrase == "cannot run":
            error = line.fields.get("error", "")
            self.runs = False
            self.failure = f"the app cannot run: {error}: {line.fields.get('why', '')}"
            self.exit_code = exit_code_of(error)
        elif phrase == "safe mode":
            self.runs = False
            self.failure = "the board is in safe mode after five crashes in a row"
        elif phrase.startswith("held"):
            self.runs = False
            self.failure = "the file `hold` is on the board, so it did not start the app"
        elif self.failure is None:
            self.runs = True
