"""`linkpost board chip` and what people give it by mistake: one line, and exit 2."""

import os

import linkpost_command
import pytest
from emulator_process import DEVICE_NAME, DEVICE_SECRET, PRODUCT_KEY
from firmware_files import firmware_of
from tls_server import Authority

from host_tests.chip import progress
from host_tests.chip.emulated_board import WIFI, add_file
from tools.chip import cache, fill, flash, node
from tools.firmware.boards import find_board
from tools.flash.firmware_image import encode_uf2
from tools.terminal.failures import CommandError
from tools.virtual_board import image

no_files = pytest.mark.no_files
CONFIG = {
    "endpoint": "localhost:9",
    "product_key": PRODUCT_KEY,
    "device_name": DEVICE_NAME,
    "device_secret": DEVICE_SECRET,
    "wifi": WIFI,
}


def chip(*arguments, **variables):
    """Run `linkpost board chip` to its end; return its exit code and what it said."""
    with linkpost_command.start_module("tools", "board", "chip", *arguments, **variables) as one:
        output, errors = one.communicate(timeout=90)
    progress.add_told(errors)
    ours = [line for line in errors.splitlines() if line.startswith("linkpost: ")]
    assert ours or "Traceback" not in errors, errors
    return one.returncode, output, errors.strip()


def says(found, *words, code=2):
    """Check that a command ended with that code and one line that has these words."""
    returncode, output, errors = found
    assert returncode == code, (returncode, output, errors)
    last = errors.splitlines()[-1]
    for word in words:
        assert word in last, errors


@pytest.fixture
def empty_cache(tmp_path):
    """A cache of its own; none of the person's files are touched."""
    return {"XDG_CACHE_HOME": str(tmp_path / "cache")}


@no_files
def test_fetch_of_a_uf2_for_another_chip_says_for_which(tmp_path, empty_cache):
    path = tmp_path / "RPI_PICO2_W-20250911-v1.26.1.uf2"
    path.write_bytes(firmware_of(find_board("RPI_PICO2_W")))
    says(chip("fetch", "--micropython", path, **empty_cache), "RP2350", "RP2040")


@no_files
def test_fetch_of_a_truncated_uf2_says_so(tmp_path, empty_cache):
    path = tmp_path / "RPI_PICO_W-20250911-v1.26.1.uf2"
    for cut in (700, 1024):  # the second leaves whole blocks
        path.write_bytes(firmware_of(find_board("RPI_PICO_W"))[:-cut])
        says(chip("fetch", "--micropython", path, **empty_cache), path.name, "cut short")


@no_files
def test_fetch_reads_the_version_from_the_build_not_from_its_name(
    tmp_path, empty_cache, monkeypatch
):
    """It decides whose digests a board gets."""
    monkeypatch.setenv("XDG_CACHE_HOME", empty_cache["XDG_CACHE_HOME"])
    build = firmware_of(find_board("RPI_PICO_W"))
    for name, version in (
        ("firmware.uf2", b"1.28.0"),
        ("RPI_PICO_W-20270101-v9.99.0.uf2", b"1.26.1"),
    ):
        path = tmp_path / name
        path.write_bytes(build.replace(b"MicroPython v1.27.0", b"MicroPython v" + version))
        assert chip("fetch", "--micropython", path, **empty_cache)[0] == 0
        kept = tmp_path / "cache" / "linkpost" / "chip" / f"RPI_PICO_W-v{version.decode()}.uf2"
        assert kept.exists()
    # The newest counts.
    found = cache.micropython()
    assert (found[0], cache.version_of(found[1])) == ("RPI_PICO_W-v1.28.0.uf2", (1, 28, 0))
    path.write_bytes(build.replace(b"MicroPython v1.27.0", b"MicroPython of mine"))
    says(chip("fetch", "--micropython", path, **empty_cache), "does not tell which MicroPython")


@no_files
@pytest.mark.parametrize(
    "content", [b"\0" * 100, b"\0" * 16384, b""], ids=["small", "zeros", "empty"]
)
def test_fetch_of_what_is_no_boot_rom_says_what_one_is(tmp_path, empty_cache, content):
    path = tmp_path / "rom.bin"
    path.write_bytes(content)
    says(chip("fetch", "--bootrom", path, **empty_cache), "boot ROM")


@no_files
def test_run_without_the_two_files_says_how_to_get_them(tmp_path, empty_cache):
    config = linkpost_command.write_config(tmp_path, "localhost:9", wifi=WIFI)
    found = chip("run", "--config", config, "--reports", 1, **empty_cache)
    says(found, "linkpost board chip fetch")


@no_files
def test_run_with_nothing_to_run_says_what_to_give():
    says(chip("run", "--reports", 1), "--config", "--image", "--flash")


@no_files
def test_node_missing_or_too_old_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CommandError, match="install Node.js") as caught:
        node.node()
    assert caught.value.exit_code == 2
    old = tmp_path / "node"
    old.write_text("#!/bin/sh\necho v12.22.9\n")
    old.chmod(0o755)
    with pytest.raises(CommandError, match="v12.22.9, which is too old: install Node.js"):
        node.node()


@no_files
def test_npm_without_a_network_says_so_in_one_line(tmp_path, monkeypatch):
    source = tmp_path / "some_packages"
    source.mkdir()
    (source / "package.json").write_text("{}")
    (source / "package-lock.json").write_text("{}")
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho 'npm error code ENOTFOUND' >&2\nexit 1\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/bin:/usr/bin")
    monkeypatch.setattr(node, "kept_dir", lambda: tmp_path / "build")
    with pytest.raises(CommandError, match="npm cannot install x .*ENOTFOUND.*network") as caught:
        node.installed(source, "x")
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)


def test_cache_file_changed_later_is_not_run(tmp_path, empty_cache):
    name, data = cache.micropython()
    uf2 = tmp_path / name
    uf2.write_bytes(data)
    done = chip("fetch", "--micropython", uf2, "--bootrom", cache.bootrom(), **empty_cache)
    assert done[0] == 0, done
    kept = tmp_path / "cache" / "linkpost" / "chip" / name
    content = bytearray(kept.read_bytes())
    content[5000] ^= 1
    kept.write_bytes(content)
    config = linkpost_command.write_config(tmp_path, "localhost:9", wifi=WIFI)
    found = chip("run", "--config", config, "--reports", 1, **empty_cache)
    says(found, "has changed since it was fetched", "Delete it")


def test_image_without_linkpost_or_without_micropython_says_which(tmp_path):
    name, data = cache.micropython()
    bare = tmp_path / name
    bare.write_bytes(data)
    says(chip("run", "--image", bare, "--reports", 1), "without linkpost", "linkpost image")
    only_files = tmp_path / "device.uf2"
    board = find_board("RPI_PICO_W")
    start = board.offset + board.file_system_start
    only_files.write_bytes(encode_uf2([(start, b"\0" * 256)], board.uf2_family or 0))
    says(chip("run", "--image", only_files, "--reports", 1), "no MicroPython", "--micropython")


@pytest.fixture
def ca(tmp_path):
    """A CA's PEM file."""
    path = tmp_path / "ca.pem"
    path.write_bytes(Authority().ca.cert_pem.bytes())
    return path


def test_endpoint_of_an_emulator_without_its_ca_says_what_to_do_and_writes_nothing(tmp_path):
    """What that is depends on where the config comes from."""
    config = linkpost_command.write_config(tmp_path, "localhost:9", wifi=WIFI)
    path = tmp_path / "pico.flash"
    given = ("--config", config, "--flash", path)
    says(chip("run", *given, "--reports", 1), "give --ca FILE")
    says(chip("serial", *given, "--link", tmp_path / "port"), "give --ca FILE")
    assert not path.exists()
    name, data = cache.micropython()
    micropython, made = tmp_path / name, tmp_path / "made"
    micropython.write_bytes(data)
    wanted = ("image", "RPI_PICO_W", "--config", config, "--micropython", micropython)
    done = linkpost_command.run(*wanted, "--out", made)
    assert done.returncode == 0, done.stderr
    [uf2] = made.glob("*.uf2")
    found = chip("run", "--image", uf2, "--flash", path, "--reports", 1)
    says(found, f"make {uf2.name} again, with linkpost image --ca FILE")
    assert not path.exists()
    add_file(path, "config.json", config.read_bytes())
    before = path.read_bytes()
    says(chip("run", "--flash", path, "--reports", 1), "give --config FILE and --ca FILE")
    assert path.read_bytes() == before


def test_exec_leaves_a_kept_flash_its_config_ca_and_program(tmp_path, ca):
    config = linkpost_command.write_config(tmp_path, "localhost:9", wifi=WIFI)
    script = tmp_path / "count.py"
    script.write_text("import sys, gc\nprint('loaded', 'linkpost' in sys.modules)\n")
    path = tmp_path / "pico.flash"
    flash.refresh(path, fill.files_of(config, ca))
    before = files_of(path)
    assert before["config.json"] == config.read_bytes()
    assert any(name.startswith("certs/ca-") for name in before)
    # main.py is there, and has not run for the script.
    code, output, errors = chip("exec", script, "--flash", path)
    assert (code, output) == (0, "loaded False\n"), errors
    assert files_of(path) == before
    found = chip("exec", script, "--flash", path, "--ca", ca)
    says(found, "--ca needs --config")
    code, output, errors = chip("exec", script, "--flash", path, "--config", config, "--ca", ca)
    assert (code, output) == (0, "loaded False\n"), errors
    assert files_of(path) == before


def files_of(path):
    found = flash.files_on(path)
    names = ("config.json", "config.json.checked", "main.py", *found.files("certs"))
    return {name: found.read(name) for name in names}


@pytest.mark.parametrize("text", [b"", b"# nothing yet\n"])
def test_exec_of_an_empty_script_ends_at_once(tmp_path, text):
    script = tmp_path / "empty.py"
    script.write_bytes(text)
    code, output, errors = chip("exec", script, "--timeout", 20)
    assert (code, output) == (0, ""), errors


def test_exec_of_a_script_that_uses_tls_of_the_computer_without_the_firmware(tmp_path):
    script = tmp_path / "bare.py"
    script.write_text("import tls\nprint(tls.SSLContext(tls.PROTOCOL_TLS_CLIENT).verify_mode)\n")
    code, output, errors = chip("exec", script, "--tls", "host")
    assert (code, output) == (0, "2\n"), errors


def test_exec_that_is_killed_politely_leaves_no_flash(tmp_path):
    script = tmp_path / "long.py"
    script.write_text("print('begun')\nimport time\ntime.sleep(1000)\n")
    given = ("tools", "board", "chip", "exec", script, "--timeout", 60)
    folder = tmp_path / "temporary"
    folder.mkdir()
    with linkpost_command.start_module(*given, TMPDIR=str(folder), PYTHONUNBUFFERED="1") as one:
        assert one.stdout.readline() == "begun\n"
        assert list(folder.iterdir())
        one.terminate()
        errors = one.communicate(timeout=30)[1]
    assert one.returncode == 130, errors
    assert not list(folder.iterdir())


def test_flash_in_use_by_another_board_is_left_alone(tmp_path):
    path = tmp_path / "pico.flash"
    assert chip("serial", "--help")[0] == 0
    path.write_bytes(b"\xff" * (2 << 20))
    with image.in_use(path):
        says(chip("run", "--flash", path, "--reports", 1), "in use")


def test_flash_that_is_something_else_says_so(tmp_path):
    path = tmp_path / "board.img"
    path.write_bytes(b"\0" * 4096)
    says(chip("run", "--flash", path, "--reports", 1), "no flash of an emulated Pico W")
    path.write_bytes(b"\0" * (2 << 20))
    says(chip("run", "--flash", path, "--reports", 1), "no file system of a Pico W")


def test_cut_beyond_the_last_operation_says_how_many_there_were(tmp_path, ca):
    config = linkpost_command.write_config(tmp_path, "localhost:9", wifi=WIFI)
    found = chip(
        *("run", "--config", config, "--ca", ca, "--reports", 1),
        *("--cut-power-at", 999_999, "--timeout", 8),
    )
    says(found, "--cut-power-at 999999", "flash operations")


def test_users_boot_py_is_kept_and_runs_behind_the_stand_ins(tmp_path):
    """As is one that a program writes over ours: it is looked at before each start."""
    script = tmp_path / "boot_test.py"
    script.write_text("import os\nprint(os.getcwd(), globals().get('USER_BOOT'))\n")
    path = tmp_path / "pico.flash"
    add_file(path, "boot.py", b"USER_BOOT = 42\n")
    for _ in range(2):
        assert chip("exec", script, "--flash", path)[:2] == (0, "/ 42\n")
    script.write_text("import os\nos.remove('boot.py')\n")
    assert chip("exec", script, "--flash", path)[0] == 0
    # Whoever removes it removes theirs: ours comes back, theirs does not.
    script.write_text("import os, socket\nprint(os.listdir('chip'), globals().get('USER_BOOT'))\n")
    code, output, errors = chip("exec", script, "--flash", path)
    assert code == 0, errors
    assert output.endswith(" None\n")
    assert "'boot.py'" not in output
