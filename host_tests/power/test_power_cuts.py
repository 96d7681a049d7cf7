"""Every flash write of every scenario is cut; a slice of them twice. The whole: `make power`."""

from __future__ import annotations

import pytest

from host_tests.power.mutants import MUTANTS, catch
from host_tests.power.run import BOUNDED
from host_tests.power.scripts import CHIPS, cut, micropython, run_script, scenarios

pytestmark = pytest.mark.skipif(
    micropython() is None, reason="the MicroPython wheel is not installed on this machine"
)


@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("scenario", scenarios())
def test_power_cut_at_every_write_loses_nothing(scenario: str, chip: str) -> None:
    outcome = cut(scenario, chip, BOUNDED)
    assert outcome.lost == 0, outcome.output
    # Every operation was cut before and in its middle, and the end of all of them.
    assert outcome.cuts == 2 * outcome.operations + 1
    assert outcome.operations > 3


def test_replay_of_a_schedule_runs_that_cut_alone() -> None:
    process = run_script("cuts.py", "append", "rp2", "0", "1:half,2:before")
    assert process.returncode == 0, process.stdout + process.stderr
    assert "under way at the second cut:" in process.stdout
    assert process.stdout.endswith("nothing lost\n")


@pytest.mark.parametrize("mutant", MUTANTS)
def test_power_cuts_notice_an_outbox_broken_on_purpose(mutant: str) -> None:
    assert catch(mutant), f"nothing noticed that {mutant}"
