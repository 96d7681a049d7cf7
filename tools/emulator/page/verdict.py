"""Which device is well, which is not, and why: one plain sentence for each. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from ..queries import DeviceRow
from . import words

# A report is late when three of them should have come; short intervals get some seconds.
_LATE_INTERVALS = 3
_LATE_LEAST_MS = 15_000
_FEWEST_GAPS = 2
# The board puts these right by itself, within the same exchange.
_PASSING = (20001, 20002, 20003)


@dataclass(frozen=True)
class Verdict:
    """How a device is. `mood` is "well", "warn", "bad" or "quiet"; `word` its name for people."""

    mood: str
    word: str
    sentence: str


def judge(
    row: DeviceRow,
    now_ms: int,
    last_report_ms: int | None,
    interval_ms: int | None,
    faults: list[str],
) -> Verdict:
    """Return how the device is.

    Args: `last_report_ms` is when its newest message was accepted, `interval_ms` how often one
    comes, `faults` the kinds that are set for it now.
    """
    caused = f" A fault is set on it: {', '.join(faults)}." if faults else ""
    if not row.enabled:
        return Verdict("quiet", "disabled", "Disabled here: it is refused with 20000.")
    if row.last_seen_ms is None:
        return Verdict("quiet", "waiting", "Nothing was heard of it yet.")
    if row.last_code:
        reason = _brief(row.last_reason or words.ADVICE.get(row.last_code, ""))
        sentence = f"Refused {row.last_code}{': ' if reason else '.'}{reason}{caused}"
        passing = row.last_code in _PASSING
        return (
            Verdict("warn", "look", sentence) if passing else Verdict("bad", "not well", sentence)
        )
    if last_report_ms is None:
        return Verdict("warn", "look", f"It authenticated, and sent no report yet.{caused}")
    late_ms = now_ms - last_report_ms
    every = words.pace(interval_ms) if interval_ms is not None else ""
    if interval_ms is not None and late_ms > max(_LATE_LEAST_MS, _LATE_INTERVALS * interval_ms):
        sentence = f"No report for {words.duration(late_ms)} (it reports {every}).{caused}"
        return Verdict("bad", "not well", sentence)
    if faults:
        return Verdict("warn", "look", caused.strip())
    if row.missing:
        what = words.count(row.missing, "reading")
        verb = "has" if row.missing == 1 else "have"
        return Verdict("warn", "look", f"{what} {verb} not come (a gap in seq).")
    if row.state != "online" and not interval_ms:
        return Verdict(
            "quiet", "quiet", f"Its last report came {words.ago(last_report_ms, now_ms)}."
        )
    return Verdict("well", "well", f"Reports {every}." if every else "Its report was accepted.")


def interval_ms(times_ms: list[int]) -> int | None:
    """Return how often reports come, from when the last ones did, newest first; None: too few.

    The upper quartile of the gaps, so that a backlog that came in one go does not look like haste,
    nor one outage like slowness.
    """
    gaps = sorted(newer - older for newer, older in zip(times_ms, times_ms[1:], strict=False))
    return gaps[len(gaps) * 3 // 4] if len(gaps) >= _FEWEST_GAPS else None


def _brief(reason: str) -> str:
    """Return what is wrong, up to where the details begin: those are in the device's history."""
    text = reason.partition("; ")[0]
    return text if text.endswith((".", "?", "!")) or not text else f"{text}."
