"""The wheel and the source archive, from a copy of the tree that has nothing else in it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from ..terminal.failures import CommandError

_ROOT = Path(__file__).parent.parent.parent
_NAMES = ("tools", "firmware", "boards", "pyproject.toml", "README.md", "LICENSE")
# One after the other in a process of its own each: setuptools keeps state.
_BUILD = "import sys; from setuptools import build_meta; print(build_meta.{}(sys.argv[1]))"


def build(out: Path, root: Path = _ROOT) -> tuple[Path, Path]:
    """Make both in the folder `out`; return (wheel, source archive).

    From a copy: setuptools packs what an earlier build left beside the sources.

    Raises: CommandError with what setuptools said.
    """
    with tempfile.TemporaryDirectory(prefix="linkpost-package-") as name:
        for part in _NAMES:
            source, copy = root / part, Path(name, part)
            if source.is_dir():
                shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, copy)
        archive = _run("build_sdist", Path(name), out)
        return build_wheel(Path(name), out), archive


def build_wheel(source: Path, out: Path) -> Path:
    """Make the wheel of a source tree that has nothing built in it. Raises: as `build`."""
    return _run("build_wheel", source, out)


def _run(step: str, source: Path, out: Path) -> Path:
    out.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-W", "ignore", "-c", _BUILD.format(step), str(out.resolve())]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True)  # noqa: S603
    if done.returncode:
        raise CommandError(f"setuptools cannot make the package: {done.stderr.strip()[-2000:]}", 1)
    return out / done.stdout.split()[-1]
