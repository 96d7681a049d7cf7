"""Whether the emulated chip can be tested here at all: one skip, or one failure, says so."""

import pytest

from host_tests.chip.emulated_board import is_required
from tools.chip import cache

HOW = (
    "the emulated chip is not tested: its two files are not in your cache. Get them by "
    "`linkpost board chip fetch`, or with --micropython FILE --bootrom FILE where there is no "
    "internet"
)


def test_files_of_the_chip_are_here():
    if not cache.is_complete():
        if is_required():
            pytest.fail(HOW)
        pytest.skip(HOW)
    _, uf2 = cache.micropython()
    assert cache.version_of(uf2) >= (1, 25)
    assert len(cache.bootrom().read_bytes()) == cache.ROM_BYTES
