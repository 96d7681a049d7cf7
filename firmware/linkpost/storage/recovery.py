"""Opening: from what lies on flash to the highest seq and the acknowledged position."""

from .ring import SLOTS


def recover(ring, segments, position) -> bool:
    """Set position.next_seq and position.acked by what is there.

    Returns: False where some readings may be missing whose seqs cannot be known: the stream then
        needs a new id, and all that can be read waits.
    """
    wanted = position.next_seq
    next_seq = wanted
    sure = position.acked < wanted
    # A cursor that is as new as the ring, after a clean stop, is all: its last reading is there.
    if not position.found or ring.load(wanted - 1) < wanted - 1:
        highest = broken = 0
        for slot in range(SLOTS):
            found = ring.load(slot)
            highest = max(highest, found)
            broken += found < 0
        if highest == 0 and (wanted > 1 or broken or segments.firsts):
            sure = False
        next_seq = max(highest, segments.last_seq) + 1
    # The ring goes on for as long as slots hold what can only be newer. One that cannot be read
    # counts as newer: its seq may have been used.
    unreadable = []
    while len(unreadable) < SLOTS:
        found = ring.load(next_seq)
        if found >= next_seq:
            next_seq = found
            unreadable = []
        elif found >= 0:
            break
        else:
            unreadable.append(next_seq)
        next_seq += 1
    if wanted > next_seq:
        # The cursor knows of readings that cannot be found: the newest ones, lost to damage, or
        # so many that it cannot be believed.
        if wanted - next_seq > SLOTS:
            sure = False
        else:
            next_seq = wanted
    # A seq below the oldest present never waits. Nothing is inferred from the ring where there
    # are segments: a slot that cannot be read would make it look further on than it is.
    oldest = segments.firsts[0] if segments.firsts else next_seq - SLOTS
    position.next_seq = next_seq
    position.acked = max(position.acked if sure else 0, ring.acked, oldest - 1)
    if unreadable and position.write():
        # Passed over once, and not at each boot again.
        for seq in unreadable:
            ring.remove(seq)
    return sure
