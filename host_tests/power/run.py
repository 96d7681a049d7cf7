"""Cut the power at every flash write: the whole table, or one cut again.

    python -m host_tests.power.run               every cut, and a slice of the double ones
    python -m host_tests.power.run --second 20   a larger slice: 20 first cuts of each scenario
    python -m host_tests.power.run --full        every cut, and every second cut during recovery
    python -m host_tests.power.run --mutants     break the outbox on purpose; each must be caught
    python -m host_tests.power.run --memory      out of memory at every allocation of each call
    python -m host_tests.power.run --replay "slots to a segment" esp32 12:half,3:before

The scenarios run in real MicroPython, on its own littlefs; see cuts.py. Exit code 1 where anything
was lost.
"""

from __future__ import annotations

import argparse
import os
import sys

from host_tests.power.mutants import catch_all
from host_tests.power.scripts import (
    CHIPS,
    Outcome,
    cut,
    run_script,
    scenarios,
    starve,
    starved_calls,
)
from host_tests.shared.interruptible import end_quietly, workers

# First cuts of a scenario that get second ones, where not all do.
BOUNDED = 3


def starve_all(jobs: int) -> int:
    """Let each call fail at every allocation, print a table; return 1 where anything was lost."""
    calls = starved_calls()
    broken = 0
    with workers(jobs) as pool:
        outcomes = pool.map(lambda call: starve(call, 32), calls)
        for call, (failed, lost, output) in zip(calls, outcomes, strict=True):
            print(f"{call:26}{failed:7} times out of memory{lost:4} lost", flush=True)
            if lost:
                print(output, file=sys.stderr)
            broken += lost
    return 1 if broken else 0


def table(outcomes: list[Outcome]) -> str:
    """Return the closing table."""
    lines = [
        f"{'scenario':26}{'chip':7}{'operations':>11}{'cuts':>7}{'double cuts':>13}{'lost':>6}"
    ]
    for o in outcomes:
        lines.append(f"{o.scenario:26}{o.chip:7}{o.operations:11}{o.cuts:7}{o.pairs:13}{o.lost:6}")
    cuts, pairs = sum(o.cuts for o in outcomes), sum(o.pairs for o in outcomes)
    operations, lost = sum(o.operations for o in outcomes), sum(o.lost for o in outcomes)
    lines.append(f"{'all':33}{operations:11}{cuts:7}{pairs:13}{lost:6}")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--full", action="store_true", help="every second cut too")
    parser.add_argument(
        "--second",
        type=int,
        default=BOUNDED,
        help="first cuts of a scenario that are cut again, default %(default)s",
    )
    parser.add_argument("--mutants", action="store_true", help="is every broken outbox caught?")
    parser.add_argument("--memory", action="store_true", help="every allocation fails once")
    parser.add_argument("--replay", nargs=3, metavar=("SCENARIO", "CHIP", "SCHEDULE"))
    parser.add_argument("--only", metavar="SCENARIO", help="this scenario alone")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    if arguments.replay:
        scenario, chip, schedule = arguments.replay
        process = run_script("cuts.py", scenario, chip, "0", schedule)
        print(process.stdout + process.stderr, end="")
        return process.returncode
    if arguments.mutants:
        return catch_all(arguments.jobs)
    if arguments.memory:
        return starve_all(arguments.jobs)
    second = -1 if arguments.full else arguments.second
    work = [
        (scenario, chip)
        for scenario in scenarios()
        for chip in CHIPS
        if arguments.only in (None, scenario)
    ]
    with workers(arguments.jobs) as pool:
        outcomes = []
        for outcome in pool.map(lambda pair: cut(*pair, second), work):
            outcomes.append(outcome)
            if outcome.lost:
                print(outcome.output, file=sys.stderr)
            elif sys.stderr.isatty():
                print(f"{outcome.scenario} {outcome.chip}", file=sys.stderr)
    print(table(outcomes))
    return 1 if any(outcome.lost for outcome in outcomes) else 0


if __name__ == "__main__":
    end_quietly(main)
