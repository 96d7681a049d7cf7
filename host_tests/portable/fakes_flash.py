"""A file system of its own for a test, and an outbox in it.

On MicroPython a littlefs on a strict NOR flash in RAM, on CPython and on a chip a folder.
"""

import os

from linkpost.storage import opening, segments
from linkpost.storage.outbox import Outbox

try:
    import vfs
    from power.nor import NorFlash
except ImportError:
    vfs = None
    try:
        import tempfile
    except ImportError:  # a chip: its RAM has no room for a flash, but it has a real one
        tempfile = None

_MOUNT = "/outbox_test"


def _remove(path):
    try:
        names = os.listdir(path)
    except OSError:
        names = ()
    for name in names:
        _remove(path + "/" + name)
    try:
        os.remove(path)  # on littlefs, of an empty folder too
    except OSError:
        pass


class Flash:
    """An empty file system for one test, and the outbox in it."""

    def __init__(self, blocks=128, max_bytes=65536):
        self.max_bytes = max_bytes
        self.ids = 0
        self.lines = []
        if vfs:
            flash = NorFlash(blocks)
            vfs.VfsLfs2.mkfs(flash, readsize=256, progsize=256, lookahead=256)
            vfs.mount(vfs.VfsLfs2(flash, readsize=256, progsize=256, lookahead=256), _MOUNT)
            self.root = _MOUNT
        elif tempfile:
            self.folder = tempfile.TemporaryDirectory()
            self.root = self.folder.name
        else:
            # Where the tests are told to write: a real board has files of its own.
            self.root = os.getcwd().rstrip("/") + _MOUNT
            _remove(self.root)
            os.mkdir(self.root)
        self.path = self.root + "/outbox"

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if vfs:
            vfs.umount(_MOUNT)
        elif tempfile:
            self.folder.cleanup()
        else:
            _remove(self.root)

    def open(self, max_bytes=0):
        return Outbox(self.path, max_bytes or self.max_bytes, self.random_bytes, self)

    def random_bytes(self, count):
        self.ids += 1
        return bytes([self.ids] * count)

    def warning(self, area, phrase, *pairs):
        self.lines.append((area, phrase) + pairs)

    def file(self, name):
        return self.path + "/" + name

    def read(self, name):
        with open(self.file(name), "rb") as file:
            return file.read()

    def write(self, name, data):
        with open(self.file(name), "wb") as file:
            file.write(data)

    def segments(self):
        return sorted([n for n in os.listdir(self.file("backlog")) if n[0] == "s" and len(n) == 9])

    def backlog_bytes(self):
        """Return what the segments take, in whole blocks."""
        sizes = [os.stat(self.file("backlog/" + name))[6] for name in self.segments()]
        return sum([(size + 4095) // 4096 * 4096 for size in sizes])


def quarantined_readings(outbox):
    """Return the readings that an outbox has quarantined and still keeps, oldest first."""
    return [
        outbox.reading(frame)
        for first, _ in opening.listed(outbox, "q")
        for _, frame in segments.frames(outbox.path_of(first, "q"))
    ]
