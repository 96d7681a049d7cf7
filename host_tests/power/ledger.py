"""What the outbox has promised, and whether an outbox opened after a cut keeps it.

A scenario calls the outbox through a `Life`, which writes each call into the ledger before it is
made and again when it has returned. A cut falls between two flash operations; the events noted by
then say what had been promised, and which call was under way: that one may have happened or not.
"""

import os

# Loaded later, when the root is the board's flash and this file system is out of reach.
import linkpost.storage.growing  # noqa: F401
import vfs
from linkpost.storage import opening, segments
from linkpost.storage.outbox import Outbox
from linkpost.storage.tokens import TokenStore

ROOT = "/flash"
_BOOT_MS = 1_700_000_000_000
_OPEN = 2  # a life's first two events: it opens the outbox, the outbox is open


class Broken(Exception):
    """A promise was not kept."""


def check(condition, what):
    if not condition:
        raise Broken(what)


class Model:
    """The state that a ledger's events add up to.

    promised: {seq: (Unix ms or None, values)}, of all that `append` returned; gone: those of them
    that were accepted or quarantined; acked: up to where; safe: up to where none may come again.
    """

    def __init__(self):
        self.promised = {}
        self.gone = set()
        self.top = self.acked = self.safe = self.dropped = self.quarantined = 0
        self.quarantined_readings = []
        self.stream = self.token = None
        self.boot_time = None
        self.under_way = None

    def copy(self):
        twin = Model()
        for name in ("top", "acked", "safe", "dropped", "quarantined"):
            setattr(twin, name, getattr(self, name))
        for name in ("stream", "token", "boot_time"):
            setattr(twin, name, getattr(self, name))
        twin.promised = self.promised.copy()
        twin.gone = self.gone.copy()
        twin.quarantined_readings = list(self.quarantined_readings)
        return twin

    def apply(self, event):
        """Take one event: (call, arguments, ...) before a call, (None, result) after it."""
        if event[0] is not None:
            self.under_way = event
            return
        call = self.under_way
        self.under_way = None
        if call[0] == "open":
            self.stream = event[1]
        elif call[0] == "append":
            self.promised[call[1]] = (call[2], call[3])
            self.top = call[1]
            self.safe = self.acked
        elif call[0] == "acknowledge":
            self.safe = self.acked
            self.acked = call[1]
            self.gone.update(call[2])
        elif call[0] == "sync":
            self.safe = self.acked
        elif call[0] == "quarantine":
            self.safe = self.acked = call[1]
            self.gone.add(call[1])
            self.quarantined += 1
            self.quarantined_readings.append((call[1],) + self.promised[call[1]])
        elif call[0] == "set_time":
            self.boot_time = call[1]
        elif call[0] == "save_token":
            self.token = call[1]


class Life:
    """One boot: a mounted flash and an open outbox.

    `before` is what held before it; `model`, what the outbox stood for when it was open: the same,
    or what `verify` found.
    """

    def __init__(self, flash, chip_bytes, max_bytes, before=None):
        self.flash = flash
        self.events = []
        self.before = before or Model()
        self.model = None
        mount(flash, chip_bytes)
        self._note("open")
        self.outbox = Outbox("outbox", max_bytes, _random_bytes)
        self._done(self.outbox.stream)

    def end(self):
        unmount()

    def _note(self, *call):
        self.events.append(call)
        self.flash.mark = len(self.events)

    def _done(self, result=None):
        self._note(None, result)

    def model_at(self, mark):
        """Return what had been promised when that many events were noted."""
        if mark < _OPEN and self.model:
            return self.before
        model = (self.model or self.before).copy()
        for event in self.events[_OPEN if self.model else 0 : mark]:
            model.apply(event)
        return model

    def append(self, timed=True, extra=0):
        seq = self.outbox.next_seq
        values = {"n": seq, "t": seq * 0.25, "door": seq % 2 == 0, "text": "x" * (40 + extra)}
        unix_ms = _BOOT_MS + seq * 1000 if timed else None
        self._note("append", seq, unix_ms, values)
        got = self.outbox.append(values, unix_ms, seq * 1000)
        check(got == seq, "append gave %d, not %d" % (got, seq))
        self._done()

    def acknowledge_oldest(self, count=1):
        """Acknowledge what one request with that many readings would have brought."""
        seqs = []
        for reading in self.outbox.readings():
            seqs.append(reading[0])
            if len(seqs) == count:
                break
        self._note("acknowledge", seqs[-1], seqs)
        self.outbox.acknowledge(seqs[-1])
        self._done()

    def quarantine_oldest(self):
        seq = self.outbox.oldest()[0]
        self._note("quarantine", seq)
        self.outbox.quarantine(seq)
        self._done()

    def set_time(self):
        self._note("set_time", _BOOT_MS)
        self.outbox.set_time(_BOOT_MS)
        self._done()

    def save_token(self, token):
        self._note("save_token", token)
        token_store().save(token)
        self._done()

    def sync(self):
        self._note("sync")
        self.outbox.sync()
        self._done()


_ids = 0


def _random_bytes(count):
    # Never the same twice, so that a stream which was made anew is noticed.
    global _ids
    _ids += 1
    return bytes([_ids >> 8 * i & 255 for i in range(count)])


def token_store():
    return TokenStore("token", ("a1GFjLP1234", "device123", "secret", "localhost:8443"))


def mount(flash, chip_bytes):
    vfs.mount(file_system(flash, chip_bytes), ROOT)
    os.chdir(ROOT)


def unmount():
    os.chdir("/")
    vfs.umount(ROOT)


def file_system(flash, chip_bytes):
    return vfs.VfsLfs2(flash, readsize=chip_bytes, progsize=chip_bytes, lookahead=chip_bytes)


def check_reading(reading, wanted, model):
    """Compare a reading with (Unix ms or None, values) as they were stored."""
    seq, unix_ms, values = reading
    wanted_ms, wanted_values = wanted
    check(values == wanted_values, "seq %d holds %s, not %s" % (seq, values, wanted_values))
    if wanted_ms is None:
        # Stored before the clock was right.
        filled = _BOOT_MS + seq * 1000
        allowed = [filled]
        if not model.boot_time:
            allowed = [None, filled] if (model.under_way or ("",))[0] == "set_time" else [None]
    else:
        allowed = [wanted_ms]
    check(unix_ms in allowed, "seq %d has the time %s, not %s" % (seq, unix_ms, allowed))


def verify(outbox, model):
    """Compare an outbox just opened with what was promised. Returns the model it now stands for.

    Raises: Broken.
    """
    call = model.under_way or ("",)
    readings = dict(model.promised)
    top = model.top
    gone = model.gone
    if call[0] == "append":
        readings[call[1]] = (call[2], call[3])
        top = call[1]
    elif call[0] == "acknowledge":
        gone = gone | set(call[2])
    elif call[0] == "quarantine":
        gone = gone | {call[1]}
    waiting = list(outbox.readings())
    seqs = [reading[0] for reading in waiting]
    check(seqs == sorted(set(seqs)), "not in order: %s" % seqs)
    for reading in waiting:
        check(reading[0] in readings, "seq %d was never stored" % reading[0])
        check_reading(reading, readings[reading[0]], model)
    missing = [seq for seq in model.promised if seq not in gone and seq not in seqs]
    if missing and seqs:
        check(max(missing) < seqs[0], "lost from the middle: %s" % missing)
    dropped = outbox.dropped - model.dropped
    check(dropped == len(missing), "missing %s, counted as dropped %d" % (missing, dropped))
    again = [seq for seq in seqs if seq <= model.safe]
    check(not again, "sent again though it was safe: %s" % again)
    check(
        model.top < outbox.next_seq <= top + 1,
        "next is %d, the highest stored %d" % (outbox.next_seq, model.top),
    )
    check(outbox.pending == len(waiting), "pending %d of %d" % (outbox.pending, len(waiting)))
    check(model.stream in (None, outbox.stream), "the stream's id changed")
    if waiting:
        check(outbox.oldest() == waiting[0], "oldest is %s" % (outbox.oldest(),))
        check(outbox.newest() == waiting[-1], "newest is %s" % (outbox.newest(),))
    quarantined = [
        outbox.reading(frame)
        for first, _ in opening.listed(outbox, "q")
        for _, frame in segments.frames(outbox.path_of(first, "q"))
    ]
    quarantined_seqs = [reading[0] for reading in quarantined]
    if call[0] == "quarantine":
        check(call[1] in seqs + quarantined_seqs, "%d neither waits nor was quarantined" % call[1])
    ordered = quarantined_seqs == sorted(set(quarantined_seqs))
    check(ordered, "quarantined twice: %s" % quarantined_seqs)
    # The older ones may have gone; no scenario has more than 250 bytes a reading.
    for seq, unix_ms, values in model.quarantined_readings[-15:]:
        check(seq in quarantined_seqs, "%d was quarantined and is gone" % seq)
        check_reading(quarantined[quarantined_seqs.index(seq)], (unix_ms, values), model)
    counts = (model.quarantined, model.quarantined + (call[0] == "quarantine"))
    check(outbox.quarantined in counts, "quarantined is %d" % outbox.quarantined)
    token = token_store().load()
    tokens = (model.token, call[1]) if call[0] == "save_token" else (model.token,)
    check(token in tokens, "the token is %s, not one of %s" % (token, tokens))

    now = Model()
    now.promised = {seq: (unix_ms, values) for seq, unix_ms, values in waiting}
    now.top = outbox.next_seq - 1
    now.acked = now.safe = now.top - outbox.pending
    now.dropped = outbox.dropped
    now.quarantined = outbox.quarantined
    now.quarantined_readings = quarantined
    now.stream = outbox.stream
    now.token = token
    return now
