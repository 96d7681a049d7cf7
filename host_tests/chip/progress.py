"""What `make test-chip` has done so far: it may take an hour, and goes on where it was stopped."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

# Of the test that runs: whoever runs a chip adds to it.
chip_ms = 0.0

_ROOT = Path(__file__).parent.parent.parent
_COUNTS = ("firmware", "tools/chip", "host_tests/chip", "host_tests/portable")


def add_chip_ms(ms: float) -> None:
    """Count chip time for the test that runs."""
    global chip_ms
    chip_ms += ms


class Record:
    """The tests that have passed, by id, with their chip time and wall time.

    Another firmware, emulator or test makes it void.
    """

    def __init__(self, path: Path):
        self._path = path
        self._fingerprint = _fingerprint()
        self._passed: dict[str, list[float]] = {}
        if path.exists():
            kept = json.loads(path.read_text())
            if kept["fingerprint"] == self._fingerprint:
                self._passed = kept["passed"]

    def has(self, test: str) -> bool:
        """Tell whether it has passed."""
        return test in self._passed

    def note(self, test: str, ms: float, wall_s: float) -> None:
        """Note that it has passed."""
        self._passed[test] = [ms, wall_s]
        self._path.parent.mkdir(parents=True, exist_ok=True)
        record = {"fingerprint": self._fingerprint, "passed": self._passed}
        self._path.write_text(json.dumps(record, indent=1))

    def table(self) -> list[str]:
        """Return a line for each test that has passed, and their sum."""
        rows = [
            f"{ms / 1000:9.1f} s of chip  {wall_s:7.1f} s here  {test.rpartition('/')[2]}"
            for test, (ms, wall_s) in self._passed.items()
        ]
        chip = sum(ms for ms, _ in self._passed.values()) / 1000
        wall = sum(wall_s for _, wall_s in self._passed.values())
        return [*rows, f"{chip:9.1f} s of chip  {wall:7.1f} s here  in all"]

    def close(self) -> None:
        """Forget it: all have passed, and the next run begins anew."""
        self._path.unlink(missing_ok=True)


def _fingerprint() -> str:
    digest = hashlib.sha256()
    for folder in _COUNTS:
        for path in sorted((_ROOT / folder).rglob("*")):
            if path.is_file() and path.suffix in (".py", ".mjs", ".json", ".der"):
                digest.update(path.relative_to(_ROOT).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()
