"""The two runtimes a virtual board can have, and how a process of each is started."""

from __future__ import annotations

import ctypes
import importlib.util
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

from .. import firmware
from ..firmware.mpy import compile_mpy
from . import unix_port

MICROPYTHON = "micropython"
CPYTHON = "cpython"
RUNTIMES = (MICROPYTHON, CPYTHON)

# What our own side keeps of a virtual board's heap: the flash and littlefs' buffers, `machine`,
# the messages to the supervisor. Measured; a test does it again. Its names may let MicroPython's
# table of names grow once more, or not: 17,300 to 21,000.
OWN_BYTES = 19_000
# Ample, as a Pico W's is. What equals a given heap of a chip: tools/bench/chip/unix_heap.py.
DEFAULT_HEAP_BYTES = 240 * 1024

OPTIONS_VARIABLE = "LINKPOST_OPTIONS"
ON_BOARD = Path(__file__).parent / "on_board"


def has_micropython() -> bool:
    """Tell whether MicroPython's unix port is installed in this environment."""
    return importlib.util.find_spec("micropython_run") is not None


def choose(wanted: str) -> str:
    """Return the runtime to use; says so on standard error where it is not the wanted one."""
    if wanted == MICROPYTHON and not has_micropython():
        print(
            "linkpost: MicroPython is not installed here (its wheel is for Linux x86_64 and macOS "
            "arm64); going on with --runtime cpython",
            file=sys.stderr,
        )
        return CPYTHON
    return wanted


def compile_on_board(folder: Path) -> None:
    """Put the board's side of the virtual board into a folder, as byte code.

    Byte code, because compiling would take heap that a chip has for the firmware.
    """
    for path in sorted(ON_BOARD.glob("*.py")):
        (folder / f"{path.stem}.mpy").write_bytes(compile_mpy(path.read_bytes(), path.name))


def start_module(
    runtime: str,
    module: str,
    options: dict[str, Any],
    folders: list[Path],
    heap_bytes: int | None = None,
    cwd: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start a module as `__main__`, imports looked up in these folders only.

    The options reach it as JSON in the environment: nothing secret belongs there. Its standard
    output and error are pipes.
    """
    if runtime == MICROPYTHON:
        command = [*_micropython(heap_bytes), "-m", module]
        path = ":".join([*map(str, folders), ".frozen"])
    else:
        # -P -S: the firmware is to find what a board has, not what is installed on this machine.
        command = [sys.executable, "-P", "-S", "-s", "-u", "-B", "-m", module]
        path = os.pathsep.join(map(str, [*folders, firmware.CPYTHON_SHIMS]))
    return start_child(
        command,
        _environment(path, options),
        cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def start_repl(
    options: dict[str, Any], folders: list[Path], heap_bytes: int, terminal: int
) -> subprocess.Popen[bytes]:
    """Start MicroPython on a terminal (a descriptor): `virtual_boot.to_repl`, then its REPL.

    With the option `in_raw_repl` true, it is the raw REPL. Its standard error is a pipe.
    """
    # In the REPL's own names: what main.py leaves behind is there to look at, as on a chip.
    start = "import virtual_boot as b;b.to_repl(globals())"
    command = [*_micropython(heap_bytes), "-i", "-c", start]
    environment = _environment(":".join([*map(str, folders), ".frozen"]), options)
    if options["in_raw_repl"]:
        environment[unix_port.RAW_REPL_VARIABLE] = "1"
    return start_child(
        command, environment, stdin=terminal, stdout=terminal, stderr=subprocess.PIPE
    )


def _micropython(heap_bytes: int | None) -> list[str]:
    heap = ["-X", f"heapsize={heap_bytes}"] if heap_bytes else []
    return [sys.executable, "-I", unix_port.__file__, *heap]


def _environment(path: str, options: dict[str, Any]) -> dict[str, str]:
    return {
        **os.environ,
        "MICROPYPATH": path,
        "PYTHONPATH": path,
        OPTIONS_VARIABLE: json.dumps(options),
    }


def start_child(
    command: list[str],
    environment: dict[str, str] | None = None,
    cwd: Path | None = None,
    stdin: int = subprocess.DEVNULL,
    stdout: int | IO[bytes] | None = None,
    stderr: int | IO[bytes] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a process that a terminal's Ctrl-C does not reach, and that ends when we do.

    The latter by the kernel on Linux; elsewhere only as far as we get to stop it. What it writes
    is for its owner only: a board keeps its token in a file.
    """
    return subprocess.Popen(  # noqa: S603  our own command
        command,
        env=environment,
        cwd=cwd,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,
        umask=0o077 if os.name == "posix" else -1,
        preexec_fn=end_with_parent if sys.platform == "linux" else None,
    )


def interrupt(runtime: str, process: subprocess.Popen[bytes]) -> None:
    """Press Ctrl-C on the board; on Windows, where that needs a console, switch it off."""
    if sys.platform == "win32" or unix_port.CTRL_C is None:
        process.kill()
    else:
        process.send_signal(unix_port.CTRL_C if runtime == MICROPYTHON else signal.SIGINT)


_libc = ctypes.CDLL(None) if sys.platform == "linux" else None
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def end_with_parent() -> None:
    """Let this process be killed when its parent ends (Linux); for `preexec_fn`."""
    # Runs between fork and exec: nothing here may allocate much or take a lock.
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
