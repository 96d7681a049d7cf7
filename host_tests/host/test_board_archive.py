"""The tests' firmware as one file that a board mounts, as `make test-board` puts it there."""

from __future__ import annotations

import subprocess

import pytest

from host_tests.chip import portable_files
from host_tests.shared import archive, byte_code
from tools.virtual_board import runtimes

pytestmark = pytest.mark.skipif(
    not runtimes.has_micropython(), reason="the MicroPython wheel is not here"
)
# Its place in the index begins with an end of line; others' names begin as one's or end so.
_FILES = {
    "a/b.txt": b"b" * 5000,
    "a/b.txt.old": b"old",
    "b.txt": b"",
    "a/c/d.txt": bytes(range(256)),
}


def _run(folder, files, code):
    (folder / "packed").write_bytes(archive.pack(files))
    # `mount` takes its file from the root, as a board has it: here from the folder it runs in.
    script = (
        archive.ON_BOARD.replace('Archive("/" + name)', "Archive(name)") + "\nmount('packed')\n"
    )
    (folder / "script.py").write_text(script + code)
    return subprocess.run(
        [*runtimes._micropython(None), "script.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_archive_has_its_files_and_folders_and_no_others(tmp_path):
    done = _run(
        tmp_path,
        _FILES,
        """
import os
for name in ("a/b.txt", "a/b.txt.old", "b.txt", "a/c/d.txt"):
    with open("/packed.files/" + name, "rb") as file:
        data = file.read()
    print(name, len(data), sum(data), os.stat("/packed.files/" + name)[0])
for folder in ("", "/a", "/a/c"):
    print(sorted(os.listdir("/packed.files" + folder)))
for name in ("a/b", "txt", "a/c/d", "c", "a/b.txt.ol"):
    try:
        print(os.stat("/packed.files/" + name))
    except OSError as error:
        print(error.errno)
for mode in ("wb", "ab"):
    try:
        open("/packed.files/b.txt", mode)
    except OSError as error:
        print(error.errno)
""",
    )
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    told = [line.split() for line in lines[: len(_FILES)]]
    assert {name: (int(n), int(total), mode) for name, n, total, mode in told} == {
        name: (len(data), sum(data), str(0x8000)) for name, data in _FILES.items()
    }
    assert lines[len(_FILES) :] == [
        "['a', 'b.txt']",
        "['b.txt', 'b.txt.old', 'c']",
        "['d.txt']",
        *["2"] * 5,
        *["30"] * 2,
    ]


def test_firmware_runs_from_an_archive(tmp_path):
    files = {f"linkpost/{name}": content for name, content in byte_code.firmware().items()}
    done = _run(
        tmp_path,
        files,
        """
import linkpost.app, linkpost.storage.outbox
from linkpost.loader import load
print(linkpost.app.__file__, load("dates").civil(0))
""",
    )
    assert done.stderr == ""
    assert done.stdout.split(" ", 1) == [
        "/packed.files/linkpost/app.mpy",
        "(1970, 1, 1, 0, 0, 0, 3)\n",
    ]


def test_what_was_stopped_before_its_time_by_the_boards_clock_is_told():
    ended = "\x01test_ended\n\x02\n\x065\n"
    early = "\x01test_early\nTraceback\nKeyboardInterrupt: \n\x069999\n"
    late = "\x01test_late\nTraceback\nKeyboardInterrupt: \n\x0610000\n"
    between = "\x01test_between\nTraceback\nKeyboardInterrupt: \n"
    output = ended + early + late + between
    assert portable_files.stopped_early(output, 10_000) == {"test_early", "test_between"}
    again = "\x01test_early\n\x02\n\x069000\n" + between.replace("between", "other")
    assert portable_files.stopped_early(output + again, 10_000) == {"test_between", "test_other"}
    names = ["test_ended", "test_early", "test_late", "test_between"]
    found = portable_files.parse(output + again, names)
    assert [found[name] for name in names] == [
        portable_files.PASSED,
        portable_files.PASSED,
        portable_files.TOO_LONG,
        portable_files.TOO_LONG,
    ]


def test_failure_is_told_without_its_time():
    output = "\x01test_a\nAssertionError: 1\n\x0612\n"
    assert portable_files.parse(output, ["test_a"]) == {"test_a": "AssertionError: 1\n"}
