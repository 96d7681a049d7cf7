"""boards/: every board.toml as it has to be, and what follows from it."""

import json
import re

import pytest

from tools.firmware import boards as boards_module
from tools.firmware.boards import ESP32, RP2, boards, find_board, folder_of, read_board
from tools.terminal.failures import CommandError
from tools.virtual_board.kinds import KINDS

ALL = sorted(boards())
TEXT = (folder_of("ESP32_GENERIC") / "board.toml").read_text()


def test_boards_are_the_six_that_are_promised():
    assert ALL == [
        "ESP32_GENERIC",
        "ESP32_GENERIC_C3",
        "ESP32_GENERIC_C6",
        "ESP32_GENERIC_S3",
        "RPI_PICO2_W",
        "RPI_PICO_W",
    ]


@pytest.mark.parametrize("name", ALL)
def test_board_says_what_belongs_together(name):
    board = boards()[name]
    assert re.fullmatch(r"\d+\.\d+\.\d+", board.version)
    file = board.url.rpartition("/")[2]
    assert re.fullmatch(rf"{name}-\d{{8}}-v{re.escape(board.version)}\.(bin|uf2)", file)
    assert board.file_name == f"{name}-*{file[-4:]}"
    for usb_id in board.usb_ids:
        assert re.fullmatch(r"[0-9a-f]{4}:[0-9a-f]{4}", usb_id), usb_id
    assert (board.port == ESP32) == (board.image_chip_id is not None) == bool(board.baud)
    assert (board.port == RP2) == (board.uf2_family is not None) == bool(board.uf2_volume)
    kind = KINDS[name]
    assert kind.image_bytes == board.size - board.file_system_start
    used = [pin for pin in board.pins.values() if isinstance(pin, int)]
    assert len(set(used)) == len(used), "two sensors on one pin"


@pytest.mark.parametrize("name", ALL)
def test_example_config_is_good_on_that_board(name):
    from linkpost.config import Config

    data = json.loads((folder_of(name) / "config.example.json").read_text())
    config = Config(data)
    assert "wifi" in data
    pins = boards()[name].pins
    for sensor in config.sensors:
        assert sensor.get("pin") in (None, *pins.values())


@pytest.mark.parametrize("name", ALL)
def test_default_sensor_of_a_board_is_its_chips(name):
    board = boards()[name]
    # As the ports tell at run time (portable/test_sensors.py): all but the first ESP32.
    assert board.has_temperature == (board.chip != "esp32")
    example = json.loads((folder_of(name) / "config.example.json").read_text())
    default = {"type": "onchip" if board.has_temperature else "system"}
    assert example["sensors"][0] == default


@pytest.mark.parametrize("name", ALL)
def test_readme_of_a_board_has_wiring_boot_loader_and_what_was_tried(name):
    text = (folder_of(name) / "README.md").read_text()
    for words in ("## Wiring", "## The boot loader", "## What was tried", "Not tried on hardware"):
        assert words in text
    pins = boards()[name].pins
    for sensor, keys in (
        ("dht22", ("dht",)),
        ("ds18x20", ("onewire",)),
        ("bme280", ("sda", "scl")),
    ):
        row = re.search(rf'`\{{"type": "{sensor}"[^`]*`', text)
        assert row, sensor
        for key in keys:
            assert str(pins[key]) in row.group()
    assert f"linkpost flash {name}" in text


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('chip = "esp32"', "chip = 3", "chip must be of type str"),
        ('chip = "esp32"', "", "chip is missing"),
        ('title = "', 'titel = "', "titel is not a known key"),
        ('port = "esp32"', 'port = "esp8266"', "port must be one of"),
        ("offset = 0x1000", "offset = true", "firmware.offset must be of type int"),
        ("[flash]", "[flush]", "flush is not a known key"),
        ("read_size = 32", "read_size = 0", "read_size"),
        ("file_system_start = 0x200000", "file_system_start = 0x200001", "whole blocks"),
        ("file_system_start = 0x200000", "file_system_start = 0x900000", "lie in the flash"),
        ('file_system_end = "flash"', 'file_system_end = "moon"', "file_system_end"),
        ("sda = 21", "sda = [21]", "pins.sda must be of type int"),
        ("sda = 21", "sda 21", "board.toml"),
    ],
)
def test_board_toml_that_is_wrong_is_told_by_its_key(old, new, words):
    assert old in TEXT
    with pytest.raises(CommandError, match=re.escape(words)):
        read_board("ESP32_GENERIC", TEXT.replace(old, new).encode())


def test_board_toml_that_is_no_text_is_told():
    with pytest.raises(CommandError, match=r"board\.toml"):
        read_board("X", b"\xff\xfe")


def test_board_that_is_not_known_names_those_that_are():
    with pytest.raises(CommandError, match="ESP32_GENERIC_S3"):
        find_board("ESP8266")
    assert find_board("esp32_generic").name == "ESP32_GENERIC"


def test_block_count_follows_the_flash_where_the_firmware_does():
    board = find_board("ESP32_GENERIC")
    assert board.block_count() == 512
    assert board.block_count(8 << 20) == 1536
    assert board.block_count(4 << 20, start=0x210000) == 496
    with pytest.raises(CommandError, match="no room"):
        board.block_count(2 << 20)
    pico = find_board("RPI_PICO_W")
    assert pico.block_count() == pico.block_count(2 << 20) == 212
    with pytest.raises(CommandError, match="RPI_PICO_W"):
        pico.block_count(4 << 20)


def test_boards_of_an_installed_wheel_are_found(tmp_path, monkeypatch):
    fake = tmp_path / "site" / "tools" / "firmware" / "boards.py"
    monkeypatch.setattr(boards_module, "__file__", str(fake))
    monkeypatch.syspath_prepend(str(tmp_path))
    package = tmp_path / "linkpost_boards" / "ESP32_GENERIC"
    package.mkdir(parents=True)
    (package / "board.toml").write_text(TEXT)
    assert folder_of("ESP32_GENERIC") == package
