"""`linkpost flash` with the real esptool against a mock of the chips' ROM boot loaders, and onto a
folder that stands for a Pico's drive."""

import contextlib
import socket
import threading

import pytest
from esp32_mock_bootloader import mock_bootloader
from firmware_files import firmware_of
from linkpost_command import run

from tools.firmware.boards import ESP32, boards
from tools.flash.esp_flash import flash_esp, read_chip
from tools.flash.firmware_image import uf2_blocks
from tools.terminal.failures import CommandError

ESP = sorted(name for name, board in boards().items() if board.port == ESP32)
PICO = sorted(name for name, board in boards().items() if board.port != ESP32)


def firmware_file(tmp_path, name, length=60_000):
    path = tmp_path / f"{name}.bin"
    path.write_bytes(firmware_of(boards()[name], length))
    return path


@pytest.mark.parametrize("name", ESP)
def test_flash_writes_the_firmware_and_says_what_is_next(tmp_path, name):
    path = firmware_file(tmp_path, name)
    with mock_bootloader(chip=boards()[name].chip) as chip:
        port = chip.url()
        result = run("flash", name, "--port", chip.url(), "--firmware", path)
        assert result.returncode == 0, result.stderr
        # What is in the mock's flash now is what its own verify-flash compares.
        board = boards()[name]
        flash_esp(chip.url(), board, [(board.offset, path)])
    assert "verified" in result.stdout
    assert f"Next: linkpost provision --port {port}\n" in result.stdout
    assert "MAC " in result.stderr
    assert "\x1b" not in result.stdout + result.stderr
    assert "%" not in result.stderr


def test_flash_on_the_wrong_chip_names_the_right_board(tmp_path):
    path = firmware_file(tmp_path, "ESP32_GENERIC_C3")
    with mock_bootloader(chip="esp32s3") as chip:
        result = run("flash", "ESP32_GENERIC_C3", "--port", chip.url(), "--firmware", path)
    assert result.returncode == 2
    assert result.stderr.strip().splitlines()[-1] == (
        "linkpost: This is an ESP32-S3, the firmware is for ESP32-C3. Nothing was written. "
        "Use: linkpost flash ESP32_GENERIC_S3"
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<!DOCTYPE html><html>Not found</html>", "web page"),
        (firmware_of(boards()["ESP32_GENERIC_S3"], 60_000), "linkpost flash ESP32_GENERIC_S3"),
        (firmware_of(boards()["ESP32_GENERIC_C3"], 60_000, partitions=[]), "only a part"),
    ],
)
def test_flash_of_a_wrong_file_asks_nothing_of_the_board(tmp_path, content, words):
    path = tmp_path / "download.bin"
    path.write_bytes(content)
    # Nobody listens there: the file is looked at first.
    result = run("flash", "ESP32_GENERIC_C3", "--port", "socket://127.0.0.1:9", "--firmware", path)
    assert result.returncode == 2
    assert words in result.stderr
    assert "Nothing was written" in result.stderr


def test_flash_without_a_port_that_is_there_is_no_board(tmp_path):
    path = firmware_file(tmp_path, "ESP32_GENERIC")
    result = run("flash", "ESP32_GENERIC", "--port", tmp_path / "ttyUSB9", "--firmware", path)
    assert result.returncode == 7
    assert "linkpost boards" in result.stderr
    assert "Traceback" not in result.stderr


def test_flash_of_a_firmware_that_is_longer_than_the_flash_is_refused(tmp_path):
    path = tmp_path / "large.bin"
    path.write_bytes(firmware_of(boards()["ESP32_GENERIC"], 60_000) + bytes(4 << 20))
    with mock_bootloader(chip="esp32") as chip:
        result = run("flash", "ESP32_GENERIC", "--port", chip.url(), "--firmware", path)
    assert result.returncode == 2
    assert "Nothing was written" in result.stderr


def test_flash_whose_connection_is_cut_fails_and_repeats_well(tmp_path):
    board = boards()["ESP32_GENERIC_C3"]
    path = firmware_file(tmp_path, "ESP32_GENERIC_C3", 400_000)
    with mock_bootloader(chip=board.chip) as chip:
        with (
            cutting_proxy(chip.port(), after_bytes=150_000) as port,
            pytest.raises(CommandError) as caught,
        ):
            flash_esp(f"socket://127.0.0.1:{port}", board, [(board.offset, path)])
        assert caught.value.exit_code == 7
        assert "repeat" in str(caught.value)
    with mock_bootloader(chip=board.chip) as chip:
        flash_esp(chip.url(), board, [(board.offset, path)])


def test_chip_tells_its_mac_and_size():
    with mock_bootloader(chip="esp32c6") as handle:
        chip = read_chip(handle.url())
    assert chip.name == "ESP32-C6"
    assert chip.flash_bytes == 4 << 20
    assert len(chip.mac) == 17
    assert chip.mac == chip.mac.lower()


@pytest.mark.parametrize("name", PICO)
def test_uf2_is_copied_to_the_drive_block_by_block(tmp_path, name):
    drive = drive_of(tmp_path, name)
    path = tmp_path / "micropython.uf2"
    path.write_bytes(firmware_of(boards()[name], 60_000))
    result = run("flash", name, "--drive", drive, "--firmware", path)
    assert result.returncode == 0, result.stderr
    written = uf2_blocks((drive / "micropython.uf2").read_bytes(), "x")
    assert written == uf2_blocks(path.read_bytes(), "x")
    assert {block.family for block in written} == {boards()[name].uf2_family}
    assert "Next: linkpost provision" in result.stdout


def test_uf2_for_the_other_pico_is_not_copied(tmp_path):
    drive = drive_of(tmp_path, "RPI_PICO2_W")
    path = tmp_path / "micropython.uf2"
    path.write_bytes(firmware_of(boards()["RPI_PICO_W"], 6_000))
    result = run("flash", "RPI_PICO_W", "--drive", drive, "--firmware", path)
    assert result.returncode == 2
    assert "another board" in result.stderr
    assert [entry.name for entry in drive.iterdir()] == ["INFO_UF2.TXT"]


def test_drive_that_is_none_is_told(tmp_path):
    path = tmp_path / "micropython.uf2"
    path.write_bytes(firmware_of(boards()["RPI_PICO_W"], 6_000))
    result = run("flash", "RPI_PICO_W", "--drive", tmp_path, "--firmware", path)
    assert result.returncode == 2
    assert "INFO_UF2.TXT" in result.stderr


def test_boards_lists_what_is_supported_also_as_json():
    import json

    result = run("boards", "--json")
    assert result.returncode == 0
    supported = json.loads(result.stdout)["supported"]
    assert sorted(entry["board"] for entry in supported) == sorted(boards())
    plain = run("boards")
    assert plain.returncode == 0
    for name in boards():
        assert name in plain.stdout


def drive_of(tmp_path, name):
    drive = tmp_path / "drive"
    drive.mkdir()
    volume = boards()[name].uf2_volume
    (drive / "INFO_UF2.TXT").write_text(
        f"UF2 Bootloader v3.0\r\nModel: x\r\nBoard-ID: {volume}\r\n"
    )
    return drive


@contextlib.contextmanager
def cutting_proxy(target, after_bytes):
    """Pass one connection on to a port of this machine, and cut it after so many bytes up."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        client, _ = listener.accept()
        server = socket.create_connection(("127.0.0.1", target))

        def down():
            with contextlib.suppress(OSError):
                while data := server.recv(65536):
                    client.sendall(data)

        threading.Thread(target=down, daemon=True).start()
        left = after_bytes
        with contextlib.suppress(OSError):
            while left > 0 and (data := client.recv(min(left, 65536))):
                left -= len(data)
                server.sendall(data)
        client.close()
        server.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        thread.join(30)
        listener.close()
