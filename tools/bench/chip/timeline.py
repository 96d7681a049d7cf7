"""A report taken apart: by the emulator's marks, which cost the chip nothing.

A mark is what a board did on the network, with the first byte of what was read or written: in TLS
the type of the record. The phases lie between marks and add up to the whole.
"""

from __future__ import annotations

from .runs import Run

_HANDSHAKE = 22  # types of TLS records (RFC 5246, 6.2.1)
_DATA = 23

PHASES = ("before", "connect", "handshake", "request", "reply", "after")


def report_ms(run: Run, number: int) -> float:
    """Return the ms of a report: from the log's line before to the one that says accepted."""
    at = run.accepted[number]
    return run.lines[at].ms - run.lines[at - 1].ms


def first_ms(run: Run) -> float:
    """Return the ms of the first report with its authentication: from the first TCP connection to
    the line that says accepted."""
    opened = [_open_before(run, ms) for ms, what, _, _ in run.marks if what == "connect"]
    return run.lines[run.accepted[0]].ms - opened[0]


def _open_before(run: Run, connect_ms: float) -> float:
    return max(ms for ms, what, _, _ in run.marks if what == "open" and ms <= connect_ms)


def phases(run: Run, number: int) -> dict[str, float]:
    """Return the ms of each of PHASES of a report that had a connection of its own.

    before: oldest reading, collection; connect: socket and TCP; handshake: from the first record
    to the last of the peer's; request: head and payload, written; reply: read; after: what it
    means, acknowledged, logged.
    """
    at = run.accepted[number]
    start, end = run.lines[at - 1].ms, run.lines[at].ms
    marks = [mark for mark in run.marks if start < mark[0] <= end]
    opened = next(ms for ms, what, _, _ in marks if what == "open")
    hello = next(ms for ms, what, _, kind in marks if (what, kind) == ("write", _HANDSHAKE))
    written = [ms for ms, what, _, kind in marks if (what, kind) == ("write", _DATA)]
    shaken = max(ms for ms, what, _, _ in marks if what == "read" and ms < written[0])
    read = max(ms for ms, what, _, _ in marks if what == "read")
    times = (start, opened, hello, shaken, written[-1], read, end)
    return {
        phase: later - earlier
        for phase, earlier, later in zip(PHASES, times, times[1:], strict=False)
    }
