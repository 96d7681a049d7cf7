"""The flash of a virtual board: made once, refreshed, and what is the person's stays."""

import os
import stat

import pytest

from tools.terminal.failures import CommandError
from tools.virtual_board import image
from tools.virtual_board.kinds import KINDS

ESP32 = KINDS["ESP32_GENERIC"]
PICO_W = KINDS["RPI_PICO_W"]
FILES = {
    "main.py": b"print(1)\n",
    "lib/linkpost/__init__.mpy": b"M\x06" + bytes(range(256)) * 20,
    "lib/linkpost/net/transport.mpy": b"M\x06\x00\x1f",
    "certs/root.der": b"0" * 900,
    "config.json": b"{}",
}


def contents(path, kind=ESP32):
    file_system = image.open_image(path, kind)
    return {
        f"{root.lstrip('/')}/{name}".lstrip("/"): file_system.open(f"{root}/{name}", "rb").read()
        for root, _, names in file_system.walk("/")
        for name in names
    }


def add_to_image(path, name, content, kind=ESP32):
    file_system = image.open_image(path, kind)
    folder, _, _ = name.rpartition("/")
    if folder:
        file_system.makedirs(folder, exist_ok=True)
    with file_system.open(name, "wb") as file:
        file.write(content)
    path.write_bytes(file_system.context.buffer)


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_image_on_first_use_is_made_with_all_files(tmp_path, kind):
    path = tmp_path / "deep" / "board.img"
    assert image.refresh_image(path, kind, FILES) is True
    assert contents(path, kind) == FILES
    assert path.stat().st_size == kind.block_count * 4096


def test_image_with_the_same_files_is_not_written(tmp_path):
    path = tmp_path / "board.img"
    image.refresh_image(path, ESP32, FILES)
    before = path.stat()
    assert image.refresh_image(path, ESP32, FILES) is False
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_image_with_other_firmware_is_refreshed_and_keeps_what_is_not_ours(tmp_path):
    path = tmp_path / "board.img"
    image.refresh_image(path, ESP32, {**FILES, "lib/linkpost/old.mpy": b"M", "certs/ca.der": b"0"})
    kept = {"token": b"t" * 90, "outbox/0": b"r" * 300, "user/my.py": b"#", "lib/other.py": b"x"}
    for name, content in kept.items():
        add_to_image(path, name, content)
    newer = {**FILES, "lib/linkpost/net/transport.mpy": b"M\x06 newer"}
    assert image.refresh_image(path, ESP32, newer) is True
    assert contents(path) == {**newer, **kept}


@pytest.mark.parametrize("content", [b"", b"\0" * 100, b"\xff" * ESP32.image_bytes])
def test_image_that_is_no_image_is_refused_and_left_alone(tmp_path, content):
    path = tmp_path / "holiday.jpg"
    path.write_bytes(content)
    with pytest.raises(
        CommandError, match=r"not a flash image of ESP32_GENERIC.*--board"
    ) as caught:
        image.refresh_image(path, ESP32, FILES)
    assert caught.value.exit_code == 2
    assert path.read_bytes() == content


def test_image_of_another_board_is_refused(tmp_path):
    path = tmp_path / "board.img"
    image.refresh_image(path, PICO_W, FILES)
    with pytest.raises(CommandError, match="not a flash image of ESP32_GENERIC"):
        image.refresh_image(path, ESP32, FILES)


def test_image_that_is_full_is_said_to_be_full_and_left_alone(tmp_path):
    path = tmp_path / "board.img"
    image.refresh_image(path, PICO_W, {"main.py": b""})
    add_to_image(path, "outbox/0", b"r" * (PICO_W.image_bytes - 8 * 4096), PICO_W)
    before = path.read_bytes()
    with pytest.raises(CommandError, match="is full"):
        image.refresh_image(path, PICO_W, {**FILES, "lib/linkpost/big.mpy": b"M" * 40_000})
    assert path.read_bytes() == before


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_image_and_folder_are_for_their_owner_only(tmp_path):
    image.refresh_image(tmp_path / "board.img", ESP32, FILES)
    image.refresh_folder(tmp_path / "board", FILES)
    for path in (tmp_path / "board.img", tmp_path / "board" / "config.json"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_folder_is_refreshed_and_keeps_what_is_not_ours(tmp_path):
    path = tmp_path / "board"
    assert image.refresh_folder(path, {**FILES, "lib/linkpost/old.py": b"#"}) is True
    for name in ("token", "outbox/0"):
        (path / name).parent.mkdir(exist_ok=True)
        (path / name).write_bytes(b"kept")
    newer = {**FILES, "main.py": b"print(2)\n"}
    assert image.refresh_folder(path, newer) is True
    assert image.refresh_folder(path, newer) is False
    found = {
        p.relative_to(path).as_posix(): p.read_bytes() for p in path.rglob("*") if p.is_file()
    }
    assert found == {**newer, "token": b"kept", "outbox/0": b"kept"}


def test_folder_that_is_an_image_file_is_refused(tmp_path):
    path = tmp_path / "board.img"
    image.refresh_image(path, ESP32, FILES)
    with pytest.raises(CommandError, match="is a file"):
        image.refresh_folder(path, FILES)


def test_image_that_is_a_folder_is_refused(tmp_path):
    with pytest.raises(CommandError, match="cannot read") as caught:
        image.refresh_image(tmp_path, ESP32, FILES)
    assert caught.value.exit_code == 2


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such locks")
@pytest.mark.parametrize("make", [lambda path: path.write_bytes(b""), lambda path: path.mkdir()])
def test_flash_in_use_is_refused_to_a_second_board_until_it_is_free(tmp_path, make):
    path = tmp_path / "board"
    with image.in_use(path):  # no flash yet: nothing to keep others off
        make(path)
    with image.in_use(path), pytest.raises(CommandError, match="in use"), image.in_use(path):
        pytest.fail("two boards on one flash")
    with image.in_use(path):
        pass
