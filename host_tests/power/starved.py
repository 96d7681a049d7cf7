"""Out of memory at every allocation of every call to the outbox; runs under real MicroPython.

    micropython -X heapsize=4M starved.py CALL [STEP]

The heap is filled but for a number of bytes in one piece, and nothing is collected meanwhile; with
STEP (32: one block) more of them each time the call is tried again on the same flash, until it
succeeds. So each of its allocations is the one that fails, those included that loading a module
takes. After each try the outbox that was called, and one opened from its flash, must keep all that
was promised, and go on. The last line is `tries TRIES out of memory FAILED lost LOST`.
"""

import gc
import sys

import vfs
from ledger import Life, check, unmount, verify
from linkpost.storage.outbox import SLOTS, Outbox
from nor import CHIPS, NorFlash
from scenarios import _accepted, _appended, _until_full
from wear import QuietFlash

# Loaded by the outbox itself here.
_RARE = ("opening", "segments", "growing")
_BLOCKS = 64
_BLOCK = 32  # of a heap whose words have 64 bits
_SUCCESSES = 4


def _next(outbox):
    seq = outbox.next_seq
    values = {"n": seq, "t": seq * 0.25, "door": True, "text": "x" * 40}
    return values, 1_700_000_000_000 + seq * 1000, seq * 1000


def _let_go(count):
    def prepare(life):
        _appended(60)(life)
        life.acknowledge_oldest(count)

    return prepare


def _before_a_drop(life):
    _until_full(life)
    while not _drops_next(life.outbox):
        life.append()


def _drops_next(outbox):
    # All slots move to the last segment, and it has no room for them.
    slots = range(outbox.next_seq - SLOTS, outbox.next_seq)
    size = sum([len(outbox.read_slot(seq)) for seq in slots])
    return slots[0] > outbox.last_in_segments and outbox.segments[-1][1] + size > 4096


# What is called: (prepare, its name in the ledger, its arguments from the outbox, max_bytes).
CALLS = {
    "append": (_accepted(5), "append", 65536),
    "append to a first segment": (_appended(24), "append", 65536),
    "append to a segment": (_appended(48), "append", 65536),
    "append and drop": (_before_a_drop, "append", 16384),
    "oldest in a slot": (_appended(5), "oldest", 65536),
    "oldest with a long text": (lambda life: life.append(extra=1500), "oldest", 65536),
    "oldest in a segment": (_appended(60), "oldest", 65536),
    "newest": (_appended(60), "newest", 65536),
    "readings": (_appended(30), "readings", 65536),
    "acknowledge": (_appended(5), "acknowledge", 65536),
    "acknowledge a segment": (_let_go(47), "acknowledge", 65536),
    "quarantine": (_appended(60), "quarantine", 65536),
    "sync": (_appended(5), "sync", 65536),
    "open": (_let_go(3), "open", 65536),
}


def call(life, name):
    """Note a call in the ledger; return what makes it."""
    outbox = life.outbox
    if name == "append":
        values, unix_ms, uptime_ms = _next(outbox)
        life._note("append", outbox.next_seq, unix_ms, values)
        return lambda: outbox.append(values, unix_ms, uptime_ms)
    if name in ("acknowledge", "quarantine"):
        seq = outbox.oldest()[0]
        life._note(name, seq, [seq])
        return lambda: getattr(outbox, name)(seq)
    if name == "sync":
        life._note("sync")
        return outbox.sync
    if name == "readings":
        return lambda: [None for _ in outbox.readings()]
    if name == "open":
        return lambda: Outbox("outbox", 65536, lambda count: b"\1\2\3\4")
    reading = getattr(outbox, name)
    return lambda: check("error" not in reading()[2], "no memory is taken for damage")


def starved(work, free):
    """Call `work` with that many bytes of heap; return whether they were enough."""
    gc.collect()
    spare = bytearray(free)
    chain = None
    for size in (65536, 4096, 512, 0):
        try:
            while True:
                chain = (chain, bytearray(size) if size else 0)
        except MemoryError:
            pass
    del spare
    gc.collect()
    gc.disable()
    try:
        work()
        return True
    except MemoryError:
        return False
    finally:
        del chain
        gc.enable()
        gc.collect()


def quiet(image):
    flash = QuietFlash(0)
    flash.image = image
    return flash


def run(name, chip, step):
    prepare, method, max_bytes = CALLS[name]
    chip_bytes = CHIPS[chip]
    flash = NorFlash(_BLOCKS)
    vfs.VfsLfs2.mkfs(flash, readsize=chip_bytes, progsize=chip_bytes)
    life = Life(flash, chip_bytes, max_bytes)
    prepare(life)
    life.end()
    before = life.model_at(len(life.events))
    saved = bytes(flash.image)
    image = flash.image
    tries = failed = lost = successes = 0
    while successes < _SUCCESSES:
        image[:] = saved
        for rare in _RARE:
            sys.modules.pop("linkpost.storage." + rare, None)
        life = Life(quiet(image), chip_bytes, max_bytes, before)
        try:
            life.model = verify(life.outbox, before)
            life.outbox.ahead = b""  # it looks into the file
            work = call(life, method)
            enough = starved(work, tries * step)
            if enough and method not in ("oldest", "newest", "readings", "open"):
                life._done()
            tries += 1
            failed += not enough
            successes = successes + 1 if enough else 0
            for rare in _RARE:
                if "linkpost.storage." + rare in sys.modules:
                    raise ValueError(rare + " stays loaded")
            life.model = verify(life.outbox, life.model_at(len(life.events)))
            del life.events[2:]
            life.append()
            life.acknowledge_oldest(2)
            life.sync()
            life.end()
            again = Life(quiet(image), chip_bytes, max_bytes)
            verify(again.outbox, life.model_at(len(life.events)))
        except Exception as error:
            lost += 1
            print("FAILED %s %s with %d bytes" % (name, chip, (tries - 1) * step))
            sys.print_exception(error)
            if lost == 3:
                break
        finally:
            unmount()
    print("tries %d out of memory %d lost %d" % (tries, failed, lost))
    return lost


if __name__ == "__main__":
    lost_count = run(sys.argv[1], "rp2", int((sys.argv[2:] or ["32"])[0]))
    sys.exit(1 if lost_count else 0)
