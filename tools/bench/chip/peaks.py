"""What a step of an App takes of the heap above what stays: a report, or one that fails."""

from __future__ import annotations

import statistics
from typing import Any

from . import runs
from .runs import Session

_TRIES = 3
# By name: faults of the platform (`POST /api/faults`), and what on_chip/peak.py is asked.
_REFUSED_TOKEN = {"endpoint": "topic", "kind": "code", "code": 20001}
_STEPS: dict[str, tuple[tuple[dict[str, Any], ...], str]] = {
    "report": ((), "sends(None)"),
    "NTP answer": ((), "asks()"),
    "authentication, and its token refused": ((_REFUSED_TOKEN,), "sends('TokenError')"),
    "authentication refused": (
        (_REFUSED_TOKEN, {"endpoint": "auth", "kind": "code", "code": 20000}),
        "sends('AuthError')",
    ),
    "throttled": (
        ({"endpoint": "topic", "kind": "code", "code": 40000},),
        "sends('ThrottledError')",
    ),
    "reading refused": (
        ({"endpoint": "topic", "kind": "code", "code": 10001},),
        "sends('RejectedError')",
    ),
    "redirect": (({"endpoint": "topic", "kind": "redirect"},), "sends('ServiceError')"),
    "reply of garbage": (({"endpoint": "topic", "kind": "garbage"},), "sends('ProtocolError')"),
    "reply with a long head": (
        ({"endpoint": "topic", "kind": "oversize_head"},),
        "sends('ProtocolError')",
    ),
    "reply in chunks": (({"endpoint": "topic", "kind": "chunked"},), "sends(None)"),
    "reply that never comes": (
        ({"endpoint": "topic", "kind": "close_before"},),
        "sends('NetworkError')",
    ),
}


def measure() -> dict[str, int]:
    """Return by name of a step the least bytes that have to be free for it to end as it should:
    the middle one of three tries.

    TLS is the computer's. The App has run, and everything was loaded once: its names stay.
    """
    found: dict[str, int] = {}
    with runs.rig() as where, Session(where, tls_on_host=True) as board:
        board.script("app")
        board.run("app.run(reports=3)\n")
        board.script("load_all", with_head=False)
        text = board.run("import micropython\nmicropython.mem_info()\n")
        board.script("peak", with_head=False, total=runs.numbers(text)["total"])
        for name, (faults, step) in _STEPS.items():
            where.platform.call("DELETE", "/api/faults")
            for fault in faults:
                where.platform.call("POST", "/api/faults", fault)
            # Where what fills the heap comes to lie is chance: up to 2 KB from one to the next.
            tries = [
                board.run(f"print('\\npeak', least_room(lambda: {step}))\n") for _ in range(_TRIES)
            ]
            found[name] = statistics.median_low(
                int(output.rpartition("peak ")[2]) for output in tries
            )
    return found
