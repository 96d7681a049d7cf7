"""Byte code by `mpremote mip install`, from a server onto a virtual board on a port."""

from __future__ import annotations

import functools
import http.server
import json
import threading
from pathlib import Path

import pytest
from client_process import write_anchor
from emulator_process import EmulatorProcess
from linkpost_command import write_config
from serial_board import needs_serial_board, serial_board

from tools.firmware.board_files import files_for
from tools.package import byte_code

ROOT = Path(__file__).parent.parent.parent
CLIENT_PROGRAM = """
from linkpost import Client, Config
with Client(Config.load()) as client:
    print("accepted", client.report({"temperature": 21.5}))
"""


class _Files(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """The folder that `make package` writes, and its address on a server."""
    folder = tmp_path_factory.mktemp("mip")
    byte_code.build(folder)
    handler = functools.partial(_Files, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield folder, f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def listed(folder: Path, package: str) -> set[str]:
    """Return the modules of a package, "linkpost/net/wifi.mpy"."""
    urls = json.loads((folder / package / "package.json").read_text())["urls"]
    return {place for place, _ in urls}


@needs_serial_board
@pytest.mark.parametrize("package", [byte_code.WHOLE, byte_code.CLIENT])
def test_mip_install_of_byte_code_gives_a_board_that_reports(tmp_path, packages, package):
    folder, address = packages
    program = ROOT / "firmware" / "main.py"
    if package == byte_code.CLIENT:
        program = tmp_path / "main.py"
        program.write_text(CLIENT_PROGRAM)
    with EmulatorProcess() as emulator, serial_board(tmp_path) as board:
        board.wait_for(">>> ")
        done = board.mpremote("mip", "install", f"{address}/{package}/package.json", timeout_s=300)
        assert done.returncode == 0, done.stdout + done.stderr
        config = write_config(tmp_path, emulator.platform, interval_s=0, ntp=[])
        write_anchor(tmp_path, emulator.ca)
        copy = ["fs", "cp", "-r", f"{tmp_path}/certs", ":", "+", "fs", "cp", str(config)]
        copy += [":config.json", "+", "fs", "cp", str(program), ":main.py", "+", "reset"]
        done = board.mpremote(*copy)
        assert done.returncode == 0, done.stdout + done.stderr
        board.wait_until(lambda: emulator.messages(), "report")
        board.cut_power()
        on_board = {
            path.removeprefix("lib/"): data
            for path, data in board.files().items()
            if path.startswith("lib/")
        }
        (message, *_) = emulator.messages()
    assert on_board == {place: (folder / package / place).read_bytes() for place in on_board}
    assert on_board.keys() == listed(folder, package)
    assert json.loads(message["text"])


def test_byte_code_is_what_deploy_writes(packages):
    folder, _ = packages
    config = {"product_key": "a1B2c3D4e5F", "device_name": "x", "device_secret": "0" * 32}
    for chip in ("esp32", "rp2"):
        files = files_for(config, chip=chip, native_digests=False, with_aio=True)
        modules = {path: data for path, data in files.items() if path.endswith(".mpy")}
        assert len(modules) > 30
        for path, data in modules.items():
            assert (folder / "linkpost" / path.removeprefix("lib/")).read_bytes() == data, path


def test_client_has_nothing_of_the_app_and_all_that_it_loads(packages):
    whole, client = (listed(packages[0], name) for name in (byte_code.WHOLE, byte_code.CLIENT))
    assert client < whole
    left = {path.removeprefix("linkpost/").removesuffix(".mpy") for path in whole - client}
    assert {"app", "delivery", "lifecycle", "boot", "sensors/building"} <= left
    assert {"storage/outbox", "storage/segments"} <= left
    assert not {"client", "aio", "reporting", "storage/tokens", "net/ntp", "ports/rp2"} & left


def test_module_that_is_loaded_in_a_function_comes_along():
    source = b"def f():\n    load('net.ntp')\n    from .storage import tokens\n    load(name)\n"
    used = set(byte_code._used("client.py", source))
    assert {"net/ntp.py", "storage/tokens.py"} <= used
