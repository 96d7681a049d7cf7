"""What holds secrets on this machine is for its owner only, whatever the umask: here it is 000.

Files are 0600; a folder that a command makes for them is 0700, which also keeps others off what
SQLite or a board writes there later.
"""

import json
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from emulator_process import DEVICE_SECRET, EmulatorProcess
from filled_outbox import fill_outbox
from firmware_files import firmware_of
from linkpost_command import run, start, write_config
from serial_board import needs_serial_board, serial_board

from tools.firmware.boards import boards
from tools.virtual_board import runtimes

pytestmark = pytest.mark.skipif(os.name != "posix", reason="file modes")
WAIT_S = 60


@pytest.fixture(autouse=True)
def no_umask():
    """Let everything be open to all that does not see to it itself; children inherit that."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture(scope="module")
def emulator():
    before = os.umask(0)
    try:
        with EmulatorProcess() as process:
            yield process
    finally:
        os.umask(before)


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """The folder of a template and a device list, which its person has made."""
    folder = tmp_path_factory.mktemp("given")
    config = {"endpoint": "iot.example.com", "wifi": {"ssid": "lab", "password": "pass-word"}}
    (folder / "template.json").write_text(json.dumps(config))
    rows = f"DeviceName,DeviceSecret,ProductKey\nsensor01,{DEVICE_SECRET},a1B2c3D4e5F\n"
    (folder / "devices.csv").write_text(rows)
    return ("--config", folder / "template.json", "--csv", folder / "devices.csv")


def mode(path):
    return stat.S_IMODE(Path(path).stat().st_mode)


def open_to_others(folder):
    """Return what others may read or write below a folder: under a 0700 one, nothing."""
    found = []
    for path in sorted(Path(folder).iterdir()):
        if path.is_symlink():
            continue
        if path.is_dir():
            found += open_to_others(path) if mode(path) != 0o700 else []
        elif mode(path) & 0o077:
            found.append(f"{path.name} {mode(path):o}")
    return found


def done(*arguments):
    result = run(*arguments)
    assert result.returncode == 0, result.stderr
    return result


def test_check_sees_an_open_file_and_an_open_folder(tmp_path):
    (tmp_path / "open").mkdir()
    (tmp_path / "open" / "file").write_text("x")
    (tmp_path / "closed").mkdir(mode=0o700)
    (tmp_path / "closed" / "file").write_text("x")
    assert open_to_others(tmp_path) == ["file 666"]


def test_emulator_keeps_database_keys_and_ready_file_to_its_owner(emulator):
    run("send", "--config", write_config(emulator.directory, emulator.platform),
        "--ca", emulator.ca, "--data", "x", "--runtime", "cpython")  # fmt: skip
    (emulator.directory / "config.json").unlink()  # ours
    names = {path.name for path in emulator.directory.iterdir()}
    assert {"emulator.db", "emulator.db-wal", "emulator.db-shm", "ready.json", "certs"} <= names
    for name in ("emulator.db", "emulator.db-wal", "emulator.db-shm", "ready.json"):
        assert mode(emulator.directory / name) == 0o600, name
    assert mode(emulator.directory / "certs") == 0o700
    for name in ("ca.key.pem", "server.pem"):
        assert mode(emulator.directory / "certs" / name) == 0o600, name


def test_emulator_makes_its_data_folder_private(tmp_path):
    place = tmp_path / "new" / "emulator"
    options = ("--db", place / "emulator.db", "--cert-dir", tmp_path / "new" / "certs")
    ready = tmp_path / "ready.json"
    arguments = ("--port", 0, "--console-port", 0, "--ready-file", ready, *options)
    with start("emulator", "--device", f"a1pk,sensor01,{DEVICE_SECRET}", *arguments) as process:
        wait_for(ready, process)
        assert mode(place) == mode(tmp_path / "new" / "certs") == 0o700


def test_config_of_provision_is_for_its_owner(tmp_path):
    given = write_config(tmp_path, "iot.example.com")
    out = tmp_path / "out.json"
    done("provision", "--from", given, "--out", out)
    assert DEVICE_SECRET in out.read_text()
    assert mode(out) == 0o600
    out.chmod(0o644)
    done("provision", "--from", given, "--out", out, "--yes")
    assert mode(out) == 0o600


@pytest.mark.parametrize("name", ["RPI_PICO_W", "ESP32_GENERIC"])
@pytest.mark.parametrize("merged", [False, True], ids=["files alone", "with MicroPython"])
def test_images_are_for_their_owner(tmp_path, template, name, merged):
    more = ()
    if merged:
        board = boards()[name]
        suffix = "uf2" if name.startswith("RPI") else "bin"
        firmware = tmp_path / f"micropython.{suffix}"
        firmware.write_bytes(firmware_of(board, 60_000))
        more = ("--micropython", firmware)
    out = tmp_path / "out"
    done("image", name, *template, "--out", out, *more)
    assert mode(out) == 0o700
    images = [path for path in out.iterdir() if path.name != "manifest.json"]
    assert images
    for path in images:
        assert mode(path) == 0o600, path
    assert DEVICE_SECRET not in (out / "manifest.json").read_text()


@pytest.mark.parametrize(
    "runtime",
    [
        "cpython",
        pytest.param(
            "micropython",
            marks=pytest.mark.skipif(
                not runtimes.has_micropython(), reason="the MicroPython wheel is not here"
            ),
        ),
    ],
)
@pytest.mark.parametrize("folder_is_there", [False, True])
def test_flash_of_a_virtual_board_is_for_its_owner(emulator, tmp_path, runtime, folder_is_there):
    place = tmp_path / "place"
    place.mkdir()
    flash = place / "flash"
    if folder_is_there and runtime == "cpython":
        flash.mkdir()  # open to all: what the board writes there is not
    config = write_config(tmp_path, emulator.platform)
    done("board", "run", "--config", config, "--flash", flash, "--ca", emulator.ca,
         "--reports", 1, "--timeout", 60, "--runtime", runtime)  # fmt: skip
    if runtime == "cpython":
        assert (flash / "token").exists()
        assert folder_is_there or mode(flash) == 0o700
        assert DEVICE_SECRET in (flash / "config.json").read_text()
        for secret in (flash / "token", flash / "config.json"):
            assert mode(secret) == 0o600, secret
    assert open_to_others(place) == []


@needs_serial_board
def test_flash_of_a_board_on_a_port_is_for_its_owner(tmp_path):
    with serial_board(tmp_path, files={"config.json": b"{}"}) as board:
        board.mpremote("exec", "1")
        assert mode(board.flash) == 0o600


def test_factory_keeps_ledger_and_images_to_its_owner(tmp_path, template):
    board = boards()["ESP32_GENERIC"]
    firmware = tmp_path / "micropython.bin"
    firmware.write_bytes(firmware_of(board, 60_000))
    ledger = tmp_path / "ledger.jsonl"
    arguments = (*template, "--ledger", ledger, "--firmware", firmware)
    with start("factory", board.name, *arguments, "--port", tmp_path / "no-port") as process:
        wait_for(Path(f"{ledger}.images"), process)
        assert mode(ledger) == 0o600
        assert mode(f"{ledger}.images") == 0o700


def wait_for(path, process):
    """Wait until a command has made that path."""
    end = time.monotonic() + WAIT_S
    while not path.exists():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < end, f"no {path.name}"
        time.sleep(0.02)


def test_umask_is_inherited_by_the_commands_here():
    said = subprocess.run(
        [sys.executable, "-c", "import os; print(os.umask(0))"], capture_output=True, text=True
    )
    assert said.stdout == "0\n"


def test_lists_of_secrets_and_rescued_readings_are_for_their_owner(tmp_path):
    secret = tmp_path / "product.secret"
    secret.write_text("product-secret")
    with EmulatorProcess((), ("--product", "a1B2c3D4e5F,product-secret")) as emulator:
        emulator.add_names("a1B2c3D4e5F", ["sensor01"])
        out = tmp_path / "devices.csv"
        connect = ("--host", emulator.platform, "--ca", emulator.ca)
        done("register", "--product-key", "a1B2c3D4e5F", "--product-secret-file", secret,
             "--name", "sensor01", "--out", out, *connect)  # fmt: skip
        assert mode(out) == 0o600
        flash, readings = tmp_path / "flash", tmp_path / "readings.jsonl"
        fill_outbox(flash, 2)
        done("outbox", "--flash", flash, "--save", readings)
        assert mode(readings) == 0o600
        given = out.read_text().splitlines()[1].split(",")[1]
        config = write_config(tmp_path, emulator.platform, device_secret=given)
        done("send", "--readings", readings, "--config", config, "--ca", emulator.ca)
        assert mode(f"{readings}.sent") == 0o600
