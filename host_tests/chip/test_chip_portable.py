"""The portable tests on the chip's own build: at least nine in ten of them pass there."""

import json
from pathlib import Path

import pytest

from host_tests.chip import portable_files, progress

pytestmark = [pytest.mark.long, pytest.mark.timeout(3600)]

# Of each file, so that a run that was stopped can go on.
COUNTS = Path("build/chip/portable.json")
LEAST = 0.9


def _counts():
    return json.loads(COUNTS.read_text()) if COUNTS.exists() else {}


@pytest.mark.parametrize("path", portable_files.files(), ids=lambda path: path.stem)
def test_portable_file_on_the_chip(path):
    outcome = portable_files.run_file(path)
    progress.add_chip_ms(outcome.chip_ms)
    failed = {n: text for n, text in outcome.tests.items() if text not in portable_files.KNOWN}
    counts = {}
    for name, text in outcome.tests.items():
        what = "failed" if name in failed else text
        counts[what] = counts.get(what, 0) + 1
        if what != portable_files.PASSED:
            progress.tell(f"{name}: {what}")
    COUNTS.parent.mkdir(parents=True, exist_ok=True)
    COUNTS.write_text(json.dumps({**_counts(), path.stem: counts}, indent=1))
    assert not failed, "\n".join(f"{name}: {text}" for name, text in failed.items())


def test_nine_in_ten_portable_tests_pass_on_the_chip():
    counts = _counts()
    not_run = {path.stem for path in portable_files.files()} - counts.keys()
    assert not not_run, f"these have not passed yet: {', '.join(sorted(not_run))}"
    total = {}
    for path in portable_files.files():
        for what, count in counts[path.stem].items():
            total[what] = total.get(what, 0) + count
    counted = ", ".join(f"{count} {what}" for what, count in total.items())
    share = total[portable_files.PASSED] / sum(total.values())
    progress.tell(f"{counted}: {share:.1%} of {sum(total.values())} portable tests passed")
    assert total[portable_files.PASSED] >= LEAST * sum(total.values()), total
