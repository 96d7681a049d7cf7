"""A plain ESP32's heap is made to grow by one step, with the figures that a chip gave.

The two heaps are numbers here: nothing is allocated. What they do is what MicroPython 1.27 did in
an emulator of the chip: a growth takes the largest IDF block, or as much as the heap has.
"""

import os
import sys


class Chip:
    """The two heaps, and `esp32`, `_thread`, `gc` and `time` as far as they are asked for."""

    HEAP_DATA = 4
    # What a task takes beside its stack.
    TASK_BYTES = 704

    def __init__(self, regions=(110_592, 16_000, 12_744), heap=56_000, live=3_000):
        self.regions = list(regions)  # the largest block of each; 139,336 in all at boot
        self.heap = heap
        self.live = live
        self.pieces = []  # bytes of what was allocated, by the part of the heap it lies in
        self.parts = []  # (region, bytes) that the heap grew by
        self.threads = []  # (region, bytes)
        self.stack = 0
        self.calls = []
        self.refuses_threads = False
        self.drops_pieces = False

    # -- esp32 --

    def idf_heap_info(self, capability):
        assert capability == self.HEAP_DATA
        return [(largest + 1_000, largest, largest, 0) for largest in self.regions]

    # -- gc --

    def mem_alloc(self):
        return self.live + sum(self.pieces)

    def mem_free(self):
        return self.heap - self.mem_alloc() + max(self.regions)

    def collect(self):
        if "released" in self.calls and self.parts and self.drops_pieces:
            # The last piece was not kept: an empty part is given back.
            self.heap -= self.parts.pop()[1]

    def allocate(self, before):
        size = 240
        if self.mem_alloc() + size > self.heap:
            largest = max(self.regions)
            grown = min(largest, self.heap)
            region = self.regions.index(largest)
            self.regions[region] -= grown
            self.parts.append((region, grown))
            self.heap += grown
        self.pieces.append(size)
        return [before]

    # -- _thread --

    def allocate_lock(self):
        return self

    def acquire(self):
        self.calls.append("acquired")

    def release(self):
        self.calls.append("released")
        self.pieces = self.pieces[-1:]

    def stack_size(self, size):
        self.calls.append(("stack", size))
        self.stack = size

    def start_new_thread(self, function, arguments):
        if self.refuses_threads:
            raise OSError("can't create thread")
        assert self.stack >= 4_096, self.stack
        taken = self.stack + self.TASK_BYTES
        region = self.regions.index(max(self.regions))
        assert self.regions[region] >= taken
        self.regions[region] -= taken
        self.threads.append((region, taken))
        self.calls.append("thread")

    # -- time --

    def sleep_ms(self, ms):
        self.calls.append(("sleep", ms))
        for region, taken in self.threads:
            self.regions[region] += taken
        self.threads = []


class Sys:
    """`sys` with the machine of a chip."""

    def __init__(self, machine):
        self.implementation = self
        self._machine = machine


CONFIG = "test_esp32_heap.tmp.json"
PLAIN = "Generic ESP32 module with ESP32"


def grow_on(chip, machine=PLAIN):
    """Return what `grow` returned on that chip."""
    known = sys.modules.get("esp32")
    sys.modules["esp32"] = chip
    try:
        from linkpost.ports import esp32_heap
    finally:
        if known is None:
            del sys.modules["esp32"]
        else:
            sys.modules["esp32"] = known
    for name, fake in (
        ("esp32", chip),
        ("gc", chip),
        ("_thread", chip),
        ("time", chip),
        ("sys", Sys(machine)),
        ("_piece", chip.allocate),
        ("_config", CONFIG),
    ):
        setattr(esp32_heap, name, fake)
    return esp32_heap.grow()


def test_grows_by_the_step_and_gives_all_else_back():
    chip = Chip()
    kept = grow_on(chip)
    # What was measured: 81,920 in all.
    assert chip.heap == 81_920, chip.heap
    assert kept == [None]  # the last piece, and no chain of them
    assert len(chip.pieces) == 1
    # The stacks are back: all that is gone of the IDF heap is what the heap grew by.
    assert sum(chip.regions) == 139_336 - (81_920 - 56_000)
    assert chip.calls == [
        "acquired",
        ("stack", 110_592 - 24_576 - 2_048),
        "thread",
        ("stack", 0),
        "released",
        ("sleep", 20),
    ]


def test_after_a_soft_reset_the_idf_heap_is_cut_otherwise_and_more_threads_take_it():
    # With one thread alone, the heap grew by 50 KB there.
    for regions in ((60_000, 51_000), (60_000, 51_000, 40_000), (29_000, 28_700)):
        chip = Chip(regions)
        assert grow_on(chip) is not None
        assert 56_000 + 22_000 <= chip.heap <= 56_000 + 28_672, (regions, chip.heap)
        assert sum(chip.regions) == sum(regions) - (chip.heap - 56_000)
        assert chip.calls[-3:] == [("stack", 0), "released", ("sleep", 20)]


def test_nothing_is_done_on_other_chips_with_spiram_or_where_it_has_grown():
    for machine in (
        "Generic ESP32S2 module with ESP32S2",
        "Generic ESP32S3 module with ESP32S3",
        "ESP32C3 module with ESP32C3",
        "ESP32C6 module with ESP32C6",
        "Generic ESP32 module with SPIRAM with ESP32",
    ):
        chip = Chip()
        assert grow_on(chip, machine) is None
        assert chip.heap == 56_000 and chip.calls == [], machine
    for chip in (Chip((4_000_000, 90_000)), Chip(heap=81_920), Chip(heap=112_000)):
        heap = chip.heap
        assert grow_on(chip) is None
        assert chip.heap == heap and chip.calls == []


def test_memory_that_is_too_small_for_the_step_is_left_alone():
    chip = Chip((22_000, 20_000))
    assert grow_on(chip) is None
    assert chip.heap == 56_000 and sum(chip.regions) == 42_000


def test_failure_stops_no_boot_and_frees_all():
    chip = Chip()
    chip.refuses_threads = True
    assert grow_on(chip) is None
    assert chip.heap == 56_000 and sum(chip.regions) == 139_336
    assert chip.calls[-3:] == [("stack", 0), "released", ("sleep", 20)]

    class Broken(Chip):
        def idf_heap_info(self, capability):
            raise RuntimeError("no such thing")

    assert grow_on(Broken()) is None

    # So many regions that the threads do not suffice: nothing grows by an unknown step.
    chip = Chip([60_000] * 12)
    assert grow_on(chip) is None
    assert chip.heap == 56_000 and sum(chip.regions) == 12 * 60_000

    # A heap that never grows: pieces are not allocated for ever.
    class Endless(Chip):
        def allocate(self, before):
            self.pieces.append(0)
            return [before]

    chip = Endless()
    assert grow_on(chip) is None
    assert sum(chip.regions) == 139_336


def test_growth_that_did_not_last_is_not_kept():
    chip = Chip()
    chip.drops_pieces = True
    assert grow_on(chip) is None
    assert chip.heap == 56_000


def test_config_switches_it_off():
    try:
        for text, grows in (
            ('{"grow_heap": false}', False),
            ('{"grow_heap":\n false, "interval_s": 5}', False),
            ('{"grow_heap": true}', True),
            ('{"sensors": [{"type": "user.x", "grow_heap": false}]}', True),
            ('{"grow_heap": 0}', True),  # the rules refuse that
            ("{", True),
            ("[]", False),  # an AttributeError is a failure like any: the boot says what is wrong
            ("", True),
        ):
            with open(CONFIG, "w") as file:
                file.write(text)
            chip = Chip()
            assert (grow_on(chip) is not None) is grows, text
    finally:
        os.remove(CONFIG)
