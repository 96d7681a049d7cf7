"""mpremote's own `mip install` from an HTTP server; what it installed runs and reports."""

from __future__ import annotations

import functools
import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from client_process import write_anchor
from emulator_process import EmulatorProcess
from linkpost_command import both_runtimes, write_config
from mpremote import mip

ROOT = Path(__file__).parent.parent.parent
LISTED = json.loads((ROOT / "package.json").read_text())["urls"]


class _Files(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def server():
    """The source tree over HTTP, as a code host serves it."""
    handler = functools.partial(_Files, directory=str(ROOT))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{httpd.server_port}"
        finally:
            httpd.shutdown()
            thread.join()


class FolderTransport:
    """A board's file system as mpremote sees it, in a folder; "/" is the folder."""

    def __init__(self, root: Path):
        self._root = root

    def _path(self, name: str) -> Path:
        assert ".." not in name
        return self._root / name.lstrip("/")

    def exec(self, code):
        assert code == "import sys"

    def eval(self, expression):
        assert expression == "sys.path"
        return ["", ".frozen", "/lib"]

    def fs_exists(self, name):
        return self._path(name).exists()

    def fs_mkdir(self, name):
        self._path(name).mkdir()

    def fs_writefile(self, name, data, progress_callback=None):
        self._path(name).write_bytes(data)


def install(board: Path, package: str) -> None:
    """Do what `mpremote mip install PACKAGE` does, onto a board that is a folder."""
    board.mkdir()
    state = SimpleNamespace(
        transport=FolderTransport(board), did_action=lambda: None, ensure_raw_repl=lambda: None
    )
    arguments = SimpleNamespace(
        command=["install"], packages=[package], index=None, target=None, mpy=True
    )
    mip.do_mip(state, arguments)


def check_installed(board: Path) -> None:
    found = {path.relative_to(board).as_posix() for path in board.rglob("*") if path.is_file()}
    assert found == {f"lib/{place}" for place, _ in LISTED}
    for place, source in LISTED:
        assert (board / "lib" / place).read_bytes() == (ROOT / source).read_bytes()


@both_runtimes
def test_mip_install_gives_a_board_that_reports(runtime, tmp_path, server):
    board = tmp_path / "board"
    install(board, f"{server}/package.json")
    check_installed(board)
    with EmulatorProcess() as emulator:
        write_config(board, emulator.platform, interval_s=0)
        write_anchor(board, emulator.ca)
        program = (
            'from linkpost import App, Config\nApp(Config.load("config.json")).run(reports=2)'
        )
        (board / "program.py").write_text(program)
        python = Path(sys.executable)
        environment = {
            **os.environ,
            "MICROPYPATH": f"{board / 'lib'}:.frozen",
            "PYTHONPATH": os.pathsep.join(map(str, (board / "lib", ROOT / "tools" / "cpython"))),
        }
        interpreter = python if runtime == "cpython" else python.parent / "micropython"
        done = subprocess.run(
            [interpreter, "program.py"],
            cwd=board,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        seqs = [json.loads(message["text"])["seq"] for message in emulator.messages()]
    assert seqs == [1, 2]


def test_mip_install_from_a_copy_on_this_machine(tmp_path):
    install(tmp_path / "board", str(ROOT / "package.json"))
    check_installed(tmp_path / "board")


def test_mip_install_file_that_is_not_there_fails(tmp_path, server):
    """The test above can fail: a listed file that is missing ends the install."""
    copy = tmp_path / "package.json"
    copy.write_text(json.dumps({"urls": [["linkpost/x.py", f"{server}/firmware/none.py"]]}))
    # mpremote 1.29 trips over its own message for it (HTTPError has no `status` before 3.12).
    with pytest.raises(Exception, match="not found|Not Found"):
        install(tmp_path / "board", str(copy))
    shutil.rmtree(tmp_path / "board")
