"""What becomes of a board after a deploy: its first accepted report, or why there is none.

A board that starts is not one that reports. So the first boot is followed until the platform has
accepted something, or the first try has failed; where the config lets a report wait for longer
(`send_s`, deep sleep) a reading on flash is what can be seen in time.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field, replace
from typing import Any

from .. import firmware
from ..terminal import next_step
from ..terminal.durations import duration
from ..terminal.failures import DONE, TIMEOUT
from ..usb.board import UsbBoard
from .boot import FirstLines

ACCEPTED, FAILED, DUE, NONE = "accepted", "failed", "due", None


@dataclass(frozen=True)
class Start:
    """How a board started; `report` is "accepted", "failed", "due" or None."""

    message: str
    exit_code: int = DONE
    runs: bool = False
    report: str | None = NONE
    heap: dict[str, int] = field(default_factory=dict)  # as the boot logged it, by `Port.heap`


def watch(board: UsbBoard, boot_s: float, config: dict[str, Any], own_main: bool) -> Start:
    """Restart the board and follow its lines, which go to standard error.

    Args: boot_s: how long, at most; 0: not at all. own_main: main.py is the user's.
    """
    if not boot_s:
        board.leave_running()
        return Start("restarted")
    first = FirstLines()
    has_said = False
    deadline = time.monotonic() + boot_s
    for line in board.restart(boot_s):
        if line is None:
            if _is_decided(first, deadline, config):
                break  # at a pause, so that what belongs to the line is seen too
        elif line.strip():
            print(line, file=sys.stderr)
            has_said = True
            first.take(line)
    start = judge(first, has_said, boot_s, config, own_main, board.port)
    return replace(start, heap=first.heap)


def _is_decided(first: FirstLines, deadline: float, config: dict[str, Any]) -> bool:
    if first.failure or first.accepted or first.send_failure:
        return True
    if not first.stored or first.sleeps_ms is None or config.get("sleep") != "deep":
        return False
    return time.monotonic() + first.sleeps_ms / 1000 > deadline


def judge(
    first: FirstLines,
    has_said: bool,
    boot_s: float,
    config: dict[str, Any],
    own_main: bool,
    port: str,
) -> Start:
    """Return what the lines of a first boot mean. Args: has_said: there were any."""
    monitor = f"Watch it with: {next_step.command('monitor', port)}"
    if first.failure:
        return _ended(first, own_main)
    if first.accepted:
        seq = first.accepted.fields.get("seq")
        message = f"it runs, and its first report was accepted, seq={seq}"
        return Start(message, DONE, True, ACCEPTED)
    if first.send_failure:
        message = f"the first report failed: {first.send_failure}"
        kept = "; readings are kept, and the board retries"
        return Start(message + kept, first.send_exit_code, first.runs, FAILED)
    due_ms = _due_later_ms(config, boot_s)
    if first.stored and due_ms:
        due = duration(max(due_ms, first.sleeps_ms or 0))
        message = f"it runs: a reading is stored, and the first report is due within {due}"
        return Start(message, DONE, True, DUE)
    if own_main and has_said:
        message = f"your main.py runs; no report was seen in {boot_s:g} s. {monitor}"
        return Start(message, DONE, True, NONE)
    if first.runs:
        said = first.said[-1] if first.said else ""
        message = (
            f"no report was accepted or failed in {boot_s:g} s; its last output: {said}. {monitor}"
        )
        return Start(message, TIMEOUT, True, NONE)
    if has_said:
        message = f"the app did not start in {boot_s:g} s. {monitor}"
        return Start(message, TIMEOUT)
    return Start(f"the board printed nothing for {boot_s:g} s. {monitor}", TIMEOUT)


def _ended(first: FirstLines, own_main: bool) -> Start:
    if own_main and first.has_ended and not first.traceback:
        if first.accepted:
            return Start("your main.py ran to its end, and reported", DONE, False, ACCEPTED)
        said = " | ".join(first.said)
        said = f"; its last output: {said}" if said else ", and printed nothing"
        return Start(f"your main.py ran to its end{said}", DONE)
    return Start(first.failure or "", first.exit_code)


def _due_later_ms(config: dict[str, Any], boot_s: float) -> int:
    """Return the ms within which a report is due, where the config lets it wait for longer than
    we do; 0 where it does not."""
    firmware.enable_imports()
    from linkpost.config import Config

    checked = Config(config)
    if checked.sleep == "deep":
        return int(max(checked.send_ms, checked.interval_ms))
    waits = checked.send_ms > checked.interval_ms and checked.send_s > boot_s
    return int(checked.send_ms) if waits else 0
