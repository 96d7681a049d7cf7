"""The first lines of a boot, judged: does the app run, does it report, and if not, why."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field

from ..firmware.long_names import with_long_name
from ..monitor.log_line import LogLine, parse_log_line
from ..terminal.failures import NETWORK, REFUSED, exit_code_of

# What the REPL shows when main.py has ended.
_REPL = (">>>", "MicroPython v", 'Type "help()"')
_LAST_LINES = 5
_RAISED = re.compile(r"[A-Za-z_]\w*(:|$)")


@dataclass
class FirstLines:
    """Takes a boot's lines one by one.

    `runs` is True once the app has said so, and `failure` is set where it cannot run: one line,
    with the `exit_code` that belongs to it. A log line of a board whose first ones were lost (by
    native USB the port comes after them) counts as running.

    `accepted` is the line of the first accepted report, `send_failure` why the first one was not,
    with `send_exit_code`. `stored` is True once a reading is on flash; `sleeps_ms` is set while
    the board sleeps. `has_ended`: main.py has ended, and `said` has its last lines.
    """

    runs: bool = False
    failure: str | None = None
    exit_code: int = 1
    traceback: list[str] = field(default_factory=list)
    heap: dict[str, int] = field(default_factory=dict)  # as the boot logged it, by `Port.heap`
    accepted: LogLine | None = None
    send_failure: str | None = None
    send_exit_code: int = 1
    stored: bool = False
    sleeps_ms: int | None = None
    has_ended: bool = False
    said: deque[str] = field(default_factory=lambda: deque(maxlen=_LAST_LINES))
    _in_traceback: bool = False

    def take(self, line: str) -> None:
        """Follow one line, without its end."""
        if line.startswith("Traceback (most recent call last)"):
            self._in_traceback = True
            self.traceback = [line]
            return
        if self._in_traceback:
            self.traceback.append(with_long_name(line))
            # Another task may print into it.
            if not line.startswith(" ") and _RAISED.match(line):
                self._in_traceback = False
                self.runs = False
                self.failure = f"the app stopped: {line}"
            return
        found = parse_log_line(line)
        if found:
            self._take_log_line(found)
        elif line.startswith(_REPL):
            self.has_ended = True
            self.runs = False
            if self.failure is None:
                self.failure = "main.py has ended, and the board is at its REPL"
        if line.strip() and not self.has_ended:
            self.said.append(line)

    def _take_log_line(self, line: LogLine) -> None:
        self.sleeps_ms = None
        if line.area == "send":
            self._take_send(line)
        elif line.area == "store":
            self._take_store(line)
        phrase = line.phrase if line.area == "app" else ""
        if phrase == "heap":
            self.heap = {key: int(text) for key, text in line.fields.items() if text.isdigit()}
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
        if phrase == "sleeping" and line.fields.get("ms", "").isdigit():
            self.sleeps_ms = int(line.fields["ms"])

    def _take_send(self, line: LogLine) -> None:
        if line.phrase == "accepted":
            self.accepted = self.accepted or line
        elif self.send_failure is None and line.phrase == "failed":
            error = line.fields.get("error", "")
            self._send_failed(f"{error}: {line.fields.get('why', '')}", exit_code_of(error))
        elif self.send_failure is None and line.phrase.startswith("topic refused"):
            fields = line.fields
            text = f"code {fields.get('code')} for topic {fields.get('topic')}"
            self._send_failed(f"{text}. Check: {fields.get('check')}", REFUSED)
        elif self.send_failure is None and line.level == "E":
            self._send_failed(line.phrase, NETWORK)

    def _send_failed(self, why: str, exit_code: int) -> None:
        self.send_failure, self.send_exit_code = why, exit_code

    def _take_store(self, line: LogLine) -> None:
        if line.phrase == "stored":
            self.stored = True
        elif self.send_failure is None and line.phrase == "reading not stored":
            why = f"StorageError: {line.fields.get('why', '')}"
            self._send_failed(why, exit_code_of("StorageError"))
