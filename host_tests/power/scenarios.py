"""What is done to the outbox while the power is cut. Each scenario: (prepare, act, options).

`prepare` brings the flash to where it gets interesting; `act` runs with every flash operation
remembered, and then cut. They get a Life. Options: `blocks` of the flash, `max_bytes` of the
outbox, `fill`: how many blocks another file leaves free.
"""

import os


def _appended(count, timed=True):
    def prepare(life):
        for _ in range(count):
            life.append(timed)

    return prepare


def _accepted(count):
    def prepare(life):
        for _ in range(count):
            life.append()
            life.acknowledge_oldest()

    return prepare


def _append(life):
    for _ in range(4):
        life.append()


def _append_and_accept(life):
    # So many that the log of each folder is full once, and copied to another block.
    for _ in range(40):
        life.append()
        life.acknowledge_oldest()


def _drain(life):
    # 7 a request; the last request ends it.
    while life.outbox.pending:
        life.acknowledge_oldest(7)


def _drain_singly(life):
    for _ in range(6):
        life.acknowledge_oldest()
    life.append()
    life.acknowledge_oldest()


def _to_the_last_of_a_segment(life):
    _appended(70)(life)
    life.acknowledge_oldest(42)


def _sync(life):
    for _ in range(3):
        life.acknowledge_oldest()
        life.sync()
        life.append()


def _until_full(life):
    while life.outbox.dropped == 0:
        life.append()
    _appended(20)(life)


def _drop(life):
    # A drop comes with a move of all slots: SLOTS appends or less away.
    dropped = life.outbox.dropped
    for _ in range(60):
        life.append()
        if life.outbox.dropped > dropped:
            return
    raise AssertionError("nothing was dropped")


def _quarantine(life):
    for _ in range(3):
        life.quarantine_oldest()
    life.acknowledge_oldest()
    life.quarantine_oldest()
    life.append()


def _quarantine_full(life):
    for _ in range(90):
        life.append()
        life.quarantine_oldest()
    _appended(40)(life)
    # On to where two files are there, and the next reading needs a third.
    while True:
        names = sorted([name for name in os.listdir("outbox/backlog") if name[0] == "q"])
        if len(names) == 2 and os.stat("outbox/backlog/" + names[1])[6] + 80 > 4096:
            return
        life.quarantine_oldest()
        life.append()


def _set_time(life):
    life.set_time()
    life.append()
    life.acknowledge_oldest()


def _token(life):
    # 32 hex digits as on the vendor's page, and 192 as in the SDKs: not inline on esp32.
    for length in (32, 192, 192, 32):
        life.save_token("%x" % (length + life.outbox.next_seq) * (length // 2))
        life.append()


def _outage(life):
    # All of it in a row: an outage of 30 readings, and the end of it.
    for _ in range(4):
        life.append()
        life.acknowledge_oldest()
    for _ in range(30):
        life.append()
    while life.outbox.pending > 5:
        life.acknowledge_oldest(10)
        life.append()
    life.sync()


def _random(seed, steps):
    """Do anything in any order, the same at each run."""

    def act(life):
        state = seed
        for _ in range(steps):
            state = (state * 1103515245 + 12345) & 0x7FFFFFFF
            choice = state >> 16 & 31
            outbox = life.outbox
            if choice < 16 or not outbox.pending:
                # In a row, so that slots move to segments now and then.
                for _ in range(1 + choice % 4 * 4):
                    life.append(choice % 3 > 0, extra=choice * 5)
            elif choice < 22:
                life.acknowledge_oldest(1 + (state >> 21) % 30)
            elif choice < 26:
                life.quarantine_oldest()
            elif choice < 28:
                life.sync()
            elif choice < 29:
                life.set_time()
            else:
                life.acknowledge_oldest(outbox.pending)

    return act


SCENARIOS = {
    "first boot": (None, _append, {}),
    "append": (_accepted(80), _append_and_accept, {}),
    "slots to a first segment": (_appended(22), _append, {}),
    "slots to a segment": (_appended(46), _append, {}),
    "slots to a new segment": (_appended(70), _append, {}),
    "acknowledge": (_appended(60), _drain, {}),
    "acknowledge singly": (_appended(30), _drain_singly, {}),
    "segment removal": (_to_the_last_of_a_segment, _drain_singly, {}),
    "cursor": (_appended(8), _sync, {}),
    "drop oldest": (_until_full, _drop, {"max_bytes": 16384}),
    "flash full": (_until_full, _drop, {"fill": 22}),
    "quarantine": (_appended(30), _quarantine, {}),
    "quarantine full": (_quarantine_full, _quarantine, {}),
    "set time": (_appended(5, False), _set_time, {}),
    "token": (_appended(3), _token, {}),
    "anything": (_random(1, 30), _random(2, 15), {}),
    "anything in little room": (_random(3, 60), _random(4, 8), {"max_bytes": 16384}),
    "outage": (_accepted(30), _outage, {}),
}
