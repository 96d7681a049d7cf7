"""`certs --port`: the copies on a board, compared and restored over USB."""

from __future__ import annotations

import json

import pytest
from linkpost_command import write_config
from serial_board import needs_serial_board, serial_board

from tools import cli, firmware
from tools.certs import command as certs
from tools.certs import roots

pytestmark = needs_serial_board


def command(*arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        cli.main(["certs", *arguments])
    return end.value.code


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """On a machine that is busy a virtual board may take its time."""
    monkeypatch.setattr(certs, "_WAIT_S", 60.0)


def test_certs_on_a_board_that_runs_are_compared_restored_and_it_runs_again(tmp_path, capsys):
    config = write_config(tmp_path, "localhost:9", interval_s=1)
    with serial_board(tmp_path, config=config) as board:
        started = board.wait_for("I app started")
        assert command("--check", "--port", board.port) == 0
        assert "on the board" in capsys.readouterr().out
        started = board.wait_for("I app started", started)
        done = board.mpremote("rm", ":certs/globalsign_r3.der", "+", "touch", ":certs/mine.der")
        assert done.returncode == 0, done.stderr
        assert command("--json", "--port", board.port) == 0
        shown = json.loads(capsys.readouterr().out)
        states = {row["file"]: row["board"] for row in shown["anchors"]}
        assert states == {
            "globalsign_r1.der": "same",
            "globalsign_r3.der": "missing",
            "globalsign_r6.der": "same",
            "globalsign_r46.der": "same",
        }
        assert shown["others_on_board"] == ["mine.der"]
        assert f"--update --port {board.port}" in shown["failures"][0]
        # Where mip puts them, they count as well.
        place = ":lib/linkpost/certs"
        source = firmware.package_dir() / "certs" / "globalsign_r3.der"
        done = board.mpremote("mkdir", place, "+", "cp", str(source), f"{place}/")
        assert done.returncode == 0, done.stderr
        assert command("--check", "--port", board.port) == 0
        assert board.mpremote("rm", f"{place}/globalsign_r3.der").returncode == 0
        capsys.readouterr()
        assert command("--update", "--check", "--port", board.port) == 0
        assert "wrote globalsign_r3.der to the board" in capsys.readouterr().err
        board.wait_for("I app started", started)
        board.cut_power()
        files = board.files()
    for name, content in roots.package_files().items():
        assert files[f"certs/{name}"] == content
    assert files["certs/mine.der"] == b""  # not ours to remove


def test_certs_of_a_port_that_is_not_there_is_no_board(tmp_path, monkeypatch):
    monkeypatch.setattr(certs, "_WAIT_S", 0.1)
    assert command("--port", str(tmp_path / "none")) == 7
