"""What the outbox costs on flash: erases and bytes a reading, flatness, opening, heap.

    micropython -X heapsize=32M wear.py [CHIP] [READINGS]

Runs under real MicroPython, with MICROPYPATH=firmware:host_tests/power:.frozen. Prints one JSON
line per figure, {"chip", "what", ...numbers}, for people and for the bench. A reading is the
largest that the budgets speak of: 119 bytes of JSON values, with a time.
"""

import gc
import json
import sys

import micropython
import vfs
from ledger import mount, unmount
from linkpost.storage.outbox import Outbox
from nor import BLOCK_BYTES, CHIPS, NorFlash

# The file systems of a 4 MB ESP32 and a Pico 2 W; a Pico W has 212 blocks, too few for 8,000.
_BLOCKS = {"esp32": 512, "rp2": 640}
_MAX_BYTES = 1_400_000
_START_MS = 1_700_000_000_000


class QuietFlash(NorFlash):
    """Allocates nothing itself, so that what is measured is the outbox's and the VFS's."""

    def readblocks(self, block, buffer, offset=0):
        self.reads += 1
        _copy(buffer, 0, self.image, block * BLOCK_BYTES + offset, len(buffer))

    def writeblocks(self, block, data, offset=0):
        self.programs += 1
        self.programmed_bytes += len(data)
        _copy(self.image, block * BLOCK_BYTES + offset, data, 0, len(data))


@micropython.viper
def _copy(target: ptr8, at: int, source: ptr8, start: int, length: int):  # noqa: F821
    for i in range(length):
        target[at + i] = source[start + i]


def reading(i):
    """Return values whose JSON is 119 bytes long."""
    values = {
        "temperature": 20 + i % 80 * 0.25,
        "humidity": 40 + i % 50 * 0.5,
        "pressure": 99000 + i % 900,
        "battery_mv": 3300 + i % 500,
        "door": i % 2 == 0,
        "note": "",
    }
    compact = json.dumps(values).replace(", ", ",").replace(": ", ":")
    values["note"] = "x" * (119 - len(compact))
    return values


class Bench:
    """A flash with an outbox, and counted calls to it."""

    def __init__(self, chip):
        self.chip = chip
        self.chip_bytes = CHIPS[chip]
        self.flash = QuietFlash(_BLOCKS[chip])
        vfs.VfsLfs2.mkfs(self.flash, readsize=self.chip_bytes, progsize=self.chip_bytes)
        self.boot()

    def boot(self):
        """Mount and open. Returns the block reads that opening took."""
        mount(self.flash, self.chip_bytes)
        self.flash.reset_counts()
        self.outbox = Outbox("outbox", _MAX_BYTES, lambda count: b"\x9f\x2c\x41\xaa"[:count])
        return self.flash.reads

    def reboot(self):
        unmount()
        return self.boot()

    def append(self):
        seq = self.outbox.next_seq
        self.outbox.append(reading(seq), _START_MS + seq * 60_000)

    def drain(self, count=1):
        """Read the oldest, and acknowledge that many."""
        self.outbox.acknowledge(self.outbox.oldest()[0] + count - 1)

    def accept(self):
        self.append()
        self.drain()

    def print(self, what, **numbers):
        line = {"chip": self.chip, "what": what}
        line.update(numbers)
        print(json.dumps(line))

    def wear(self, what, count, work):
        """Print the mean wear of `count` calls, a reading each."""
        flash = self.flash
        flash.reset_counts()
        for _ in range(count):
            work()
        self.print(
            what,
            readings=count,
            erases=round(flash.erases / count, 3),
            programmed_bytes=round(flash.programmed_bytes / count),
        )

    def operations(self, work):
        """Return (block reads, programs and erases) of one call, as a mean of 48."""
        flash = self.flash
        flash.reset_counts()
        for _ in range(48):
            work()
        return [flash.reads // 48, round((flash.programs + flash.erases) / 48, 1)]


def heap_of(work):
    """Return the bytes that a call allocates, garbage included."""
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    work()
    used = gc.mem_alloc() - before
    gc.enable()
    return used


def measure(chip, readings):
    bench = Bench(chip)
    for _ in range(100):
        bench.accept()
    bench.wear("accepted at once", readings, bench.accept)
    measure_heap(bench)
    bench.wear("outage", readings, bench.append)
    bench.wear("drained one a request", readings // 2, bench.drain)
    bench.drain(bench.outbox.pending)
    for waiting in (1, 1000, 8000):
        while bench.outbox.pending < waiting:
            bench.append()
        bench.print(
            "one call: block reads, programs and erases",
            waiting=waiting,
            append=bench.operations(bench.append),
            oldest_and_acknowledge=bench.operations(bench.drain),
        )
        bench.outbox.sync()
        bench.print("opening after a clean stop", waiting=waiting, block_reads=bench.reboot())
        for _ in range(30):
            bench.append()
        bench.print("opening after a power cut", waiting=waiting, block_reads=bench.reboot())
        bench.drain(30)
    bench.print("dropped", count=bench.outbox.dropped)
    unmount()


def measure_heap(bench):
    values = reading(1)
    outbox = bench.outbox
    appends = [heap_of(lambda: outbox.append(values, _START_MS)) for _ in range(60)]
    path = "outbox/r0/a"

    def open_a_file():
        with open(path, "rb"):
            pass

    bench.print(
        "heap of one append, 64-bit objects",
        bytes=min(appends),
        of_them_the_file=heap_of(open_a_file),
        bytes_when_slots_move=max(appends),
    )
    bench.drain(60)


if __name__ == "__main__":
    chips = [name for name in sys.argv[1:] if name in CHIPS] or sorted(CHIPS)
    counts = [int(name) for name in sys.argv[1:] if name not in CHIPS] or [3000]
    for name in chips:
        measure(name, counts[0])
