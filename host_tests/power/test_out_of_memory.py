"""A call to the outbox that runs out of memory loses nothing, and can be made again.

Every so many bytes; each single allocation: `make power`.
"""

from __future__ import annotations

import pytest

from host_tests.power.scripts import micropython, starve, starved_calls

pytestmark = pytest.mark.skipif(
    micropython() is None, reason="the MicroPython wheel is not installed on this machine"
)

# Bytes, whole blocks of a heap with 64-bit words; loading a module takes tens of kilobytes there.
_STEPS = {
    "append to a first segment": 2080,
    "append to a segment": 2336,
    "append and drop": 2464,
    "readings": 2592,
    "open": 2592,
}


@pytest.mark.parametrize("call", starved_calls())
def test_call_that_runs_out_of_memory_loses_nothing(call: str) -> None:
    failed, lost, output = starve(call, _STEPS.get(call, 352))
    assert lost == 0, output
    assert failed > 3, output
