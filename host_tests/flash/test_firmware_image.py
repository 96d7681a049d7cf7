"""What a firmware file says of itself, before anything is written."""

import struct

import pytest
from firmware_files import firmware_of, partition

from tools.firmware.boards import ESP32, boards
from tools.flash.firmware_image import (
    check_firmware,
    encode_uf2,
    file_system_start,
    look_inside,
    uf2_blocks,
)
from tools.image.build import base_image, device_image, layout_of
from tools.terminal.failures import CommandError

ALL = boards()
ESP = [board for board in ALL.values() if board.port == ESP32]
PICO = [board for board in ALL.values() if board.port != ESP32]


@pytest.mark.parametrize("name", sorted(ALL))
def test_firmware_of_its_own_board_is_good(name):
    check_firmware(firmware_of(ALL[name]), ALL[name], "x")


@pytest.mark.parametrize("board", ESP, ids=lambda board: board.name)
def test_firmware_of_another_chip_is_refused_with_the_command_to_use(board):
    for other in ESP:
        if other is not board:
            with pytest.raises(CommandError) as caught:
                check_firmware(firmware_of(other), board, "micropython.bin")
            assert f"is for {other.chip_name}" in str(caught.value)
            assert f"linkpost flash {other.name}" in str(caught.value)
            assert "Nothing was written" in str(caught.value)


def test_uf2_of_the_other_pico_is_refused():
    with pytest.raises(CommandError, match="RP2350.*linkpost flash RPI_PICO2_W"):
        check_firmware(firmware_of(ALL["RPI_PICO2_W"]), ALL["RPI_PICO_W"], "x.uf2")


@pytest.mark.parametrize("name", sorted(ALL))
@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html>404 not found" + b" " * 600, "web page"),
        (b"\n<html>" + b"x" * 600, "web page"),
        (b"PK\x03\x04" + b"z" * 1000, "no "),
    ],
)
def test_file_that_is_no_firmware_is_refused(name, data, words):
    with pytest.raises(CommandError, match=words) as caught:
        check_firmware(data, ALL[name], "download.bin")
    assert "Nothing was written" in str(caught.value)


def test_uf2_file_for_an_esp32_is_told_by_name():
    with pytest.raises(CommandError, match="UF2"):
        check_firmware(firmware_of(ALL["RPI_PICO_W"]), ALL["ESP32_GENERIC"], "x")


def test_application_alone_is_refused():
    board = ALL["ESP32_GENERIC_C3"]
    with pytest.raises(CommandError, match="only a part"):
        check_firmware(firmware_of(board, partitions=[]), board, "micropython.app-bin")


def test_number_of_segments_that_cannot_be_is_refused():
    board = ALL["ESP32_GENERIC"]
    data = bytearray(firmware_of(board))
    data[1] = 200
    with pytest.raises(CommandError, match="damaged"):
        check_firmware(bytes(data), board, "x")


def test_uf2_cut_at_any_place_is_refused():
    board = ALL["RPI_PICO_W"]
    data = firmware_of(board, 2000)
    for cut in (1, 100, 511, 513, len(data) - 1):
        with pytest.raises(CommandError, match="Nothing was written"):
            check_firmware(data[:cut], board, "x.uf2")


@pytest.mark.parametrize("cut", [-700, -512, -2048])
def test_uf2_whose_end_is_missing_says_so(cut):
    board = ALL["RPI_PICO_W"]
    with pytest.raises(CommandError, match=r"x\.uf2 is cut short after \d+ .* Download it again"):
        check_firmware(firmware_of(board)[:cut], board, "x.uf2")


def test_uf2_block_that_is_damaged_is_named():
    board = ALL["RPI_PICO_W"]
    data = bytearray(firmware_of(board, 2000))
    data[512 * 3] ^= 1
    with pytest.raises(CommandError, match="block 3"):
        check_firmware(bytes(data), board, "x.uf2")


def test_uf2_block_for_the_errata_of_rp2350_is_no_other_chip():
    board = ALL["RPI_PICO2_W"]
    extra = encode_uf2([(0x10FFFF00, bytes(256))], 0xE48BFF57)
    check_firmware(extra + firmware_of(board, 2000), board, "x.uf2")


def test_uf2_that_is_encoded_comes_back_the_same():
    pieces = [(0x10000000 + at, bytes([at % 251]) * 256) for at in range(0, 4096, 256)]
    found = uf2_blocks(encode_uf2(pieces, 7), "x")
    assert [(block.address, block.payload, block.family) for block in found] == [
        (address, payload, 7) for address, payload in pieces
    ]


def test_file_system_begins_behind_the_app_or_at_its_own_partition():
    board = ALL["ESP32_GENERIC"]
    app = partition(0, 0x10000, 0x210000, "factory")
    assert file_system_start(firmware_of(board, partitions=[app]), board) == 0x220000
    own = partition(1, 0x310000, 0xF0000, "vfs")
    assert file_system_start(firmware_of(board, partitions=[app, own]), board) == 0x310000
    assert file_system_start(firmware_of(board), board) == 0x200000
    pico = ALL["RPI_PICO_W"]
    assert file_system_start(firmware_of(pico), pico) == pico.file_system_start


@pytest.mark.parametrize("board", [*ESP, *PICO], ids=lambda board: board.name)
def test_any_change_of_the_first_bytes_is_refused_or_harmless(board):
    data = firmware_of(board, 40_000)
    for at in range(32):
        changed = bytearray(data)
        struct.pack_into("B", changed, at, changed[at] ^ 0xFF)
        try:
            check_firmware(bytes(changed), board, "x")
        except CommandError as error:
            assert "Nothing was written" in str(error)


def image_without_micropython(board):
    layout = layout_of(board, None, None)
    return device_image(layout, base_image(layout, {"sensors": [{"type": "onchip"}]}, None), b"{}")


@pytest.mark.parametrize("name", sorted(ALL))
def test_image_that_has_only_files_is_not_taken_for_micropython(name):
    with pytest.raises(CommandError, match="only a file system.*Nothing was written") as caught:
        check_firmware(image_without_micropython(ALL[name]), ALL[name], "a.sensor01.uf2")
    assert ALL[name].url in str(caught.value)


@pytest.mark.parametrize("name", sorted(ALL))
def test_firmware_of_something_else_is_not_taken_for_micropython(name):
    data = firmware_of(ALL[name]).replace(b"MicroPython", b"TinyArduino")
    with pytest.raises(CommandError, match="no MicroPython in it. Nothing was written"):
        check_firmware(data, ALL[name], "blink.uf2")


@pytest.mark.parametrize("name", sorted(ALL))
def test_whole_image_is_said_to_have_files_too(name):
    board = ALL[name]
    firmware = firmware_of(board)
    assert str(look_inside(firmware, board)) == "MicroPython v1.27.0"
    layout = layout_of(board, None, (f"{name}-v1.27.0", firmware))
    base = base_image(layout, {"sensors": [{"type": "onchip"}]}, None)
    whole = device_image(layout, base, b"{}")
    check_firmware(whole, board, "x")
    assert str(look_inside(whole, board)) == "MicroPython v1.27.0 with a file system"


@pytest.mark.parametrize("name", sorted(ALL))
def test_micropython_that_is_too_old_is_refused(name):
    data = firmware_of(ALL[name]).replace(b"MicroPython v1.27.0", b"MicroPython v1.24.1")
    with pytest.raises(CommandError, match="v1.24; linkpost needs 1.25 or newer. Nothing"):
        check_firmware(data, ALL[name], "x")
    data = firmware_of(ALL[name]).replace(b"MicroPython v1.27.0", b"MicroPython v1.25.0")
    check_firmware(data, ALL[name], "x")


@pytest.mark.parametrize(("inside", "native"), [("1.26.1", False), ("1.27.0", True)])
def test_digests_of_an_image_are_those_of_the_build_whatever_its_name_says(inside, native):
    board = ALL["RPI_PICO_W"]
    data = firmware_of(board).replace(b"v1.27.0", b"v" + inside.encode())
    for name in ("RPI_PICO_W-v9.99.0.uf2", "RPI_PICO_W-v1.25.0.uf2", "firmware.uf2"):
        assert layout_of(board, None, (name, data)).has_native_digests == native
    untold = data.replace(f"MicroPython v{inside}".encode(), b"MicroPython of mine")
    assert look_inside(untold, board).version == ()
    assert not layout_of(board, None, ("RPI_PICO_W-v9.99.0.uf2", untold)).has_native_digests
