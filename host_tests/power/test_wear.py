"""The outbox's budgets on flash, with both chips' settings (docs/measured.md)."""

from __future__ import annotations

import json

import pytest

from host_tests.power.scripts import CHIPS, micropython, run_script

pytestmark = pytest.mark.skipif(
    micropython() is None, reason="the MicroPython wheel is not installed on this machine"
)


@pytest.mark.parametrize("chip", CHIPS)
def test_wear_opening_and_heap_stay_within_their_budgets(chip: str) -> None:
    process = run_script("wear.py", chip, "600")
    assert process.returncode == 0, process.stdout + process.stderr
    lines = [json.loads(line) for line in process.stdout.splitlines()]
    by_what: dict[str, list[dict]] = {}
    for line in lines:
        by_what.setdefault(line["what"], []).append(line)

    [accepted] = by_what["accepted at once"]
    assert accepted["erases"] <= 0.10
    assert accepted["programmed_bytes"] <= 400
    [outage] = by_what["outage"]
    assert outage["erases"] <= 0.20
    assert outage["programmed_bytes"] <= 650
    # The file's own buffer apart, half of what it is here: objects have 32-bit words on a chip.
    [heap] = by_what["heap of one append, 64-bit objects"]
    assert (heap["bytes"] - heap["of_them_the_file"]) / 2 <= 450

    for how in ("opening after a clean stop", "opening after a power cut"):
        assert [line["waiting"] for line in by_what[how]] == [1, 1000, 8000]
        assert all(line["block_reads"] < 10_000 for line in by_what[how]), by_what[how]
    # Flat: behind 8,000 readings a call writes what it writes behind one, and does not read more
    # than a constant's worth more.
    calls = by_what["one call: block reads, programs and erases"]
    for call in ("append", "oldest_and_acknowledge"):
        (first_reads, first_writes), _, (last_reads, last_writes) = (line[call] for line in calls)
        assert last_writes <= first_writes * 1.5, calls
        assert last_reads <= first_reads + 300, calls
    assert by_what["dropped"][0]["count"] == 0
