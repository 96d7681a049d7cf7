"""What the outbox costs on flash: erases and bytes a reading, flatness, opening, heap.

    MICROPYPATH=firmware:host_tests/power:.frozen micropython -X heapsize=32M wear.py [CHIP]

Runs under real MicroPython. Prints one JSON line per figure: {"chip", "what", ...numbers}, for
people and for the bench. A reading is the largest of the budget: 119 bytes of JSON values.
"""

import gc
import json
import os
import sys

import vfs
from ledger import mount, unmount
from linkpost.storage.outbox import Outbox
from nor import CHIPS, NorFlash

# A 4 MB ESP32's file system has 512 blocks, a Pico W's 212. The backlog of 8,000 needs a larger
# flash than a Pico W's: its settings, on a Pico 2 W's 640 blocks.
_BLOCKS = {"esp32": 512, "rp2": 640}
_MAX_BYTES = 1_400_000
_START_MS = 1_700_000_000_000


def reading(i):
    """Return values whose JSON is 119 bytes long."""
    values = {
        "temperature": 20 + i % 80 * 0.25,
        "humidity": 40 + i % 50 * 0.5,
        "pressure": 99000 + i % 900,
        "battery_mv": 3300 + i % 500,
        "door": i % 2 == 0,
    }
    values["note"] = ""
    values["note"] = "x" * (119 - len(json.dumps(values).replace(", ", ",").replace(": ", ":")))
    return values


class Bench:
    def __init__(self, chip):
        self.chip = chip
        self.chip_bytes = CHIPS[chip]
        self.flash = NorFlash(_BLOCKS[chip])
        vfs.VfsLfs2.mkfs(self.flash, readsize=self.chip_bytes, progsize=self.chip_bytes)
        self.seq = 0
        self.boot()

    def boot(self):
        mount(self.flash, self.chip_bytes)
        self.flash.reset_counts()
        self.outbox = Outbox("outbox", _MAX_BYTES, lambda count: b"\x9f\x2c\x41\xaa"[:count])

    def end(self):
        unmount()

    def append(self):
        seq = self.outbox.append(reading(self.seq), _START_MS + self.seq * 60_000)
        self.seq += 1
        return seq

    def print(self, what, **numbers):
        line = {"chip": self.chip, "what": what}
        line.update(numbers)
        print(json.dumps(line))

    def wear(self, what, count, work):
        self.flash.reset_counts()
        for _ in range(count):
            work()
        self.print(
            what,
            readings=count,
            erases=round(self.flash.erases / count, 3),
            programmed_bytes=round(self.flash.programmed_bytes / count),
            programs=round(self.flash.programs / count, 2),
        )

    def operations(self, work):
        """Return (block reads, programs and erases) of one call, as a mean of 48."""
        self.flash.reset_counts()
        for _ in range(48):
            work()
        flash = self.flash
        return [flash.reads // 48, round((flash.programs + flash.erases) / 48, 1)]


def accepted_at_once(bench):
    bench.outbox.acknowledge(bench.append())


def heap_of(work):
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    work()
    used = gc.mem_alloc() - before
    gc.enable()
    return used


def run(chip):
    bench = Bench(chip)
    for _ in range(100):
        accepted_at_once(bench)
    bench.wear("accepted at once", 3000, lambda: accepted_at_once(bench))
    heaps = [heap_of(bench.append) for _ in range(1)]
    bench.outbox.acknowledge(bench.outbox.next_seq - 1)
    bench.print("heap of one append, 64-bit objects", bytes=heaps[0])
    bench.wear("outage", 3000, bench.append)
    while bench.outbox.pending > 2900:
        bench.outbox.acknowledge(bench.outbox.oldest()[0])
    drained = 2000
    bench.wear("drained one a request", drained, lambda: drain(bench, 1))
    drain(bench, bench.outbox.pending)
    for waiting in (1, 1000, 8000):
        while bench.outbox.pending < waiting:
            bench.append()
        bench.outbox.sync()
        appended = bench.operations(bench.append)
        acknowledged = bench.operations(lambda: drain(bench, 1))
        bench.print(
            "one call: block reads, programs and erases",
            waiting=waiting,
            append=appended,
            oldest_and_acknowledge=acknowledged,
        )
        for how in ("clean stop", "power cut"):
            if how == "clean stop":
                bench.outbox.sync()
            else:
                for _ in range(30):
                    bench.append()
            bench.end()
            bench.boot()
            opening = bench.flash.reads
            bench.outbox.oldest()
            bench.print(
                "opening",
                after=how,
                waiting=bench.outbox.pending,
                block_reads=opening,
                block_reads_with_first_reading=bench.flash.reads,
            )
    names = os.listdir("outbox/ring") + os.listdir("outbox/backlog")
    bench.print("files", count=len(names), dropped=bench.outbox.dropped)
    bench.end()


def drain(bench, count):
    outbox = bench.outbox
    if count == 1:
        outbox.acknowledge(outbox.oldest()[0])
    else:
        outbox.acknowledge(outbox.oldest()[0] + count - 1)


for name in sys.argv[1:] or sorted(CHIPS):
    run(name)
