"""Runs the fuzz targets under atheris, each in a process of its own.

    python -m host_tests.fuzz.run [--seconds 60] [--target NAME ...]

What breaks a target is kept in build/fuzz/TARGET and printed; put it into corpus/TARGET together
with the fix: test_fuzz.py runs every file there in each `make test`.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
from pathlib import Path

from host_tests.shared.interruptible import end_quietly, workers

_ROOT = Path(__file__).parent.parent.parent
CORPUS = Path(__file__).parent / "corpus"
_BUILD = _ROOT / "build" / "fuzz"
_LONGEST_S = 10  # one input; more is a hang
_MEMORY_MB = 1024
_INPUT_MAX = 8192


def fuzz(target: str, seconds: int, runs: int = 0) -> tuple[str, int, str]:
    """Fuzz one target for that long, or that many runs, which are the same ones each time.

    Returns: (target, exit code, what libFuzzer printed).
    """
    from host_tests.fuzz.targets import SEEDS

    folder = _BUILD / target
    found = folder / "corpus"
    found.mkdir(parents=True, exist_ok=True)
    for seed in SEEDS[target]:
        (found / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)
    command = [sys.executable, "-m", "host_tests.fuzz.run", "--inside", target, str(found)]
    if (CORPUS / target).is_dir():
        command.append(str(CORPUS / target))
    command += [
        *([f"-runs={runs}", "-seed=1"] if runs else [f"-max_total_time={seconds}"]),
        f"-timeout={_LONGEST_S}",
        f"-rss_limit_mb={_MEMORY_MB}",
        f"-max_len={_INPUT_MAX}",
        f"-artifact_prefix={folder}/",
        "-print_final_stats=1",
    ]
    path = os.pathsep.join([str(_ROOT), str(_ROOT / "firmware"), str(_ROOT / "tools" / "cpython")])
    done = subprocess.run(
        command,
        cwd=_ROOT,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        errors="replace",
        timeout=seconds + 300,
    )
    return target, done.returncode, done.stdout + done.stderr


def _inside(target: str, arguments: list[str]) -> None:
    import atheris

    with atheris.instrument_imports(include=["linkpost", "tools"]):
        from host_tests.fuzz.targets import TARGETS
    function = TARGETS[target]

    def one_input(data: bytes) -> None:
        function(data)

    atheris.Setup([sys.argv[0], *arguments], one_input)
    atheris.Fuzz()


def main() -> int:
    """Fuzz the targets; return 1 where one was broken."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--runs", type=int, default=0, help="instead of --seconds")
    parser.add_argument("--target", action="append")
    parser.add_argument("--inside")
    options, rest = parser.parse_known_args()
    if options.inside:
        _inside(options.inside, rest)
        return 0
    from host_tests.fuzz.targets import TARGETS

    names = options.target or sorted(TARGETS)
    for unknown in set(names) - TARGETS.keys():
        parser.error(f"no target {unknown}; there are: {', '.join(sorted(TARGETS))}")
    failed = False

    def one(name: str) -> tuple[str, int, str]:
        return fuzz(name, options.seconds, options.runs)

    with workers(os.cpu_count() or 1) as pool:
        for target, code, text in pool.map(one, names):
            stats = [line for line in text.splitlines() if "number_of_executed_units" in line]
            runs = stats[0].split()[-1] if stats else "?"
            print(f"{target:18} {runs:>9} inputs, {'good' if code == 0 else 'BROKEN'}", flush=True)
            if code:
                failed = True
                print(text[-3000:], file=sys.stderr)
    return int(failed)


if __name__ == "__main__":
    end_quietly(main)
