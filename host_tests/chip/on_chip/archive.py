# Typed at a board's raw REPL: modules in one compressed file (host_tests/shared/archive.py), as a
# file system to read. It keeps as little heap as it can, for the tests are to have it.
import sys

import deflate
import vfs


class Archive:
    def __init__(self, name):
        self._name = name
        with open(name, "rb") as file:
            self._index = file.read(int(file.read(6)))

    def mount(self, readonly, mkfs):
        pass

    def umount(self):
        pass

    def _place(self, path):
        path = path.encode()
        if b"\n" + path + b"/" in self._index:
            return 0
        at = self._index.find(b"\n" + path + b" ")
        if at < 0:
            raise OSError(2)
        at += len(path) + 2
        return int(self._index[at : at + 6])

    def stat(self, path):
        return (0x8000 if self._place(path) else 0x4000, 0, 0, 0, 0, 0, 0, 0, 0, 0)

    def open(self, path, mode):
        place = self._place(path)
        if not place or "w" in mode or "a" in mode or "+" in mode:
            raise OSError(30)
        file = open(self._name, "rb")  # noqa: SIM115  DeflateIO closes it
        file.seek(place)
        return deflate.DeflateIO(file, deflate.RAW, 9, True)

    def ilistdir(self, path):
        path = path.rstrip("/").encode() + b"/"
        names = set()
        for line in self._index.split(b"\n"):
            if line.startswith(path):
                name = line[len(path) :].split(b" ")[0]
                folder, slash, _ = name.partition(b"/")
                names.add((folder.decode(), 0x4000 if slash else 0x8000, 0))
        return iter(names)


def mount(name):
    # A file at the root: its modules come before all others.
    vfs.mount(Archive("/" + name), "/" + name + ".files")
    sys.path.insert(0, "/" + name + ".files")
