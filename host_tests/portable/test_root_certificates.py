"""The trust anchors on flash: their order, and the one that is remembered."""

import os

from linkpost.storage import files

FOLDER = "test_anchors_tmp"


class Flash:
    """A folder with these files in it as the current one."""

    def __init__(self, **files):
        self._files = files

    def __enter__(self):
        self._home = os.getcwd()
        os.mkdir(FOLDER)
        os.chdir(FOLDER)
        os.mkdir("certs")
        for name in self._files:
            with open("certs/" + name + ".der", "wb") as file:
                file.write(self._files[name])
        return self

    def __exit__(self, *_):
        os.chdir(self._home)
        _remove(FOLDER)


def _remove(path):
    for name in os.listdir(path):
        below = path + "/" + name
        if os.stat(below)[0] & 0x4000:
            _remove(below)
        else:
            os.remove(below)
    os.rmdir(path)


def _order():
    found = []
    while True:
        anchor = files.read(len(found))
        if anchor is None:
            return found
        found.append(anchor[0])


def test_order_is_that_of_the_names_and_contents_are_whole():
    with Flash(b=b"two", a=b"one", c=b"three"):
        assert _order() == ["certs/a.der", "certs/b.der", "certs/c.der"]
        assert files.read(1) == ("certs/b.der", b"two")
        assert files.read(3) is None


def test_no_anchors_no_folder_is_none():
    with Flash():
        assert files.read(0) is None
        os.rmdir("certs")
        assert files.read(0) is None


def test_one_that_verified_comes_first_from_then_on():
    with Flash(a=b"one", b=b"two", c=b"three"):
        files.keep("certs/c.der")
        assert _order() == ["certs/c.der", "certs/a.der", "certs/b.der"]
        files.keep("certs/b.der")
        assert _order() == ["certs/b.der", "certs/a.der", "certs/c.der"]


def test_what_is_remembered_is_written_only_when_it_changes():
    with Flash(a=b"one", b=b"two"):
        files.keep("certs/b.der")
        os.remove("anchor")
        os.mkdir("anchor")  # writing would raise, and be swallowed; reading finds nothing
        files.keep("certs/b.der")
        assert _order() == ["certs/a.der", "certs/b.der"]
        os.rmdir("anchor")
        opened = []
        real = files.__dict__.get("open", open)

        def watched(path, mode):
            if mode != "rb":
                opened.append((path, mode))
            return real(path, mode)

        files.open = watched
        try:
            for _ in range(3):
                files.keep("certs/b.der")
        finally:
            del files.open
        assert opened == [("anchor", "wb")]


def test_corrupt_memory_of_it_is_as_if_there_were_none():
    with Flash(a=b"one", b=b"two"):
        for content in (b"", b"certs/gone.der", b"\xff\xfe", b"x" * 5000, b"certs/b.der\n"):
            with open("anchor", "wb") as file:
                file.write(content)
            assert _order() == ["certs/a.der", "certs/b.der"], content
        files.keep("certs/b.der")
        assert _order() == ["certs/b.der", "certs/a.der"]
