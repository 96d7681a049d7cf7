"""Power cuts on the emulated chip: which flash operation belongs to what, and a life after each.

The program below does what an App does, and says which file it writes; each flash operation then
belongs to the file that was opened last. That the flash is the real one's, littlefs the build's
own, and the cut in the middle of an erase or a program, is what this adds to `make power`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from emulator_process import DEVICE_NAME, PRODUCT_KEY, EmulatorProcess

from host_tests.chip.emulated_board import EmulatedBoard, readings
from tools.chip.process import ChipProcess
from tools.virtual_board import supervisor

DEVICE = f"{PRODUCT_KEY}/{DEVICE_NAME}"
BOOT, APPEND, SEGMENT, ACKNOWLEDGE, TOKEN = (
    "boot",
    "append",
    "ring to segment",
    "acknowledge",
    "token",
)
APPENDED = 60
TOKENS = 4

# Ends by itself. `open` tells the emulator which file is written; nothing else is changed.
PROGRAM = b"""
import builtins
from chip_network import call
_open = builtins.open
def _mark(text):
    call(14, 0, text.encode(), len(text))
def _marked(path, mode="r", *others):
    if "w" in mode or "a" in mode or "+" in mode:
        _mark(path)
    return _open(path, mode, *others)
builtins.open = _marked
_mark("boot")
from linkpost import App, Config
app = App(Config.load("config.json"))
_mark("booted")
for n in range(%d):
    print("appended", app.append({"n": n}))
for _ in range(%d):
    # Each of them by a token of its own: the one before is forgotten here.
    _mark("send")
    app.drain(60000)
    import os
    os.remove("token")
    app = App(Config.load("config.json"))
    print("appended", app.append({"n": -1}))
_mark("send")
app.drain(60000)
print("END", app.pending)
""" % (APPENDED, TOKENS)


def phase_of(mark: str, booted: bool) -> str:
    """Return what a flash operation after that mark belongs to."""
    if mark.endswith("token"):
        return TOKEN
    if not booted:
        return BOOT
    if "/backlog" in mark:
        return SEGMENT
    return ACKNOWLEDGE if "/acked" in mark else APPEND


class Cuts:
    """One program, cut at any of its flash operations."""

    def __init__(self, folder: Path, emulator: EmulatorProcess):
        self.folder = folder
        self.emulator = emulator

    def fresh(self, name: str) -> EmulatedBoard:
        """Return a board with the firmware and the program on it, never started."""
        folder = self.folder / name
        folder.mkdir()
        emulated = EmulatedBoard(folder)
        emulated.put(
            self.emulator.platform,
            self.emulator.ca,
            main=PROGRAM,
            interval_s=3600,
            outbox={"batch_bytes": 4000},
        )
        return emulated

    def phases(self) -> list[str]:
        """Return the phase of each flash operation of a whole run."""
        emulated = self.fresh("whole")
        found: list[str] = []
        mark, booted, text = "", False, b""
        with ChipProcess(emulated.flash, tls_on_host=True, seed=1, tell_operations=True) as board:
            while (event := board.next_event(120)) is not None and "end" not in event:
                if "mark" in event:
                    mark = event["mark"]
                    booted = booted or mark == "booted"
                elif "operation" in event:
                    found.append(phase_of(mark, booted))
                text += event.get("console", b"")
                if b"END " in text:
                    break
            emulated._count(board.chip_ms)
        assert b"END 0" in text, text[-2000:]
        return found

    def deliver(self, emulated: EmulatedBoard, until: Callable[[str], bool]) -> None:
        """Let the firmware's own main.py run on that flash, and deliver what waits."""
        settings = {"interval_s": 3600, "outbox": {"batch_bytes": 4000}}
        emulated.put(self.emulator.platform, self.emulator.ca, **settings)
        emulated.run(reports=2 * APPENDED, timeout_s=120, tls_on_host=True, until=until)

    def check(
        self, operation: int, recover: Callable[[EmulatedBoard], None] = lambda emulated: None
    ) -> None:
        """Cut the power in that operation; then everything appended has to be delivered."""
        emulated = self.fresh(f"cut{operation}")
        before = len(readings(self.emulator, DEVICE))
        outcome = emulated.run(cut_at=operation, tls_on_host=True, seed=1)
        assert outcome.reason == supervisor.POWER_CUT, emulated.log
        appended = {
            int(line.split()[1]) for line in emulated.lines if line.startswith("appended ")
        }

        def missing() -> set[int]:
            got = {reading["seq"] for reading in readings(self.emulator, DEVICE)[before:]}
            return appended - got

        recover(emulated)
        if missing():
            self.deliver(emulated, lambda line: " accepted " in line and not missing())
        assert not missing(), (operation, sorted(missing()), emulated.log[-2000:])
        found = readings(self.emulator, DEVICE)[before:]
        streams = {reading["stream"] for reading in found}
        assert len(streams) <= 1, (operation, streams)


def spread(phases: list[str], total: int, least: int) -> list[int]:
    """Return operations, counted from 1: spread evenly, and `least` of each phase it has."""
    chosen = {1 + round(i * (len(phases) - 1) / (total - 1)) for i in range(total)}
    for phase in set(phases):
        own = [number for number, one in enumerate(phases, 1) if one == phase]
        wanted = min(least, len(own))
        have = [number for number in own if number in chosen]
        step = max(1, len(own) // wanted)
        for number in own[::step]:
            if len(have) >= wanted:
                break
            if number not in chosen:
                chosen.add(number)
                have.append(number)
    return sorted(chosen)
