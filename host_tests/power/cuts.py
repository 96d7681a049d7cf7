"""Cuts the power at every flash operation of a scenario; runs under real MicroPython.

    micropython cuts.py SCENARIO CHIP SECOND [FIRST:HOW[,SECOND:HOW]]

SECOND: how many first cuts get second ones during their recovery, evenly spread: 0 none, -1 all.
A schedule replays one cut, or one pair, with a traceback. The last line is
`cut SINGLE PAIRS operations OPS lost LOST`; each failure prints the schedule that replays it.
"""

import gc
import os
import sys

import vfs
from ledger import ROOT, Life, mount, unmount, verify
from nor import BLOCK_BYTES, CHIPS, NorFlash, apply
from scenarios import SCENARIOS

_BLOCKS = 64
_MAX_BYTES = 65536
_REPORTS = 5  # failures told of in full; the rest are counted


class Case:
    """One scenario on one chip: its flash at the start, and its journal."""

    def __init__(self, name, chip):
        prepare, act, options = SCENARIOS[name]
        self.chip_bytes = CHIPS[chip]
        self.max_bytes = options.get("max_bytes", _MAX_BYTES)
        flash = NorFlash(_BLOCKS)
        vfs.VfsLfs2.mkfs(flash, readsize=self.chip_bytes, progsize=self.chip_bytes)
        if "fill" in options:
            mount(flash, self.chip_bytes)
            with open("filler", "wb") as file:
                free = os.statvfs(ROOT)[3] - options["fill"]
                for _ in range(free):
                    file.write(b"f" * BLOCK_BYTES)
            unmount()
        # The life that is cut goes on from what it was prepared to; without that, it boots.
        if prepare is None:
            self.image = bytes(flash.image)
            flash.journal = []
        self.life = life = Life(flash, self.chip_bytes, self.max_bytes)
        if prepare:
            prepare(life)
            self.image = bytes(flash.image)
            flash.journal = []
        act(life)
        life.end()
        self.journal = flash.journal
        self.image_buffer = bytearray(len(self.image))
        self.second_image = bytearray(len(self.image))

    def flash_at(self, image, journal, number, how):
        """Return the flash as a cut left it: before operation `number`, or half-way through it.

        After an operation it is as before the next one; before the one behind the last is the end.
        """
        for operation in journal[:number]:
            apply(image, operation)
        if how == "half":
            apply(image, journal[number], half=True)
        return image

    def recover(self, image, model, journal=None):
        """Boot on that flash, compare, and go on. Returns the life."""
        flash = NorFlash(image=image, journal=journal)
        life = Life(flash, self.chip_bytes, self.max_bytes, model)
        try:
            life.model = verify(life.outbox, model)
            # What can be read must also go on: store, let go, stop in order.
            life.append()
            life.acknowledge_oldest(2)
            life.sync()
        finally:
            life.end()
        return life

    def check(self, image, model):
        """Boot on that flash and compare, only."""
        life = Life(NorFlash(image=image), self.chip_bytes, self.max_bytes)
        try:
            verify(life.outbox, model)
        finally:
            life.end()


def positions(count):
    """Yield every cut of that many operations, (number, how)."""
    for number in range(count):
        yield number, "before"
        yield number, "half"
    yield count, "before"


def model_of(life, journal, number):
    """Return what a life had promised when operation `number` of its journal began."""
    end = len(life.events)
    return life.model_at(journal[number][3] if number < len(journal) else end)


def run(name, chip, second):
    case = Case(name, chip)
    cuts = list(positions(len(case.journal)))
    step = 0 if second == 0 else 1 if second < 0 else max(1, len(cuts) // second)
    singles = pairs = lost = 0
    live = bytearray(case.image)
    done = 0
    for index, (number, how) in enumerate(cuts):
        while done < number:
            apply(live, case.journal[done])
            done += 1
        image = case.image_buffer
        image[:] = live
        if how == "half":
            apply(image, case.journal[number], half=True)
        model = model_of(case.life, case.journal, number)
        journal = None
        if step and index % step == step // 2:
            journal = []
            cut_image = bytes(image)
        singles += 1
        try:
            life = case.recover(image, model, journal)
            case.check(image, life.model_at(len(life.events)))
        except Exception as error:
            lost += 1
            report(name, chip, "%d:%s" % (number, how), error, lost)
            continue
        if journal is None:
            continue
        for again, again_how in positions(len(journal)):
            image = case.second_image
            image[:] = cut_image
            case.flash_at(image, journal, again, again_how)
            pairs += 1
            model = model_of(life, journal, again)
            try:
                case.check(image, model)
            except Exception as error:
                lost += 1
                schedule = "%d:%s,%d:%s" % (number, how, again, again_how)
                report(name, chip, schedule, error, lost)
        gc.collect()
    print("cut %d %d operations %d lost %d" % (singles, pairs, len(case.journal), lost))
    return lost


def report(name, chip, schedule, error, lost):
    if lost > _REPORTS:
        return
    print('FAILED replay with: run.py --replay "%s" %s %s' % (name, chip, schedule))
    print("  %s: %s" % (type(error).__name__, error))


def replay(name, chip, schedule):
    case = Case(name, chip)
    cuts = [cut.split(":") for cut in schedule.split(",")]
    number, how = int(cuts[0][0]), cuts[0][1]
    image = case.flash_at(bytearray(case.image), case.journal, number, how)
    model = model_of(case.life, case.journal, number)
    print("under way at the cut:", model.under_way)
    cut_image = bytes(image)
    journal = []
    life = case.recover(image, model, journal)
    if len(cuts) == 1:
        case.check(image, life.model_at(len(life.events)))
    else:
        number, how = int(cuts[1][0]), cuts[1][1]
        image = case.flash_at(bytearray(cut_image), journal, number, how)
        model = model_of(life, journal, number)
        print("under way at the second cut:", model.under_way)
        case.check(image, model)
    print("nothing lost")


def main(arguments):
    if len(arguments) == 4:
        replay(arguments[0], arguments[1], arguments[3])
        return 0
    return 1 if run(arguments[0], arguments[1], int(arguments[2])) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
