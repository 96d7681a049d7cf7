"""Node, and what the emulator needs of npm: pinned by a lock file, installed once."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from ..files.kept import kept_dir
from ..terminal.failures import CommandError

NODE_MAJOR = 18  # the emulator's own requirement
EMULATOR = Path(__file__).parent / "emulator"


def node() -> str:
    """Return the `node` command. Raises: CommandError where it is missing or too old."""
    path = shutil.which("node")
    wanted = f"install Node.js {NODE_MAJOR} or newer, and npm"
    if path is None:
        raise CommandError(f"the emulated chip runs on Node.js, which is not here: {wanted}")
    shown = subprocess.run([path, "--version"], capture_output=True, text=True).stdout  # noqa: S603
    found = re.match(r"v(\d+)\.", shown)
    if found is None or int(found.group(1)) < NODE_MAJOR:
        raise CommandError(f"node is {shown.strip() or 'broken'}, which is too old: {wanted}")
    return path


def installed(source: Path, what: str) -> Path:
    """Return a folder with the .mjs files of `source` and the packages of its lock file.

    Installed again where the lock file has changed. Raises: CommandError where npm cannot.
    """
    folder = kept_dir() / source.name
    folder.mkdir(parents=True, exist_ok=True)
    lock = (source / "package-lock.json").read_bytes()
    marker = folder / "installed"
    if not marker.exists() or marker.read_bytes() != lock:
        npm = shutil.which("npm")
        if npm is None:
            raise CommandError(f"npm is missing, which installs {what}: install it with Node.js")
        for name in ("package.json", "package-lock.json"):
            shutil.copy(source / name, folder)
        command = [npm, "ci", "--no-audit", "--no-fund", "--loglevel=error"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)  # noqa: S603
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[0]
            raise CommandError(f"npm cannot install {what} ({reason}): it needs a network, once")
        marker.write_bytes(lock)
    for path in source.glob("*.mjs"):
        target = folder / path.name
        content = path.read_bytes()
        if not target.exists() or target.read_bytes() != content:
            target.write_bytes(content)
    return folder
