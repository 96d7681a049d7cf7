"""Whether a device is healthy, and if not, why: one plain sentence for each. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..queries import DeviceRow
from . import formatting

Status = Literal["ok", "warning", "problem", "neutral"]

# A report is late when three of them should have come; short intervals get some seconds.
_LATE_INTERVALS = 3
_LATE_LEAST_MS = 15_000
_FEWEST_GAPS = 2
# The board recovers from these by itself, within the same exchange.
_PASSING = (20001, 20002, 20003)


@dataclass(frozen=True)
class Health:
    """A device's status; `label` is its name for people, `explanation` one sentence."""

    status: Status
    label: str
    explanation: str


def assess(
    row: DeviceRow,
    now_ms: int,
    last_report_ms: int | None,
    interval_ms: int | None,
    faults: list[str],
) -> Health:
    """Return the device's health.

    Args: `last_report_ms` is when its newest message was accepted, `interval_ms` how often one
    comes, `faults` the kinds that are set for it now.
    """
    fault = f" A fault is set for it: {', '.join(faults)}." if faults else ""
    if not row.enabled:
        return Health("neutral", "disabled", "Disabled here: its requests are refused with 20000.")
    if row.last_seen_ms is None:
        return Health("neutral", "never seen", "No request from it yet.")
    if row.last_code:
        reason = _brief(row.last_reason or formatting.ADVICE.get(row.last_code, ""))
        sentence = f"Refused {row.last_code}{': ' if reason else '.'}{reason}{fault}"
        return _warning(sentence) if row.last_code in _PASSING else _problem(sentence)
    if last_report_ms is None:
        return _warning(f"Authenticated, no report yet.{fault}")
    late_ms = now_ms - last_report_ms
    every = formatting.interval(interval_ms) if interval_ms is not None else ""
    if interval_ms is not None and late_ms > max(_LATE_LEAST_MS, _LATE_INTERVALS * interval_ms):
        return _problem(f"No report for {formatting.duration(late_ms)} (expected {every}).{fault}")
    if faults:
        return _warning(fault.strip())
    if row.missing:
        readings = formatting.count(row.missing, "reading")
        verb = "is" if row.missing == 1 else "are"
        return _warning(f"{readings} {verb} missing (a gap in seq).")
    if row.state != "online" and not interval_ms:
        ago = formatting.ago(last_report_ms, now_ms)
        return Health("neutral", "offline", f"The last report came {ago}.")
    return Health("ok", "OK", f"Reports {every}." if every else "Its report was accepted.")


def interval_ms(times_ms: list[int]) -> int | None:
    """Return how often reports come, from when the last ones did, newest first; None: too few.

    The upper quartile of the gaps, so that a backlog that came in one go does not look like haste,
    nor one outage like slowness.
    """
    gaps = sorted(newer - older for newer, older in zip(times_ms, times_ms[1:], strict=False))
    return gaps[len(gaps) * 3 // 4] if len(gaps) >= _FEWEST_GAPS else None


def _warning(explanation: str) -> Health:
    return Health("warning", "warning", explanation)


def _problem(explanation: str) -> Health:
    return Health("problem", "problem", explanation)


def _brief(reason: str) -> str:
    """Return what is wrong, up to where the details begin: those are in the device's history."""
    text = reason.partition("; ")[0]
    return text if text.endswith((".", "?", "!")) or not text else f"{text}."
