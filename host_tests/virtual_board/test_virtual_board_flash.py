"""The virtual board's flash chip, by its operations, and the power cut in the middle of one."""

import sys

import pytest

from tools.virtual_board.runtimes import ON_BOARD

BLOCK = 4096
COUNT, SIZE, ERASE = 4, 5, 6  # MicroPython's block device operations


class PowerCut(Exception):
    """Stands for the end of the process."""


@pytest.fixture
def make_flash(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(ON_BOARD)
    monkeypatch.delitem(sys.modules, "virtual_flash", raising=False)
    import virtual_control
    import virtual_flash

    def end(what, operation):
        raise PowerCut(what, operation)

    monkeypatch.setattr(virtual_control, "end", end)
    path = tmp_path / "image"
    path.write_bytes(b"\xff" * 4 * BLOCK)
    flashes = []

    def make(**options):
        flashes.append(virtual_flash.FileFlash(str(path), BLOCK, 4, **options))
        return flashes[-1], path

    yield make
    for flash in flashes:
        flash._file.close()


def content(flash, block, length, offset=0):
    buffer = bytearray(length)
    flash.readblocks(block, buffer, offset)
    return bytes(buffer)


def test_flash_tells_its_geometry(make_flash):
    flash, _ = make_flash()
    assert (flash.ioctl(COUNT, 0), flash.ioctl(SIZE, 0)) == (4, BLOCK)


def test_program_is_read_back_from_where_it_was_written(make_flash):
    flash, _ = make_flash()
    flash.writeblocks(2, b"abcd", 64)
    assert content(flash, 2, 6, 63) == b"\xffabcd\xff"


def test_erase_fills_its_block_and_no_other(make_flash):
    flash, path = make_flash()
    for block in range(4):
        flash.writeblocks(block, bytes(BLOCK))
    assert flash.ioctl(ERASE, 1) == 0
    flash._file.flush()
    expected = bytes(BLOCK) + b"\xff" * BLOCK + bytes(2 * BLOCK)
    assert path.read_bytes() == expected


def test_wear_is_counted_on_from_the_lives_before(make_flash):
    flash, _ = make_flash(wear=(10, 20, 300))
    flash.ioctl(ERASE, 0)
    flash.writeblocks(0, b"abcd")
    flash.writeblocks(1, b"abcdef", 4)
    assert (flash.erases, flash.programs, flash.programmed_bytes) == (11, 22, 310)


def test_power_cut_in_a_program_leaves_half_of_it(make_flash):
    flash, path = make_flash(cut_at=2)
    flash.writeblocks(0, b"abcd")
    with pytest.raises(PowerCut, match=r"power cut.*2"):
        flash.writeblocks(1, b"efgh")
    flash._file.flush()
    assert path.read_bytes()[:6] == b"abcd\xff\xff"
    assert path.read_bytes()[BLOCK : BLOCK + 6] == b"ef\xff\xff\xff\xff"


def test_power_cut_in_an_erase_leaves_half_of_it(make_flash):
    flash, path = make_flash(cut_at=23, wear=(1, 20, 0))
    flash.writeblocks(3, bytes(BLOCK))
    with pytest.raises(PowerCut, match=r"power cut.*23"):
        flash.ioctl(ERASE, 3)
    flash._file.flush()
    assert path.read_bytes()[3 * BLOCK :] == b"\xff" * (BLOCK // 2) + bytes(BLOCK // 2)
