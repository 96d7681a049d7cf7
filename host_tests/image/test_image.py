"""`linkpost image`: images that real MicroPython mounts, and that a virtual board boots from."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from emulator_process import DEVICE_NAME, DEVICE_SECRET, PRODUCT_KEY, EmulatorProcess
from firmware_files import firmware_of, partition
from linkpost_command import run, start
from terminal import linkpost_in_terminal

from tools import firmware
from tools.client.devices_csv import Triple
from tools.firmware.boards import ESP32, boards
from tools.flash.firmware_image import uf2_blocks
from tools.image.build import device_image, file_names, layout_of
from tools.virtual_board import runtimes, unix_port
from tools.virtual_board.image import build_image, open_image
from tools.virtual_board.kinds import kind_of

SECRET = "canary-secret-of-a-device"
needs_micropython = pytest.mark.skipif(
    not runtimes.has_micropython(), reason="the MicroPython wheel is not here"
)
# Mounts the image as a chip does, reads every file, writes one, and mounts it again.
MOUNT = """
import json, sys, vfs
path, block_count, block_size, read_size, prog_size = json.loads(sys.argv[1])
class Flash:
    def __init__(self):
        with open(path, "rb") as file:
            self.image = bytearray(file.read())
    def readblocks(self, block, buffer, offset=0):
        at = block * block_size + offset
        buffer[:] = self.image[at : at + len(buffer)]
    def writeblocks(self, block, data, offset=0):
        at = block * block_size + offset
        self.image[at : at + len(data)] = data
    def ioctl(self, op, argument):
        if op == 4: return block_count
        if op == 5: return block_size
        if op == 6:
            at = argument * block_size
            self.image[at : at + block_size] = b"\\xff" * block_size
        return 0
flash = Flash()
def mount():
    vfs.mount(vfs.VfsLfs2(flash, readsize=read_size, progsize=prog_size, lookahead=32), "/board")
mount()
import os
def walk(folder):
    for entry in os.ilistdir(folder):
        name = folder + "/" + entry[0]
        if entry[1] & 0x4000:
            yield from walk(name)
        else:
            with open(name, "rb") as file:
                yield name[7:], len(file.read())
found = dict(walk("/board"))
with open("/board/config.json") as file:
    config = json.load(file)
with open("/board/token", "wb") as file:
    file.write(b"t" * 3000)
vfs.umount("/board")
mount()
with open("/board/token", "rb") as file:
    assert file.read() == b"t" * 3000
print(json.dumps([found, config]))
"""


def template(tmp_path, **changes):
    config = {
        "endpoint": "iot.example.com",
        "product_key": "a1B2c3D4e5F",
        "device_name": "sensor01",
        "device_secret": SECRET,
        "wifi": {"ssid": "lab", "password": "correct horse"},
        **changes,
    }
    path = tmp_path / "template.json"
    path.write_text(json.dumps(config))
    return path


def devices(tmp_path, count):
    path = tmp_path / "devices.csv"
    rows = [f"a1B2c3D4e5F,board{i:04},{SECRET}{i:04}" for i in range(count)]
    path.write_text("\n".join(["ProductKey,DeviceName,DeviceSecret", *rows, ""]))
    return path


def file_system_of(board, path, manifest):
    """Return the file system's bytes in an image, wherever it lies."""
    data = path.read_bytes()
    if board.port == ESP32:
        size = manifest["block_count"] * manifest["block_size"]
        return data[-size:]
    content = bytearray(b"\xff" * manifest["block_count"] * manifest["block_size"])
    begin = board.offset + manifest["file_system_start"]
    for block in uf2_blocks(data, path.name):
        at = block.address - begin
        if at >= 0 and block.family == board.uf2_family:
            content[at : at + len(block.payload)] = block.payload
    return bytes(content)


def mounted(board, path, manifest, tmp_path):
    """Mount an image in real MicroPython with that chip's settings; return (files, config)."""
    raw = tmp_path / "file-system"
    raw.write_bytes(file_system_of(board, path, manifest))
    options = [
        str(raw),
        manifest["block_count"],
        manifest["block_size"],
        board.read_size,
        board.prog_size,
    ]
    script = tmp_path / "mount.py"
    script.write_text(MOUNT)
    done = subprocess.run(
        [sys.executable, "-I", unix_port.__file__, "-X", "heapsize=64M", str(script)]
        + [json.dumps(options)],
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


@needs_micropython
@pytest.mark.parametrize("with_micropython", [False, True], ids=["files", "whole"])
@pytest.mark.parametrize("name", sorted(boards()))
def test_image_mounts_in_micropython_with_that_chips_settings(tmp_path, name, with_micropython):
    board = boards()[name]
    arguments = ["image", name, "--config", template(tmp_path), "--out", tmp_path / "out"]
    firmware = firmware_of(board, 70_000)
    if with_micropython:
        file = tmp_path / f"{name}-v{board.version}"
        file.write_bytes(firmware)
        arguments += ["--micropython", file]
    result = run(*arguments)
    assert result.returncode == 0, result.stderr
    assert ("MicroPython v1.27.0, firmware and config\n" in result.stdout) == with_micropython
    assert (f"Next: linkpost flash {name}, then " in result.stdout) == (not with_micropython)
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    (entry,) = manifest["images"]
    path = tmp_path / "out" / entry["file"]
    data = path.read_bytes()
    assert hashlib.sha256(data).hexdigest() == entry["sha256"]
    assert len(data) == entry["bytes"]
    if with_micropython and board.port == ESP32:
        assert data.startswith(firmware)
        assert hex(board.offset) in manifest["command"]
    if with_micropython and board.port != ESP32:
        blocks = {block.address: block.payload for block in uf2_blocks(data, "x")}
        for block in uf2_blocks(firmware, "x"):
            assert blocks[block.address] == block.payload
    files, config = mounted(board, path, manifest, tmp_path)
    assert config["device_secret"] == SECRET
    assert {"main.py", "config.json", "lib/linkpost/app.mpy", "token"} - {"token"} <= set(files)
    port_file = f"lib/linkpost/ports/{board.port}.mpy"
    assert port_file in files
    assert len([file for file in files if file.endswith(".der")]) == 4


def test_partition_of_its_own_decides_where_the_files_go(tmp_path):
    board = boards()["ESP32_GENERIC"]
    file = tmp_path / "ESP32_GENERIC-20250415-v1.25.0.bin"
    app = partition(0, 0x10000, 0x1F0000, "factory")
    own = partition(1, 0x300000, 0x100000, "vfs")
    file.write_bytes(firmware_of(board, 70_000, [app, own]))
    out = tmp_path / "out"
    config = template(tmp_path)
    result = run("image", board.name, "--config", config, "--out", out, "--micropython", file)
    assert result.returncode == 0, result.stderr
    manifest = json.loads((out / "manifest.json").read_text())
    assert (manifest["file_system_start"], manifest["block_count"]) == (0x300000, 256)


def test_flash_size_decides_how_many_blocks_there_are(tmp_path):
    out = tmp_path / "out"
    arguments = ("--config", template(tmp_path), "--out", out, "--flash-size")
    assert run("image", "ESP32_GENERIC_S3", *arguments, "16MB").returncode == 0
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["block_count"] == (16 - 2) * 256
    again = run("image", "RPI_PICO_W", *arguments[:-1], "--flash-size", "16MB")
    assert again.returncode == 2
    assert "RPI_PICO_W" in again.stderr


def test_list_of_devices_gives_an_image_each_and_secrets_only_there(tmp_path):
    out = tmp_path / "out"
    config, csv = template(tmp_path), devices(tmp_path, 20)
    result = run("image", "RPI_PICO_W", "--config", config, "--csv", csv, "--out", out)
    assert result.returncode == 0, result.stderr
    assert "20 images" in result.stdout
    text = (out / "manifest.json").read_text()
    assert SECRET not in text + result.stdout + result.stderr
    assert "correct horse" not in text + result.stdout + result.stderr
    manifest = json.loads(text)
    assert [entry["device"] for entry in manifest["images"]] == [
        f"a1B2c3D4e5F/board{i:04}" for i in range(20)
    ]
    for i, entry in enumerate(manifest["images"]):
        path = out / entry["file"]
        assert f"{SECRET}{i:04}".encode() in path.read_bytes()
        assert SECRET.encode() + f"{(i + 1) % 20:04}".encode() not in path.read_bytes()
        if os.name == "posix":
            assert path.stat().st_mode & 0o777 == 0o600
    if os.name == "posix":
        assert out.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(sys.platform != "linux", reason="holes are counted in blocks on Linux")
def test_images_take_little_room(tmp_path):
    out = tmp_path / "out"
    config, csv = template(tmp_path), devices(tmp_path, 8)
    arguments = ("--config", config, "--csv", csv, "--out", out)
    assert run("image", "ESP32_GENERIC", *arguments).returncode == 0
    stored = sum(path.stat().st_blocks * 512 for path in out.iterdir())
    assert stored < 8 * 500_000  # each file of the firmware has a block of 4 KB
    assert all(path.stat().st_size == 2 << 20 for path in out.glob("*.bin"))


def test_names_that_no_host_takes_as_a_file_are_made_safe_and_stay_apart(tmp_path):
    out = tmp_path / "out"
    csv = tmp_path / "devices.csv"
    csv.write_text(
        "ProductKey,DeviceName,DeviceSecret\na1pk,a:b@c,x\na1pk,a_b_c,x\na1pk,a@b:c,x\n"
    )
    result = run("image", "RPI_PICO_W", "--config", template(tmp_path), "--csv", csv, "--out", out)
    assert result.returncode == 0, result.stderr
    names = sorted(path.name for path in out.glob("*.uf2"))
    assert len(names) == 3
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789_.-") for name in names)


@pytest.mark.parametrize("seed", range(6))
def test_uf2_over_an_older_file_system_shows_nothing_of_it(seed):
    # Of a directory's two blocks the newer counts, and the boot loader writes what the UF2 has:
    # it has to have both.
    board = boards()["RPI_PICO_W"]
    kind = kind_of(board)
    older = build_image(kind, random_files(seed))
    for life in range(3):  # lived in: its blocks have higher revisions
        older = build_image(kind, random_files(1000 * seed + life), older)
    layout = layout_of(board, None, None)
    wanted = random_files(seed + 100)
    flash = bytearray(older)
    image = device_image(layout, build_image(kind, wanted), b"{}")
    for block in uf2_blocks(image, "image"):
        at = block.address - board.offset - layout.start
        flash[at : at + len(block.payload)] = block.payload
    assert content_of(kind, bytes(flash)) == {**wanted, "config.json": b"{}"}


def random_files(seed):
    made = random.Random(seed)
    return {
        f"lib/linkpost/{folder}/{i}.mpy": made.randbytes(made.randrange(100, 3000))
        for folder in range(made.randrange(1, 6))
        for i in range(made.randrange(1, 12))
    }


def content_of(kind, data):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "flash")
        path.write_bytes(data)
        file_system = open_image(path, kind)
    found = {}
    for root, _, names in file_system.walk("/"):
        for name in names:
            with file_system.open(f"{root.rstrip('/')}/{name}", "rb") as file:
                found[f"{root}/{name}".lstrip("/")] = file.read()
    return found


@pytest.mark.parametrize(
    ("changes", "csv_text", "words"),
    [
        ({"client_id": "one"}, None, "client_id"),
        ({"sleep": "deep"}, None, "has no deep sleep"),
        ({"watchdog_s": 9}, None, "watchdog_s"),
        ({"intervall_s": 3}, None, "intervall_s"),
        ({}, "ProductKey,DeviceName,DeviceSecret\na1pk,sensor01,\n", "line 2"),
    ],
)
def test_wrong_input_is_told_and_nothing_is_written(tmp_path, changes, csv_text, words):
    out = tmp_path / "out"
    csv = devices(tmp_path, 2)
    if csv_text:
        csv.write_text(csv_text)
    config = template(tmp_path, **changes)
    result = run("image", "RPI_PICO_W", "--config", config, "--csv", csv, "--out", out)
    assert result.returncode == 2
    assert words in result.stderr
    assert SECRET not in result.stderr
    assert not out.exists()


def test_folder_that_is_not_empty_is_left_alone(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine").write_text("mine")
    result = run("image", "RPI_PICO_W", "--config", template(tmp_path), "--out", out)
    assert result.returncode == 2
    assert [path.name for path in out.iterdir()] == ["mine"]


@needs_micropython
def test_virtual_board_boots_from_an_image_and_reports(tmp_path):
    with EmulatorProcess() as emulator:
        config = template(
            tmp_path,
            endpoint=emulator.platform,
            product_key=PRODUCT_KEY,
            device_name=DEVICE_NAME,
            device_secret=DEVICE_SECRET,
            interval_s=0,
            sensors=[{"type": "simulated"}],
        )
        out = tmp_path / "out"
        arguments = ("--config", config, "--out", out, "--ca", emulator.ca)
        assert run("image", "ESP32_GENERIC", *arguments).returncode == 0
        manifest = json.loads((out / "manifest.json").read_text())
        flash = out / manifest["images"][0]["file"]
        # `board run` gives it the port of this desktop; all else is there already.
        end = ("--reports", 2, "--timeout", 60)
        arguments = ("--config", config, "--flash", flash, "--ca", emulator.ca, *end)
        result = run("board", "run", *arguments)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("board: ")


def test_images_of_names_that_differ_by_case_alone_are_files_everywhere(tmp_path):
    names = ["sensor01", "Sensor01", "SENSOR01", "sensor02", "a:b@cd"]
    triples = [Triple("a1B2c3D4e5F", name, "s") for name in names]
    triples.append(Triple("A1b2c3D4e5F", "sensor02", "s"))
    made = file_names(triples, ".bin")
    assert len({name.casefold() for name in made}) == len(triples)
    assert file_names(triples, ".bin") == made
    assert file_names(triples[:1], ".bin") == ["a1B2c3D4e5F.sensor01.bin"]
    rows = [f"{t.product_key},{t.device_name},{SECRET}" for t in triples]
    csv = tmp_path / "devices.csv"
    csv.write_text("\n".join(["ProductKey,DeviceName,DeviceSecret", *rows, ""]))
    out = tmp_path / "out"
    config = template(tmp_path)
    result = run("image", "RPI_PICO_W", "--config", config, "--csv", csv, "--out", out)
    assert result.returncode == 0, result.stderr
    folded = {path.name.casefold() for path in out.iterdir()}
    assert len(folded) == len(triples) + 2  # with manifest and labels
    images = json.loads((out / "manifest.json").read_text())["images"]
    assert {(one["device"], one["file"].partition("-")[0]) for one in images} == {
        (t.key, f"{t.product_key}.{t.device_name}".replace(":", "_").replace("@", "_"))
        for t in triples
    }


def test_image_that_fails_leaves_nothing_in_a_folder_that_was_there(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    csv = tmp_path / "devices.csv"
    long = "n" * 32
    csv.write_text(f"ProductKey,DeviceName,DeviceSecret\na1,sensor01,s\na1,{long},s\n")
    config = template(tmp_path, topic="/{product_key}/" + "{device_name}/" * 6)
    result = run("image", "RPI_PICO_W", "--config", config, "--csv", csv, "--out", out)
    assert result.returncode == 2, result.stdout
    assert list(out.iterdir()) == []


# -- many: stopped, killed, gone on with


def many(tmp_path, count=60):
    return (
        "image", "ESP32_GENERIC", "--config", template(tmp_path),
        "--csv", devices(tmp_path, count), "--out", tmp_path / "out",
    )  # fmt: skip


def manifest_of(tmp_path):
    return json.loads((tmp_path / "out" / "manifest.json").read_text())


def images_in(tmp_path):
    return sorted((tmp_path / "out").glob("*.bin"))


def wait_for(condition, wait_s=60.0):
    end = time.monotonic() + wait_s
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def check_whole(tmp_path, count):
    """Every image is whole, in the manifest, and its own device's; nothing else is there."""
    found = manifest_of(tmp_path)
    assert (found["complete"], found["devices"], len(found["images"])) == (True, count, count)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "manifest.json", "labels.csv", *(entry["file"] for entry in found["images"]),
    }  # fmt: skip
    for i, entry in enumerate(found["images"]):
        data = (tmp_path / "out" / entry["file"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == entry["sha256"]
        assert f"{SECRET}{i:04}".encode() in data


def test_size_is_said_first_and_the_label_table_has_no_secret(tmp_path):
    done = run(*many(tmp_path, 20))
    assert done.returncode == 0, done.stderr
    assert "20 images of about 2.1 MB: about " in done.stderr.splitlines()[0]
    table = (tmp_path / "out" / "labels.csv").read_text()
    assert table.splitlines()[:2] == [
        "Name,ProductKey,QR",
        "a1B2c3D4e5F/board0000,a1B2c3D4e5F,board0000",
    ]
    assert len(table.splitlines()) == 21
    assert SECRET not in table
    check_whole(tmp_path, 20)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "killed"])
def test_what_was_stopped_leaves_whole_images_and_is_gone_on_with(tmp_path, how):
    with start(*many(tmp_path, 120)) as process:
        wait_for(lambda: len(images_in(tmp_path)) > 10)
        if how == signal.SIGINT:
            os.killpg(process.pid, how)  # as a terminal does
            _, errors = process.communicate(timeout=60)
            assert process.returncode == 130
            assert "images are complete, and manifest.json says which" in errors
            assert "Traceback" not in errors
        else:
            os.killpg(process.pid, how)
            process.wait(20)
    found = manifest_of(tmp_path)
    assert not found["complete"]
    made = images_in(tmp_path)
    assert 10 < len(made) < 120
    for entry in found["images"]:
        data = (tmp_path / "out" / entry["file"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == entry["sha256"]
    if how == signal.SIGINT:
        assert {path.name for path in made} == {entry["file"] for entry in found["images"]}
        assert not list((tmp_path / "out").glob("*.part"))
    kept = {entry["file"]: (tmp_path / "out" / entry["file"]).stat().st_mtime_ns
            for entry in found["images"]}  # fmt: skip
    done = run(*many(tmp_path, 120))
    assert done.returncode == 0, done.stderr
    if kept:
        assert f"{len(kept)} of 120 images exist already" in done.stderr
    check_whole(tmp_path, 120)
    for name, then in kept.items():
        assert (tmp_path / "out" / name).stat().st_mtime_ns == then


def test_secret_that_changed_is_made_anew_and_only_that(tmp_path):
    assert run(*many(tmp_path, 20)).returncode == 0
    before = {path.name: path.stat().st_mtime_ns for path in images_in(tmp_path)}
    arguments = many(tmp_path, 20)
    csv = tmp_path / "devices.csv"
    csv.write_text(csv.read_text().replace(f"{SECRET}0007", f"{SECRET}9999"))
    assert run(*arguments).returncode == 0
    after = {path.name: path.stat().st_mtime_ns for path in images_in(tmp_path)}
    assert {name for name in after if after[name] != before[name]} == {
        manifest_of(tmp_path)["images"][7]["file"]
    }
    (tmp_path / "out" / manifest_of(tmp_path)["images"][3]["file"]).unlink()
    assert run(*arguments).returncode == 0
    assert len(images_in(tmp_path)) == 20


def test_folder_of_other_images_is_left_alone(tmp_path):
    assert run(*many(tmp_path, 3)).returncode == 0
    before = {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    for change, words in (
        (("--flash-size", "8MB"), "another board, firmware, template or CA"),
        ((), "devices that are not in this list"),
    ):
        arguments = many(tmp_path, 3 if change else 2)
        done = run(*arguments, *change)
        assert done.returncode == 2
        assert words in done.stderr
        assert {path: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="nothing stops a process there")
def test_second_one_at_the_same_folder_is_kept_off(tmp_path):
    with start(*many(tmp_path, 120)) as process:
        wait_for(lambda: len(images_in(tmp_path)) > 2)
        # Not done before the second one has begun, which takes a while on a busy machine.
        process.send_signal(signal.SIGSTOP)
        try:
            done = run(*many(tmp_path, 120))
        finally:
            process.send_signal(signal.SIGCONT)
        assert done.returncode == 2
        assert "is in use by another linkpost image" in done.stderr
        process.communicate(timeout=100)
    assert process.returncode == 0
    check_whole(tmp_path, 120)


def test_progress_of_images_shows_the_time_left(tmp_path):
    with linkpost_in_terminal(*many(tmp_path, 120)) as terminal:
        terminal.wait_for("images of about")
        terminal.wait_for("/120")
        terminal.wait_for("left")
        assert terminal.end() == 0, terminal.text


SOIL = (
    b"class Sensor:\n    def __init__(self, options, port): ...\n    def read(self): return {}\n"
)


def own_files(tmp_path, **files):
    folder = tmp_path / "own"
    for name, content in {"soil.py": SOIL, **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


@pytest.mark.parametrize("name", ["ESP32_GENERIC", "RPI_PICO_W"])
def test_image_has_a_persons_sensors_and_main(tmp_path, name):
    own_main = b"import linkpost.aio\nprint('mine')\n"
    more = {"parts/filter.py": b"x = 1\n", "table.bin": b"\0\1", "main.py": own_main}
    user = own_files(tmp_path, **more, **{"__pycache__/soil.pyc": b"?", ".hidden": b"?"})
    config = template(tmp_path, sensors=[{"type": "user.soil", "pin": 34}])
    out = tmp_path / "out"
    result = run("image", name, "--config", config, "--out", out, "--user", user)
    assert result.returncode == 0, result.stderr
    manifest = json.loads((out / "manifest.json").read_text())
    board = boards()[name]
    raw = tmp_path / "raw.img"
    raw.write_bytes(file_system_of(board, out / manifest["images"][0]["file"], manifest))
    file_system = open_image(raw, kind_of(board, manifest["block_count"]))
    found = {}
    for root, _, names in file_system.walk("/"):
        for one in names:
            with file_system.open(f"{root.rstrip('/')}/{one}", "rb") as file:
                found[f"{root.rstrip('/')}/{one}".lstrip("/")] = file.read()
    users = {path for path in found if path.startswith("user/")}
    assert users == {"user/soil.py", "user/parts/filter.py", "user/table.bin"}
    assert (found["user/soil.py"], found["main.py"]) == (SOIL, own_main)
    assert "lib/linkpost/aio.mpy" in found
    # A deploy later keeps it: the hash that is noted is that of our own.
    ours = hashlib.sha256(firmware.main_py().read_bytes()).hexdigest()
    assert json.loads(found["lib/linkpost/deployed.json"])["main_sha256"] == ours


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (None, "user/soil.py is not included: put it in --user DIR"),
        ({"soil.py": b"class Sensor:\n  def read(self:\n"}, "soil.py"),
        ({"soil.py": b"class Soil:\n    pass\n"}, "user/soil.py has no class Sensor"),
        ({"soil.py": SOIL, "main.py": b"import (\n"}, "main.py"),
    ],
)
@pytest.mark.parametrize("command", ["image", "factory"])
def test_sensors_that_would_stop_every_board_are_refused(tmp_path, command, files, words):
    config = template(tmp_path, sensors=[{"type": "user.soil"}])
    arguments = [command, "RPI_PICO_W", "--config", config, "--csv", devices(tmp_path, 3)]
    if command == "image":
        arguments += ["--out", tmp_path / "out"]
    else:
        firmware_file = tmp_path / "RPI_PICO_W-v1.27.0.uf2"
        firmware_file.write_bytes(firmware_of(boards()["RPI_PICO_W"], 60_000))
        arguments += ["--ledger", tmp_path / "ledger", "--firmware", firmware_file]
    if files is not None:
        arguments += ["--user", own_files(tmp_path, **files)]
    result = run(*arguments)
    assert result.returncode == 2, result.stderr
    assert words in result.stderr
    assert SECRET not in result.stderr
    assert not (tmp_path / "out").exists()
