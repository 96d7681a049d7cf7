"""One soak: trouble for a while, then peace until every board has drained, then the sums."""

from __future__ import annotations

import secrets
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .. import firmware
from ..bench.chip.unix_heap import unix_heap
from ..emulator.process import RunningEmulator
from ..firmware.outbox_copy import quarantined_readings
from ..terminal.failures import CommandError
from ..virtual_board import image
from .account import Account, Arrivals, settle
from .boards import Board
from .journal import Key
from .trouble import Trouble

# In peace a board sends within seconds; when nothing new has come for this long, nothing will.
_QUIET_S = 10.0
_DRAIN_MAX_S = 60.0
_POLL_S = 0.5
_JOIN_S = 20.0
# Short, so that a soak of two minutes meets tokens that end by themselves.
_TOKEN_TTL_S = 20


@dataclass(frozen=True)
class Plan:
    """seconds of trouble, or until so many readings were stored; seed of all that is random;
    heap_bytes of a chip, whose equal each virtual board gets.
    """

    seconds: float
    readings: int | None
    boards: int
    seed: str
    heap_bytes: int


@dataclass
class Result:
    """What came of a soak."""

    plan: Plan
    boards: list[Board]
    accounts: list[Account]
    hits: Counter[str]
    restarts: int
    expiries: int
    seconds: float

    @property
    def is_good(self) -> bool:
        return all(account.is_good for account in self.accounts)


# Told now and then: seconds since the start, readings stored, the phase.
Progress = Callable[[float, int, str], None]


def soak(plan: Plan, folder: Path, progress: Progress) -> Result:
    """Run one soak; its files are in the folder. Raises: CommandError where it cannot go on."""
    started = time.monotonic()
    with (folder / "events.log").open("w", buffering=1) as events:

        def note(text: str) -> None:
            events.write(f"{time.monotonic() - started:.3f} {text}\n")

        note(f"seed {plan.seed}, {plan.boards} boards, {plan.seconds} s")
        heap = unix_heap(plan.heap_bytes)
        boards = [Board(number, plan.seed, folder, heap, note) for number in range(plan.boards)]
        triples = [board.triple for board in boards]
        with RunningEmulator(folder, triples, token_ttl_s=_TOKEN_TTL_S) as platform:
            for board in boards:
                board.prepare(platform.endpoint, platform.ca)
            trouble = Trouble(platform, [board.device for board in boards], plan.seed, note)
            run = _Run(plan, platform, boards, trouble, progress)
            try:
                for board in boards:
                    board.start()
                run.disturb()
                note("peace")
                run.drain()
            finally:
                for board in boards:
                    board.stop()
                deadline = time.monotonic() + _JOIN_S
                for board in boards:
                    if board.ident is not None:
                        board.join(max(0.0, deadline - time.monotonic()))
            run.collect()
    return run.result(time.monotonic() - started)


class _Run:
    def __init__(
        self,
        plan: Plan,
        platform: RunningEmulator,
        boards: list[Board],
        trouble: Trouble,
        progress: Progress,
    ):
        self._plan = plan
        self._platform = platform
        self._boards = boards
        self._trouble = trouble
        self._progress = progress
        self._started = time.monotonic()
        self._arrivals = {board.device: Arrivals() for board in boards}
        self._newest_id = 0
        self._strays: list[str] = []

    def disturb(self) -> None:
        """Let things go wrong until the plan's time or number is reached."""
        plan = self._plan
        while time.monotonic() - self._started < plan.seconds:
            self._tell("trouble")
            if plan.readings is not None and self._stored() >= plan.readings:
                break
            self._trouble.step()
            self._check_boards()
        self._trouble.end()

    def drain(self) -> None:
        """Wait until everything promised has arrived, or nothing more does."""
        for board in self._boards:
            board.drain()
        deadline = time.monotonic() + _DRAIN_MAX_S
        quiet_at = time.monotonic() + _QUIET_S
        while time.monotonic() < min(deadline, quiet_at):
            self._tell("draining")
            self._check_boards()
            if self.collect():
                quiet_at = time.monotonic() + _QUIET_S
            # A board that is stopped before it has heard of it would still have it waiting.
            if all(board.has_drained and not self._missing(board) for board in self._boards):
                return
            time.sleep(_POLL_S)

    def collect(self) -> bool:
        """Take in what the platform has accepted since; return whether there was any."""
        messages = self._platform.messages_after(self._newest_id)
        boards = {board.device: board for board in self._boards}
        for message in messages:
            self._newest_id = message["id"]
            device = message["device"]
            streams = [*boards[device].journal.stored, ""]
            try:
                self._arrivals[device].take(message["text"], streams[0])
            except (ValueError, KeyError, TypeError):
                self._strays.append(f"{device} sent what is no reading: {message['text']!r}")
        return bool(messages)

    def result(self, seconds: float) -> Result:
        """Return the sums; the boards are off."""
        trouble = self._trouble
        return Result(
            plan=self._plan,
            boards=self._boards,
            accounts=[self._settle(board) for board in self._boards],
            hits=trouble.hits,
            restarts=trouble.restarts,
            expiries=trouble.expiries,
            seconds=seconds,
        )

    def _settle(self, board: Board) -> Account:
        problems = [stray for stray in self._strays if stray.startswith(board.device)]
        if board.is_alive():
            problems.append("the board did not stop")
        left = _look_into(board)
        # A stop that fell into a collection could not write the position: then some still wait.
        if not board.journal.heap_was_locked:
            problems += left.problems
        counters, trouble = board.counters, self._trouble
        return settle(
            board.journal,
            self._arrivals[board.device],
            left.quarantined,
            disturbances=1  # the end
            + counters.cuts_at_operation
            + counters.kills
            + board.journal.watchdog
            + trouble.restarts
            + trouble.reply_lost[board.device],
            refusals=trouble.refused[board.device],
            problems=problems,
        )

    def _missing(self, board: Board) -> set[Key]:
        arrived = self._arrivals[board.device].values.keys()
        return board.journal.promised() - arrived - board.journal.quarantined

    def _stored(self) -> int:
        return sum(board.journal.readings for board in self._boards)

    def _tell(self, phase: str) -> None:
        self._progress(time.monotonic() - self._started, self._stored(), phase)

    def _check_boards(self) -> None:
        for board in self._boards:
            if board.failure is not None:
                raise board.failure
            # In its last life that is a problem of its own, and in its account.
            if not board.is_alive() and not board.is_draining:
                raise CommandError(f"{board.name} ended by itself; its log: {board.name}.log")


@dataclass
class _Left:
    quarantined: set[Key]
    problems: list[str]


def _look_into(board: Board) -> _Left:
    """Return what is on the board's flash, as the firmware's own outbox sees it."""
    firmware.enable_imports()
    from linkpost.storage.outbox import Outbox

    with tempfile.TemporaryDirectory(prefix="linkpost-soak-") as name:
        file_system = image.open_image(board.flash, board.kind)
        # One that never booted has none.
        kept = file_system.walk("/outbox") if "outbox" in file_system.listdir("/") else ()
        for root, _, files in kept:
            folder = Path(name) / root.lstrip("/")
            folder.mkdir(parents=True, exist_ok=True)
            for file in files:
                with file_system.open(f"{root}/{file}", "rb") as source:
                    (folder / file).write_bytes(source.read())
        outbox = Outbox(f"{name}/outbox", 65536, secrets.token_bytes)
        problems = [
            f"{count} {what}"
            for count, what in ((outbox.pending, "still pending"), (outbox.dropped, "dropped"))
            if count
        ]
        quarantined = {(outbox.stream, seq) for seq, _, _ in quarantined_readings(outbox)}
    return _Left(quarantined, problems)
