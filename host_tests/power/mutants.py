"""Outboxes broken on purpose: a proof that cannot fail proves nothing.

Each mutant changes one line of the firmware in a copy; the scenarios named with it are cut, and
one of them has to notice.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from host_tests.power.scripts import CHIPS, FIRMWARE, cut
from host_tests.shared.interruptible import workers

_STORAGE = Path("linkpost/storage")

# What it does wrong: (file, text, its replacement, scenarios).
MUTANTS: dict[str, tuple[str, str, str, tuple[str, ...]]] = {
    "a slot that waits is overwritten": (
        "outbox.py",
        "if seq - SLOTS > max(self.acked, self.last_in_segments):",
        "if False:",
        ("slots to a first segment",),
    ),
    "slots go to a segment one append late": (
        "outbox.py",
        "if seq - SLOTS > max(self.acked, self.last_in_segments):",
        "if seq - SLOTS > max(self.acked, self.last_in_segments) + 1:",
        ("slots to a first segment",),
    ),
    "the segment is committed after the slot": (
        "growing.py",
        '        with open(outbox.path_of(first), "ab") as file:\n',
        '        outbox.x = file = open(outbox.path_of(first), "ab")\n        if 1:\n',
        ("slots to a first segment", "slots to a segment"),
    ),
    "an empty segment is kept": (
        "opening.py",
        "                os.remove(path)\n                found.pop()\n",
        "                break\n",
        ("slots to a first segment", "slots to a new segment"),
    ),
    "next is one too low": (
        "opening.py",
        "    outbox.next_seq = next_seq\n",
        "    outbox.next_seq = max(next_seq - 1, 1)\n",
        ("append",),
    ),
    "next comes from the cursor alone": (
        "opening.py",
        "    outbox.next_seq = next_seq\n",
        "    outbox.next_seq = wanted\n",
        ("append",),
    ),
    "next comes from segments alone": (
        "opening.py",
        "found = [_look(outbox, slot) for slot in range(SLOTS)]",
        "found = [0] * SLOTS",
        ("slots to a first segment", "append"),
    ),
    "the riding position is not read": (
        "opening.py",
        "outbox.acked, oldest - 1)",
        "oldest - 1)",
        ("append",),
    ),
    "the riding position is one too far": (
        "opening.py",
        "max(outbox.acked, found - 1 - lag)",
        "max(outbox.acked, found - lag)",
        ("append", "slots to a first segment"),
    ),
    "the cursor is not written while readings wait": (
        "outbox.py",
        "            if self.pending or self.segments:\n                self.sync()\n",
        "",
        ("acknowledge", "acknowledge singly"),
    ),
    "a segment goes before all of it was accepted": (
        "outbox.py",
        "return self.segments[1][0] - 1 if len(self.segments) > 1 else self.last_in_segments",
        "return self.segments[0][0]",
        ("acknowledge", "segment removal"),
    ),
    "a dropped segment goes before its count": (
        "growing.py",
        "    outbox.sync()  # first the count, then the loss\n",
        "",
        ("drop oldest", "flash full"),
    ),
    "dropped readings are not all counted": (
        "growing.py",
        "        outbox.dropped += count\n",
        "        outbox.dropped += count - 1\n",
        ("drop oldest",),
    ),
    "a refused reading is let go before it is quarantined": (
        "segments.py",
        "    try:\n        is_kept = _keep(",
        "    outbox.acknowledge(seq)\n    try:\n        is_kept = _keep(",
        ("quarantine",),
    ),
    "the position does not move past what was quarantined": (
        "segments.py",
        "    outbox.acknowledge(seq)\n    outbox.sync()",
        "    outbox.acked = seq",
        ("quarantine",),
    ),
    "the boot's time stays in RAM": (
        "outbox.py",
        "        if self._untimed > self.acked:\n            self.sync()\n",
        "",
        ("set time",),
    ),
    "the stream is new at each boot": (
        "opening.py",
        "        if stream is None or len(stream) != 4:\n",
        "        if True:\n",
        ("append",),
    ),
    "a token is removed before the new one is written": (
        "tokens.py",
        '            with open(self._path, "wb") as file:\n',
        """            self.load() and __import__("os").remove(self._path)
            with open(self._path, "wb") as file:
""",
        ("token",),
    ),
}
# Not here, as no cut can tell: whether the CRC is looked at (littlefs shows no torn frame), and
# what holds where the cursor is lost. The portable tests of frames and damaged outboxes do.


def catch(name: str) -> str:
    """Return what caught that mutant, "" where nothing did."""
    file, text, replacement, scenarios = MUTANTS[name]
    with tempfile.TemporaryDirectory() as folder:
        firmware = Path(folder) / "firmware"
        shutil.copytree(FIRMWARE, firmware, ignore=shutil.ignore_patterns("__pycache__"))
        path = firmware / _STORAGE / file
        source = path.read_text()
        if source.count(text) != 1:
            raise AssertionError(f"{name}: the text is there {source.count(text)} times")
        path.write_text(source.replace(text, replacement))
        for scenario in scenarios:
            for chip in CHIPS:
                outcome = cut(scenario, chip, 0, firmware)
                if outcome.lost:
                    why = [line.strip() for line in outcome.output.splitlines() if ": " in line]
                    reason = next((w for w in why if not w.startswith("FAILED")), "it crashed")
                    return f"{scenario}, {chip}: {reason}"
    return ""


def catch_all(jobs: int) -> int:
    """Try every mutant, print what caught each; return 1 where one lived."""
    names = list(MUTANTS)
    alive = 0
    with workers(jobs) as pool:
        for name, caught in zip(names, pool.map(catch, names), strict=True):
            print(f"{name:52}{caught or 'NOT CAUGHT'}", flush=True)
            alive += not caught
    print(f"{len(names)} mutants, {len(names) - alive} caught")
    return 1 if alive else 0
