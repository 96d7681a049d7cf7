"""A person's own sensor in user/: copied with mpremote, found by the app, told when wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from emulator_process import EmulatorProcess
from linkpost_command import both_runtimes, run, write_config
from littlefs import LittleFS
from serial_board import needs_serial_board, serial_board

from tools.firmware.board_files import files_for
from tools.virtual_board import image, kinds

SOIL = """
class Sensor:
    def __init__(self, options, port):
        self._pin = options["pin"]

    def read(self):
        return {"moisture": self._pin + 0.5}
"""
SENSORS = [{"type": "simulated"}, {"type": "user.soil", "name": "bed", "pin": 34}]


def put(flash: Path, name: str, content: bytes) -> None:
    """Put a file on a virtual board's flash, an image or a folder, as a person would."""
    if flash.is_dir():
        (flash / name).parent.mkdir(exist_ok=True)
        (flash / name).write_bytes(content)
        return
    image.refresh_image(flash, kinds.KINDS[kinds.DEFAULT_KIND], {name: content})


@pytest.fixture(scope="module")
def emulator():
    with EmulatorProcess() as process:
        yield process


@both_runtimes
def test_user_sensor_on_the_flash_reports_beside_the_others(runtime, emulator, tmp_path):
    config = write_config(tmp_path, emulator.platform, sensors=SENSORS)
    flash = tmp_path / "flash"
    command = ("board", "run", "--config", config, "--flash", flash, "--ca", emulator.ca)
    command += ("--runtime", runtime)
    # The file is not there yet: said in one line, and no crash that resets for ever.
    refused = run(*command, "--timeout", 30)
    assert refused.returncode == 2, refused.stderr
    assert "user/soil.py is not on the board" in refused.stderr
    assert "Traceback" not in refused.stderr
    put(flash, "user/soil.py", b"class Sensor:\n    def read(self)\n")
    refused = run(*command, "--timeout", 30)
    assert refused.returncode == 2, refused.stderr
    assert "user/soil.py, line 2: SyntaxError" in refused.stderr
    put(flash, "user/soil.py", SOIL.encode())
    seen = len(emulator.messages())
    done = run(*command, "--reports", 5, "--timeout", 60)  # the refused boots told too
    assert done.returncode == 0, done.stderr
    readings = [json.loads(message["text"]) for message in emulator.messages()[seen:]]
    measured = [reading for reading in readings if "temperature" in reading]
    assert measured
    assert all(reading["bed_moisture"] == 34.5 for reading in measured)


@needs_serial_board
def test_user_sensor_copied_with_mpremote_reports_and_outlives_a_new_firmware(emulator, tmp_path):
    config = write_config(tmp_path, emulator.platform, interval_s=1, sensors=SENSORS)
    (tmp_path / "soil.py").write_text(SOIL)
    with serial_board(tmp_path, config=config, ca=emulator.ca) as board:
        board.wait_for("user/soil.py is not on the board")
        seen = len(emulator.messages())
        copied = board.mpremote(
            "mkdir", ":user", "+", "cp", str(tmp_path / "soil.py"), ":user/", "+", "reset"
        )
        assert copied.returncode == 0, copied.stdout + copied.stderr
        board.wait_until(
            lambda: any("bed_moisture" in m["text"] for m in emulator.messages()[seen:]),
            "report of the person's sensor",
        )
        board.cut_power()
    files = files_for(
        json.loads(config.read_text()), chip="host", native_digests=True, with_aio=True
    )
    assert "lib/linkpost/sensors/user.mpy" in files
    kind = kinds.KINDS["ESP32_GENERIC"]
    image.refresh_image(tmp_path / "flash.img", kind, {**files, "main.py": b"# new\n"})
    kept: LittleFS = image.open_image(tmp_path / "flash.img", kind)
    with kept.open("user/soil.py", "rb") as file:
        assert file.read() == SOIL.encode()
