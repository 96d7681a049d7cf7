"""A virtual board that has no peace: cut at a flash operation, killed, started again."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..virtual_board import command, kinds, runtimes
from ..virtual_board.supervisor import INTERRUPTED, POWER_CUT, Outcome, Setup, Supervisor
from .journal import Journal

PRODUCT_KEY = "a1LinkpostS"
# A cut at a flash operation that does not come (the board waits) becomes a kill at this age.
_CUT_AT_PATIENCE_S = 10.0
# While waiting readings are sent, no new ones may come.
_DRAIN = {"interval_s": 3600, "send_s": 0.2, "sleep": "none"}


@dataclass(frozen=True)
class Variant:
    """How a board is set up; `more` are keys of its config."""

    name: str
    kind: str
    more: dict[str, Any]


VARIANTS = (
    Variant("single", "ESP32_GENERIC", {"interval_s": 0.2}),
    Variant("batch", "RPI_PICO_W", {"interval_s": 0.2, "outbox": {"batch_bytes": 2048}}),
    Variant("alink", "ESP32_GENERIC", {"interval_s": 0.4, "format": "alink"}),
    Variant("eager", "RPI_PICO_W", {"interval_s": 0, "watchdog_s": 8}),
    Variant(
        "asleep",
        "ESP32_GENERIC",
        {"interval_s": 2.2, "sleep": "deep", "outbox": {"batch_bytes": 2048}},
    ),
)


@dataclass
class Counters:
    """How often a board was disturbed, and what its flash did where that is known to the end."""

    cuts_at_operation: int = 0
    kills: int = 0
    operations: int = 0  # programs and erases of the runs that could tell
    programmed_bytes: int = 0
    readings: int = 0  # stored in those runs


@dataclass(frozen=True)
class _End:
    """How one run is to end: at a flash operation, or after some seconds; 0 never."""

    cut_at: int = 0
    after_s: float = 0.0


class Board(threading.Thread):
    """Runs one board through many lives until `drain`, and then in peace until `stop`.

    Args: number, from 0; seed; folder, for its flash, config and log; heap_bytes of its
    MicroPython; note, called with each event for the soak's log.
    Attributes: journal, counters; failure, an exception that ended the thread, or None.
    """

    def __init__(
        self,
        number: int,
        seed: str,
        folder: Path,
        heap_bytes: int,
        note: Callable[[str], None],
    ):
        super().__init__(name=f"board{number + 1}", daemon=True)
        self.variant = VARIANTS[number % len(VARIANTS)]
        self.triple = (PRODUCT_KEY, f"{self.name}-{self.variant.name}", f"{number:032x}")
        self.device = "/".join(self.triple[:2])
        self.flash = folder / f"{self.name}.flash"
        self.kind = kinds.KINDS[self.variant.kind]
        self.heap_bytes = heap_bytes
        self.journal = Journal()
        self.counters = Counters()
        self.failure: Exception | None = None
        self._random = random.Random(f"{seed}/{self.name}")  # noqa: S311  to be repeatable
        self._long_in = number  # one after the other, each board lives for long at least once
        self._config = folder / f"{self.name}.json"
        self._log_path = folder / f"{self.name}.log"
        self._note = note
        self._lock = threading.Lock()
        self._supervisor: Supervisor | None = None
        self.is_draining = False  # its last life has begun: it stores two readings and sends
        self._boots_before = 0
        self._draining = threading.Event()
        self._stopped = False
        self._endpoint = ""
        self._ca = Path()

    def prepare(self, endpoint: str, ca: Path) -> None:
        """Make its flash."""
        self._endpoint, self._ca = endpoint, ca
        self._put_files({})

    def drain(self) -> None:
        """Cut the power a last time, and let the board send its waiting readings."""
        with self._lock:
            self._draining.set()
            if self._supervisor is not None:
                self._supervisor.cut_power()

    @property
    def has_drained(self) -> bool:
        """Tell whether it has sent all, in its last life, and heard that it has arrived."""
        boots = self.journal.boots
        is_booted = self.is_draining and len(boots) > self._boots_before
        return is_booted and boots[-1].last > boots[-1].first > 0 == self.journal.waiting

    def stop(self) -> None:
        """End the board in order."""
        with self._lock:
            self._stopped = True
            if self._supervisor is not None:
                self._supervisor.stop()

    def run(self) -> None:
        try:
            with self._log_path.open("a") as log:
                while not (self._draining.is_set() or self._stopped):
                    self._live(self._next_end(), log.write)
                    self._draining.wait(self._random.uniform(0, 0.5))
                if self._stopped:  # the soak was given up
                    return
                self._put_files(_DRAIN)
                self._note(f"{self.name} drains")
                self._boots_before = len(self.journal.boots)
                self.is_draining = True
                self._live(_End(), log.write, last=True)
        except Exception as error:  # the soak's main thread reports it
            self.failure = error

    def _next_end(self) -> _End:
        # Ctrl-C is no end here: MicroPython's unix port, unlike a chip, raises it in the middle of
        # C code; in a collection it leaves the heap locked, in littlefs who knows what.
        draw = self._random.random()
        self._long_in -= 1
        if self._long_in == -1 or draw < 0.08:
            # Long enough to see the heap over many readings.
            return _End(after_s=self._random.uniform(15, 30))
        if draw < 0.3:  # while it boots, or makes its outbox
            return _End(self._random.randint(1, 40), _CUT_AT_PATIENCE_S)
        if draw < 0.6:
            return _End(self._random.randint(40, 600), _CUT_AT_PATIENCE_S)
        return _End(after_s=self._random.uniform(0.2, 8))

    def _live(self, end: _End, write: Callable[[str], Any], last: bool = False) -> None:
        def take(line: str) -> None:
            write(line + "\n")
            self.journal.take(line)

        setup = Setup(
            runtimes.MICROPYTHON, self.kind, self.flash, self.heap_bytes, cut_at=end.cut_at
        )
        supervisor = Supervisor(setup, take)
        with self._lock:
            if self._stopped or (self._draining.is_set() and not last):
                return
            self._supervisor = supervisor
        timer = threading.Timer(end.after_s, supervisor.cut_power) if end.after_s else None
        if timer is not None:
            timer.daemon = True
            timer.start()
        before = self.journal.readings
        outcome = supervisor.run()
        with self._lock:
            self._supervisor = None
        if timer is not None:
            timer.cancel()
        self.journal.end_run(
            cut=outcome.reason == POWER_CUT, stopped=outcome.reason == INTERRUPTED
        )
        write(f"-- {outcome.reason}: {outcome.message or outcome.counts}\n")
        self._note(f"{self.name} {outcome.reason} {outcome.message}")
        self._count(outcome, self.journal.readings - before)

    def _count(self, outcome: Outcome, readings: int) -> None:
        counters = self.counters
        # A board that was killed could not say what its flash did since its last word.
        tells = True
        if outcome.reason == POWER_CUT and outcome.message:
            counters.cuts_at_operation += 1
        elif outcome.reason == POWER_CUT:
            counters.kills += 1
            tells = False
        elif outcome.reason != INTERRUPTED:
            self.journal.unexpected.append(f"the board ended: {outcome.reason} {outcome.message}")
        if tells:
            counters.operations += outcome.erases + outcome.programs
            counters.programmed_bytes += outcome.programmed_bytes
            counters.readings += readings

    def _put_files(self, changes: dict[str, Any]) -> None:
        product_key, device_name, secret = self.triple
        config = {
            "endpoint": self._endpoint,
            "product_key": product_key,
            "device_name": device_name,
            "device_secret": secret,
            "sensors": [{"type": "simulated"}, {"type": "system"}],
            **self.variant.more,
            **changes,
        }
        self._config.write_text(json.dumps(config))
        setup = Setup(runtimes.MICROPYTHON, self.kind, self.flash)
        command.put_files(setup, self._config, self._ca)
