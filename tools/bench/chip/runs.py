"""Runs on the emulated chip: the firmware as it is deployed, and scripts at its raw REPL.

The chip's clock is its own: it counts cycles, and stands still while a peer works. So what is
measured here is the same on every machine, but for what a peer's random bytes change.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ... import firmware
from ...chip import cache, flash
from ...chip.process import ChipProcess
from ...chip.repl import ChipRepl
from ...emulator.process import RunningEmulator
from ...firmware.config_check import CHECKED, check_config
from ...firmware.config_check import CONFIG as CONFIG_FILE
from ...terminal.failures import CommandError
from ...terminal.own_command import own_command
from ...virtual_board import image
from ...virtual_board.kinds import kind_of
from ..measure import CONFIG
from .ntp import NTP

_SCRIPTS = Path(__file__).parent / "on_chip"
_TRIPLE = (CONFIG["product_key"], CONFIG["device_name"], CONFIG["device_secret"])
# The time between two readings costs nothing here, and none waits for the one before.
_INTERVAL_S = 5
_SEED = 1
_TIMEOUT_S = 1800.0  # of the machine here, which others may use too
# A run in which nothing was accepted for so long has failed: a retry comes sooner.
_SILENT_MS = 40_000
# Its clock stands still while a peer is awaited, 2 s at most, and for ever at an idle REPL.
_ASLEEP_S = 15.0
_FAILED = re.compile(r" W send failed | E (send|app) |MemoryError")
_ROOT = Path(__file__).parent.parent.parent.parent
_HEAP_BLOCK_BYTES = 16
_MAIN_RUNS = "run(lambda"  # in main.py: where what comes before a program of one's own ends


@dataclass
class Line:
    """A line of the board's log, and the chip's time when its last byte came, in ms."""

    text: str
    ms: float


@dataclass
class Run:
    """What a board said and did: log lines, network marks (see `ChipProcess`), in order."""

    lines: list[Line] = field(default_factory=list)
    marks: list[tuple[float, str, int, int]] = field(default_factory=list)
    accepted: list[int] = field(default_factory=list)  # indexes of lines
    why_failed: str = ""
    operations: dict[str, int] = field(default_factory=dict)
    names: dict[str, int] = field(default_factory=dict)


class Rig:
    """A platform and flashes for boards. `keep_alive` as the option of `linkpost emulator`."""

    def __init__(self, folder: Path, platform: RunningEmulator, ntp: str):
        self.platform = platform
        self._folder = folder
        self._count = 0
        self.config: dict[str, Any] = {
            **CONFIG,
            "interval_s": _INTERVAL_S,
            "endpoint": platform.endpoint,
            "wifi": {"ssid": "bench", "password": "12345678"},
            "ntp": [ntp],
        }

    def flash(self, *, deployed: bool, program: bytes | None = None) -> Path:
        """Return a new flash with the firmware; without main.py where not `deployed`."""
        files = flash.firmware_files(self.config, self.platform.ca)
        if not deployed:
            del files["main.py"]
        if program is not None:
            files = {"main.py": program}
        # As deploy leaves it: with what the rules made of it beside it.
        text = json.dumps(self.config).encode()
        files[CONFIG_FILE] = text
        files[CHECKED] = check_config(self.config, cache.chip_board(), text)
        self._count += 1
        path = self._folder / f"{self._count}.flash"
        flash.refresh(path, files)
        return path

    def bare_flash(self, program: bytes) -> Path:
        """Return a new flash with MicroPython and this main.py: no firmware and no stand-ins."""
        name, uf2 = cache.micropython()
        content = flash.from_uf2(uf2, name)
        board = cache.chip_board()
        content[board.file_system_start :] = image.build_image(
            kind_of(board), {"main.py": program}, None
        )
        path = self._folder / "bare.flash"
        path.write_bytes(content)
        return path


@contextmanager
def rig(*, keep_alive: bool = False) -> Iterator[Rig]:
    """Yield a rig with a platform of its own, which keeps connections or closes them."""
    options = ("--keep-alive",) if keep_alive else ()
    with TemporaryDirectory(prefix="linkpost-bench-chip-") as name:
        folder = Path(name)
        with RunningEmulator(folder, [_TRIPLE], options=options) as platform, NTP() as ntp:
            yield Rig(folder, platform, f"127.0.0.1:{ntp.port}")


class Session:
    """A fresh boot at the raw REPL, with the firmware on its flash and nothing of it imported."""

    def __init__(self, where: Rig, *, heap: int | None = None, tls_on_host: bool = False):
        self._path = where.flash(deployed=False)
        self._board = ChipProcess(self._path, heap=heap, tls_on_host=tls_on_host, seed=_SEED)
        self._repl = ChipRepl(self._board, self._noted)
        self.stand_ins_bytes = 0  # what the stand-ins keep of the heap

    def _noted(self, text: str) -> None:
        self.stand_ins_bytes = int(text.split()[0])

    def __enter__(self) -> Session:
        self._repl.enter()
        self.run(_clock())
        return self

    def __exit__(self, *_: object) -> None:
        self._board.kill()
        self._path.unlink()

    def run(self, text: str) -> str:
        """Run a program; return what it printed. Raises: CommandError with what it raised."""
        output, error = self._repl.run(text.encode(), _TIMEOUT_S)
        if error:
            last = error.decode(errors="replace").strip().splitlines()[-1]
            raise ChipError(f"a benchmark on the chip: {last}")
        return output.decode(errors="replace").replace("\r", "")

    def script(self, name: str, with_head: bool = True, **options: Any) -> list[list[str]]:
        """Run one of on_chip/, behind main.py's lines but the last; return the words of each line
        that begins with RESULT."""
        text = f"OPTIONS = {options!r}\n" + (main_head() if with_head else "")
        output = self.run(text + (_SCRIPTS / f"{name}.py").read_text())
        return [line.split()[1:] for line in output.splitlines() if line.startswith("RESULT")]

    def kept(self) -> int:
        """Return the heap's bytes in use after a collection."""
        return int(self.run("import gc\ngc.collect()\nprint(gc.mem_alloc())\n"))

    def largest(self) -> int:
        """Return the largest free block in bytes after a collection."""
        text = self.run("import gc, micropython\ngc.collect()\nmicropython.mem_info()\n")
        return numbers(text)["max free sz"] * _HEAP_BLOCK_BYTES

    def modules(self) -> int:
        """Return how many modules of linkpost are loaded."""
        text = "import sys\nprint(len([x for x in sys.modules if x.startswith('linkpost')]))\n"
        return int(self.run(text))


class ChipError(CommandError):
    """A program on the chip raised; out of memory, for one."""


def _clock() -> str:
    # The board's clock begins at 2021, when no certificate was valid yet.
    now = time.gmtime()
    fields = (now[0], now[1], now[2], now[6], now[3], now[4], now[5], 0)
    return f"import machine\nmachine.RTC().datetime({fields})\ndel machine\n"


def main_head() -> str:
    text = firmware.main_py().read_text()
    head, found, _ = text.partition(_MAIN_RUNS)
    if not found:
        raise CommandError(f"firmware/main.py has no {_MAIN_RUNS}: the benchmark is behind it", 1)
    return head


def deployed(
    where: Rig,
    reports: int,
    *,
    heap: int | None = None,
    tls_on_host: bool = False,
    with_names: bool = False,
) -> Run:
    """Run the firmware as it is deployed until so many readings were accepted.

    It has failed where a send failed, the board reset, or nothing comes any more: `why_failed`.
    """
    found = Run()
    path = where.flash(deployed=True)
    with ChipProcess(
        path, heap=heap, tls_on_host=tls_on_host, seed=_SEED, tell_network=True
    ) as board:
        _follow(board, found, reports)
        if with_names and not found.why_failed:
            found.names = _names(board)
        board.off()
        while event := board.next_event(10):
            if "end" in event:
                found.operations = event.get("operations", {})
                break
    path.unlink()
    return found


def _follow(board: ChipProcess, found: Run, reports: int) -> None:
    line = b""
    deadline = time.monotonic() + _TIMEOUT_S
    heard_ms = last_ms = 0.0
    moved = time.monotonic()
    while True:
        event = board.next_event(max(0.0, deadline - time.monotonic()))
        if event is None:
            raise CommandError(f"the chip was not done within {_TIMEOUT_S:.0f} s", 6)
        ms = board.chip_ms
        if ms > last_ms:
            last_ms, moved = ms, time.monotonic()
        if "network" in event:
            found.marks.append((ms, *event["network"]))
        elif "end" in event or "reset" in event:
            found.why_failed = "the board reset" if "reset" in event else str(event)
        elif ms - heard_ms > _SILENT_MS:
            found.why_failed = "nothing was accepted for 40 s"
        elif time.monotonic() - moved > _ASLEEP_S:
            found.why_failed = "the program ended"
        for byte in event.get("console", b""):
            if byte != 0x0A:
                line += bytes((byte,))
                continue
            text, line = line.decode(errors="replace").strip(), b""
            found.lines.append(Line(text, ms))
            if re.search(r" I send accepted ", text):
                heard_ms = ms
                found.accepted.append(len(found.lines) - 1)
            elif _FAILED.search(text):
                found.why_failed = text
        if found.why_failed or len(found.accepted) >= reports:
            return


def _names(board: ChipProcess) -> dict[str, int]:
    """Return what `qstr_info` says once the program was stopped and all of it was loaded."""
    repl = ChipRepl(board)
    repl.enter()
    _, error = repl.run((_SCRIPTS / "load_all.py").read_bytes())
    if error:
        last = error.decode(errors="replace").strip().splitlines()[-1]
        raise CommandError(f"load_all.py on the chip: {last}", 1)
    return _qstr_info(repl)


def _qstr_info(repl: ChipRepl) -> dict[str, int]:
    output, _ = repl.run(b"import micropython\nmicropython.qstr_info()\n")
    return numbers(output.decode(errors="replace"))


def bare_names(where: Rig) -> dict[str, int]:
    """Return what `qstr_info` says at a REPL on which nothing has run but the stand-ins."""
    path = where.flash(deployed=False)
    with ChipProcess(path, seed=_SEED) as board:
        repl = ChipRepl(board)
        repl.enter()
        found = _qstr_info(repl)
    path.unlink()
    return found


def numbers(text: str) -> dict[str, int]:
    """Return the `name=number`s and `name: number`s of a text."""
    found = re.findall(r"([\w][\w -]*?)\s*[=:]\s*(\d+)", text)
    return {name: int(number) for name, number in found}


def unix_port(where: Rig, reports: int, heap: int) -> str:
    """Run the virtual board with that heap until so many readings were accepted; return why it
    failed, as `deployed` judges it, or ""."""
    config = {**where.config, "interval_s": 0}
    del config["wifi"]
    with TemporaryDirectory(prefix="linkpost-bench-unix-") as name:
        path = Path(name, "config.json")
        path.write_text(json.dumps(config))
        command = own_command("board", "run", "--config", str(path))
        command += ["--flash", str(Path(name, "flash")), "--ca", str(where.platform.ca)]
        command += ["--reports", str(reports), "--heap", str(heap), "--timeout", "120"]
        with subprocess.Popen(  # noqa: S603  our own command
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=_ROOT
        ) as board:
            for line in board.stderr or ():
                if _FAILED.search(line):
                    board.terminate()
                    board.wait()
                    return line.strip()
            return f"exit code {board.wait()}" if board.wait() else ""


RESETS = b"import machine\nmachine.reset()\n"


def boot_ms(path: Path) -> float:
    """Return the chip's ms from power on until a main.py with RESETS has reset it."""
    deadline = time.monotonic() + 60
    with ChipProcess(path, seed=_SEED) as board:
        while time.monotonic() < deadline:
            event = board.next_event(5) or {}
            if "reset" in event:
                return board.chip_ms
            if "end" in event:
                break
    raise CommandError("the emulated chip did not boot", 1)
