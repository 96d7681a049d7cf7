"""The heap of a chip: MicroPython's webassembly build under Node, whose objects have 32 bits."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from ..chip import node
from ..firmware import board_files
from ..terminal.failures import CommandError
from .measure import CONFIG

_HERE = Path(__file__).parent / "webassembly"
_TIMEOUT_S = 300


def is_possible() -> bool:
    """Tell whether Node and npm are here."""
    return shutil.which("node") is not None and shutil.which("npm") is not None


def measure(scenario: str) -> list[dict[str, Any]]:
    """Run scenarios/NAME.py on the files of a board; return what it prints, {"what", "bytes"}."""
    return _run(_HERE / "scenarios" / f"{scenario}.py", CONFIG)


def profile() -> list[dict[str, Any]]:
    """Return what each module of a running App keeps, imported one after the other."""
    modules = _modules_of_an_app()
    steps = ['import sys\nsys.path[:] = ["/board/in_memory"]\nfrom start import mark, show\n']
    steps += ["import linkpost\n"]
    for module in modules:
        steps += [f'mark("base")\nimport linkpost.{module}\n', f'show("{module}")\n']
    with tempfile.NamedTemporaryFile("w", suffix=".py") as script:
        script.write("# step\n".join(steps))
        script.flush()
        return _run(Path(script.name), CONFIG)


def _modules_of_an_app() -> list[str]:
    """Return the modules that stay in heap once the App runs, what is imported first first."""
    return [entry["what"] for entry in measure("modules")]


def _run(scenario: Path, config: dict[str, Any]) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="linkpost-bench-") as name:
        board = Path(name)
        # Its hashlib has neither digest. Both are loaded when something is signed.
        files = board_files.files_for(config, chip="host", native_digests=False)
        files["config.json"] = json.dumps({**config, "endpoint": "localhost"}).encode()
        for path, data in files.items():
            target = board / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        shutil.copytree(_HERE / "in_memory", board / "in_memory")
        command = ["node", "run.mjs", name, str(scenario)]
        done = subprocess.run(  # noqa: S603  our own command
            command,
            cwd=node.installed(_HERE, "MicroPython's webassembly build"),
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
        )
    if done.returncode:
        raise CommandError(f"{scenario.name} failed: {(done.stdout + done.stderr)[-2000:]}", 1)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
