"""The factory's way with a Pico: real MicroPython on a port, and a folder that stands for the boot
loader's drive. The chip's own part, restarting into it, was not tried on hardware."""

import json

import pytest
from firmware_files import firmware_of
from serial_board import needs_serial_board, serial_board

from tools.client.devices_csv import Triple
from tools.factory import writers
from tools.factory.writers import Images, PicoWriter
from tools.firmware.boards import boards
from tools.flash.firmware_image import uf2_blocks
from tools.terminal.failures import CommandError
from tools.virtual_board.image import open_image
from tools.virtual_board.kinds import kind_of

BOARD = boards()["RPI_PICO_W"]
MAC = "28:cd:c1:00:00:07"
FIRMWARE = firmware_of(BOARD, 60_000)
TRIPLE = Triple("a1pk", "sensor00", "canary-secret")
CONFIG = {
    "endpoint": "iot.example.com",
    "product_key": TRIPLE.product_key,
    "device_name": TRIPLE.device_name,
    "device_secret": TRIPLE.device_secret,
    "wifi": {"ssid": "lab", "password": "pass-word"},
}
# What the chip's own module tells, once the radio is on.
NETWORK = """
STA_IF = 0
class WLAN:
    on = False
    def __init__(self, interface): pass
    def active(self, on=None):
        if on is None: return WLAN.on
        WLAN.on = on
    def config(self, key):
        return bytes.fromhex("%s") if WLAN.on else bytes(6)
"""


class Drives:
    """The boot loader's drive, which is there when it is asked for and goes when it has a UF2."""

    def __init__(self, folder, monkeypatch):
        self.folder = folder / "drive"
        self.folder.mkdir()
        self.is_there = False
        monkeypatch.setattr(writers, "find_drive", self.find)
        monkeypatch.setattr(writers, "wait_for_drive", lambda board, wait_s: self.folder)

    @property
    def uf2(self):
        return self.folder / "linkpost.uf2"

    def find(self, board):
        return self.folder if self.is_there and not self.uf2.exists() else None


@pytest.fixture
def writer(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    return PicoWriter(
        Images(BOARD, ("RPI_PICO_W-v1.27.0.uf2", FIRMWARE), {TRIPLE.key: CONFIG}, None, folder)
    )


@needs_serial_board
def test_pico_tells_its_mac_and_gets_micropython_and_its_files(tmp_path, monkeypatch, writer):
    drives = Drives(tmp_path, monkeypatch)
    files = {"lib/network.py": (NETWORK % MAC.replace(":", "")).encode()}
    with serial_board(tmp_path, BOARD.name, files=files) as board:
        chip = writer.identify(board.port)
        assert chip.mac == MAC
        percents = []
        writer.write(board.port, chip, TRIPLE, percents.append)
    assert percents[-1] == 100
    blocks = uf2_blocks(drives.uf2.read_bytes(), "x")
    own = uf2_blocks(FIRMWARE, "x")
    assert blocks[: len(own)] == own
    flash = bytearray(b"\xff" * BOARD.block_count() * BOARD.block_size)
    for block in blocks[len(own) :]:
        at = block.address - BOARD.offset - BOARD.file_system_start
        flash[at : at + len(block.payload)] = block.payload
    (tmp_path / "written").write_bytes(flash)
    # Kept: an open file does not keep the file system whose memory it reads.
    image = open_image(tmp_path / "written", kind_of(BOARD))
    with image.open("config.json", "rb") as file:
        assert json.loads(file.read()) == CONFIG
    assert list((tmp_path / "images").iterdir()) == []


@needs_serial_board
def test_radio_without_a_mac_is_told(tmp_path, writer):
    files = {"lib/network.py": (NETWORK % ("00" * 6)).encode()}
    with (
        serial_board(tmp_path, BOARD.name, files=files) as board,
        pytest.raises(CommandError, match="reports no MAC"),
    ):
        writer.identify(board.port)


def test_new_pico_gets_micropython_alone(tmp_path, monkeypatch, writer):
    drives = Drives(tmp_path, monkeypatch)
    assert not writer.start_new(lambda percent: None)
    drives.is_there = True
    assert writer.start_new(lambda percent: None)
    assert drives.uf2.read_bytes() == FIRMWARE
    assert not writer.start_new(lambda percent: None)


def test_drive_of_another_board_is_not_written_to(tmp_path, monkeypatch, writer):
    drives = Drives(tmp_path, monkeypatch)
    drives.is_there = True
    chip = writers.Chip(BOARD.chip_name, MAC, BOARD.size)
    with pytest.raises(CommandError, match="another board"):
        writer.write("port", chip, TRIPLE, lambda percent: None)
    assert not drives.uf2.exists()
