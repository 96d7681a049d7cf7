"""A bounded slice of `make fuzz`: all that was found before, and some thousand new inputs."""

from __future__ import annotations

import random

import pytest

from host_tests.fuzz.run import CORPUS
from host_tests.fuzz.targets import SEEDS, TARGETS

_MUTANTS = 300


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_good_cases_and_past_findings_are_taken_or_refused_as_promised(target):
    for seed in SEEDS[target]:
        TARGETS[target](seed)
    for path in sorted((CORPUS / target).glob("*")):
        TARGETS[target](path.read_bytes())


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_changed_inputs_are_taken_or_refused_as_promised(target):
    # The same ones each time: a failure here has to be one tomorrow too.
    chance = random.Random(target)
    count = _MUTANTS // 4 if target == "outbox" else _MUTANTS
    for _ in range(count):
        data = _changed(chance, chance.choice(SEEDS[target]))
        try:
            TARGETS[target](data)
        except BaseException:
            print(f"{target} is broken by {data!r}")
            raise


def _changed(chance: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        kind = chance.randrange(5)
        at = chance.randint(0, len(changed))
        if kind == 0:
            changed[at : at + 1] = bytes([chance.randrange(256)])
        elif kind == 1:
            del changed[at : at + chance.randint(1, 8)]
        elif kind == 2:
            changed[at:at] = changed[: chance.randint(0, 40)]
        elif kind == 3:
            changed[at:at] = chance.choice(_TOKENS)
        else:
            changed[at:] = b""
    return bytes(changed)


_TOKENS = (
    b"\r\n",
    b"\0",
    b"\xff" * 4,
    b"0" * 30,
    b"-1",
    b"1e999",
    b"NaN",
    b"{" * 40,
    b"[" * 40,
    b'"',
    b"\\u0000",
    b"\xe6\xb8",
    b"Content-Length: 5\r\n",
    b"99999999999999999999",
    b"\xf0\x9f\x92\xa9",
)
