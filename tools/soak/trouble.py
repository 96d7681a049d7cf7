"""What goes wrong on the platform's side: faults of every kind, restarts, tokens that end."""

from __future__ import annotations

import random
import time
import urllib.error
from collections import Counter
from collections.abc import Callable
from typing import Any, get_args

from ..emulator import faults
from ..emulator.process import RunningEmulator

# The request is accepted, and the board may not learn of it: it sends it again.
REPLY_LOST = frozenset(
    (
        "delay",
        "close_after",
        "close_middle",
        "drip",
        "drip_record",
        "chunked",
        "no_content_length",
        "oversize_head",
        "oversize_body",
    )
)
# More than this many waiting for one board would only pile up.
_WAITING_MAX = 2
_STEP_S = 0.25
# A kind of many kinds.
_MORE_CODES = 5
_TOPIC_CODES = (10000, 10001, 10001, 10001, 20001, 20002, 20003, 30001, 99999)
_AUTH_CODES = (10000, 20002, 20004, 99999)
# Each of these keeps a board quiet for 30 s to 15 minutes, until its power is cut: rarely.
_LONG_CODES = {"topic": (40000,), "auth": (10001, 20000, 40000)}
_LONG_CODES_SHARE = 0.1


class Trouble:
    """Disturbs the platform, a little at each `step`.

    Args: platform; devices, "PK/DN" each; seed; note, called with each event for the soak's log.
    Attributes: hits, how often each kind of fault happened; reply_lost and refused, of each
    device, how often a reply may have been lost, and how often a message was refused; restarts;
    expiries.
    """

    def __init__(
        self, platform: RunningEmulator, devices: list[str], seed: str, note: Callable[[str], None]
    ):
        self.hits: Counter[str] = Counter()
        self.reply_lost: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.restarts = 0
        self.expiries = 0
        self._platform = platform
        self._devices = devices
        self._random = random.Random(f"{seed}/platform")  # noqa: S311  to be repeatable
        self._note = note
        self._deck: list[str] = []
        self._set: dict[int, dict[str, Any]] = {}
        self._restart_at = time.monotonic() + self._random.uniform(4, 12)
        self._expire_at = 0.0
        self._keep_alive = True

    def step(self) -> None:
        """Do the next bad thing; takes a quarter of a second, or as long as an outage."""
        now = time.monotonic()
        if now >= self._restart_at:
            self._restart()
            self._restart_at = time.monotonic() + self._random.uniform(6, 18)
        if now >= self._expire_at:
            self._expire(self._random.choice(self._devices))
            self._expire_at = now + self._random.uniform(1, 6)
        if self._random.random() < 0.05:
            self._let_keep_alive(not self._keep_alive)
        self._set_fault()
        time.sleep(_STEP_S)

    def end(self) -> None:
        """Let everything go well from now on."""
        self._clear_faults()
        self._let_keep_alive(True)

    def _set_fault(self) -> None:
        waiting = {fault["id"] for fault in self._platform.call("GET", "/api/faults")}
        for fault_id in self._set.keys() - waiting:
            self._count(self._set.pop(fault_id))
        if not self._deck:  # every kind comes before any comes again
            self._deck = [*get_args(faults.Kind), *["code"] * _MORE_CODES]
            self._random.shuffle(self._deck)
        fault = self._fault(self._deck[-1])
        device = fault.get("device")
        if sum(other.get("device") == device for other in self._set.values()) >= _WAITING_MAX:
            return
        self._deck.pop()
        fault["times"] = 1
        if fault.get("endpoint") == "auth":
            self._expire(fault["device"])
        # A reading that came in a batch is refused twice before it is quarantined.
        twice = fault.get("code") == 10001 and self._random.random() < 0.5
        for _ in range(2 if twice else 1):
            self._set[self._platform.call("POST", "/api/faults", fault)["id"]] = fault
            self._note(f"fault {fault}")

    def _fault(self, kind: str) -> dict[str, Any]:
        """Return a fault of that kind, with parameters at random."""
        draw = self._random
        if kind == "drip_handshake":  # it happens to whoever connects next
            return {"kind": kind, "interval_ms": draw.randint(1, 5)}
        endpoint = "auth" if draw.random() < 0.25 else "topic"
        fault: dict[str, Any] = {"kind": kind, "endpoint": endpoint}
        fault["device"] = draw.choice(self._devices)
        if kind == "code":
            usual = _TOPIC_CODES if endpoint == "topic" else _AUTH_CODES
            is_long = draw.random() < _LONG_CODES_SHARE
            fault["code"] = draw.choice(_LONG_CODES[endpoint] if is_long else usual)
        elif kind == "delay":
            fault["ms"] = draw.randint(100, 3000)
        elif kind == "status":
            fault["status"] = draw.choice((204, 400, 403, 404, 429, 500, 502, 503))
        elif kind == "redirect":
            fault["status"] = draw.choice((301, 302, 307, 308))
        elif kind in ("drip", "drip_record"):
            fault["interval_ms"] = draw.randint(1, 20)
        elif kind in ("close_before", "close_after"):
            fault["reset"] = draw.random() < 0.5
        elif kind == "close_middle":
            fault.update(bytes=draw.randint(1, 200), reset=draw.random() < 0.5)
        elif kind == "garbage":
            fault["bytes"] = draw.randint(1, 4096)
        elif kind in ("oversize_head", "oversize_body"):
            fault["bytes"] = draw.randint(4096, 131072)
        return fault

    def _count(self, fault: dict[str, Any]) -> None:
        self.hits[fault["kind"]] += 1
        if fault.get("endpoint") != "topic":
            return
        if fault["kind"] in REPLY_LOST:
            self.reply_lost[fault["device"]] += 1
        if fault.get("code") in (10001, 30001):
            self.refused[fault["device"]] += 1

    def _clear_faults(self) -> None:
        # One by one: a fault that is gone has happened.
        for fault_id, fault in self._set.items():
            try:
                self._platform.call("DELETE", f"/api/faults/{fault_id}")
            except urllib.error.HTTPError as error:
                if error.code != 404:
                    raise
                self._count(fault)
        self._set.clear()

    def _restart(self) -> None:
        self._clear_faults()  # they do not outlive the process
        polite = self._random.random() < 0.3
        outage_s = self._random.uniform(0, 2.5)
        self._note(f"platform {'stopped' if polite else 'killed'} for {outage_s:.1f} s")
        if polite:
            self._platform.stop()
        else:
            self._platform.kill()
        time.sleep(outage_s)
        self._platform.start()
        self._keep_alive = True
        self.restarts += 1

    def _expire(self, device: str) -> None:
        expired = self._platform.call("POST", f"/api/devices/{device}/expire-tokens")["expired"]
        self.expiries += expired
        self._note(f"tokens of {device} expired: {expired}")

    def _let_keep_alive(self, on: bool) -> None:
        self._keep_alive = on
        self._platform.call("PUT", "/api/settings", {"keep_alive": on})
        self._note(f"keep-alive {'on' if on else 'off'}")
