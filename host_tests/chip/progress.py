"""What `make test-chip` has done so far: it may take an hour, and goes on where it was stopped."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from tools.files import whole_file

# Of the test that runs: whoever runs a chip adds to it.
chip_ms = 0.0
lines: list[str] = []

_ROOT = Path(__file__).parent.parent.parent
_COUNTS = ("firmware", "tools/chip", "host_tests/chip", "host_tests/portable")


def add_chip_ms(ms: float) -> None:
    """Count chip time for the test that runs."""
    global chip_ms
    chip_ms += ms


def add_told(errors: str) -> None:
    """Count the chip time that a `linkpost board chip` told on its standard error."""
    for seconds, ms in re.findall(r"chip time: ([\d.]+) s|(\d+) ms of chip time", errors):
        add_chip_ms(float(ms or 0) or 1000 * float(seconds))


def tell(line: str) -> None:
    """Print a line, and keep it for what `make test-chip` says at its end."""
    print(line)
    lines.append(line)


def begin() -> None:
    """A test begins: nothing is counted, nothing told."""
    global chip_ms
    chip_ms = 0.0
    lines.clear()


@dataclass
class Passed:
    """What a test was, took in ms of chip time and seconds here, and told."""

    own: str  # digest of the test's own files
    chip_ms: float
    wall_s: float
    lines: list[str]


class Record:
    """The tests that have passed, by id.

    Another firmware, emulator, or what several tests share makes all of it void; another file of
    a test's own, that test.
    """

    def __init__(self, path: Path):
        self._path = path
        self._fingerprint = _fingerprint()
        self._passed: dict[str, Passed] = {}
        if path.exists():
            kept = json.loads(path.read_text())
            if kept["fingerprint"] == self._fingerprint:
                self._passed = {test: Passed(**one) for test, one in kept["passed"].items()}

    def has(self, test: str, own: Iterable[Path]) -> bool:
        """Tell whether it has passed, with its own files as they are; if not, forget it."""
        if test in self._passed and self._passed[test].own == _digest(own):
            return True
        self._passed.pop(test, None)
        return False

    def note(self, test: str, own: Iterable[Path], wall_s: float) -> None:
        """Note that it has passed, with what was counted and told since `begin`."""
        self._passed[test] = Passed(_digest(own), chip_ms, wall_s, list(lines))
        self._path.parent.mkdir(parents=True, exist_ok=True)
        passed = {name: asdict(one) for name, one in self._passed.items()}
        record = {"fingerprint": self._fingerprint, "passed": passed}
        whole_file.replace(self._path, json.dumps(record, indent=1).encode())

    def table(self) -> list[str]:
        """Return a line for each test that has passed, what it told, and their sum."""
        rows = []
        for test, one in self._passed.items():
            rows.append(_row(one.chip_ms, one.wall_s, test.rpartition("/")[2]))
            rows += [f"    {line}" for line in one.lines]
        passed = self._passed.values()
        chip_ms, wall_s = sum(one.chip_ms for one in passed), sum(one.wall_s for one in passed)
        return [*rows, _row(chip_ms, wall_s, f"{len(passed)} tests in all")]

    def close(self) -> None:
        """Forget it: all have passed, and the next run begins anew."""
        self._path.unlink(missing_ok=True)


def _row(chip_ms: float, wall_s: float, what: str) -> str:
    return f"{chip_ms / 1000:9.1f} s of chip  {wall_s:7.1f} s here  {what}"


def _fingerprint() -> str:
    files = [path for folder in _COUNTS for path in (_ROOT / folder).rglob("*")]
    return _digest(path for path in files if not path.name.startswith("test_"))


def _digest(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in sorted(paths):
        if path.is_file() and path.suffix in (".py", ".mjs", ".json", ".der"):
            digest.update(path.relative_to(_ROOT).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()
