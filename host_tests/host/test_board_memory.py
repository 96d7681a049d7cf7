"""What `make test-board` says of memory: an ESP32 has two heaps, and counts a part in both."""

import sys
from types import SimpleNamespace

import pytest

from host_tests import board_tests

# As ESP32_GENERIC 1.27 was seen to have them at boot: a heap of 56,000, and regions of the other,
# each (total, free, largest block, lowest ever).
REGIONS = [(120_000, 110_720, 110_592, 110_000), (30_000, 28_616, 16_000, 28_000)]


@pytest.mark.parametrize(
    ("platform", "said"),
    [
        ("rp2", "heap free 164064 of 166592\n"),
        (
            "esp32",
            "IDF heap free 139336 largest block 110592\nheap free 53472 of 56000\n",
        ),
    ],
)
def test_memory_of_a_board_is_that_of_its_own_heap(monkeypatch, capsys, platform, said):
    heap = SimpleNamespace(collect=lambda: 0, mem_free=lambda: 164_064, mem_alloc=lambda: 2_528)
    monkeypatch.setattr(sys, "platform", platform)
    for name, module in (
        ("gc", heap),
        ("micropython", SimpleNamespace(mem_info=lambda: None)),
        ("esp32", SimpleNamespace(HEAP_DATA=4, idf_heap_info=lambda kind: REGIONS)),
    ):
        monkeypatch.setitem(sys.modules, name, module)
    exec(board_tests._MEMORY, {})  # noqa: S102  as the board does
    monkeypatch.undo()
    assert capsys.readouterr().out == said
