"""The main ways through README and docs, run command by command as they stand."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from emulator_process import EmulatorProcess
from linkpost_command import start
from serial_board import needs_serial_board

from host_tests.documents import markdown
from host_tests.documents.markdown import ROOT
from tools.virtual_board import runtimes

README = (ROOT / "README.md").read_text()
EMULATOR = (ROOT / "docs" / "emulator.md").read_text()

needs_micropython = pytest.mark.skipif(
    not runtimes.has_micropython(), reason="the MicroPython wheel is not here"
)


def commands(text: str, heading: str) -> list[str]:
    """Return the lines that a person types under a heading, without `$ ` and comments."""
    section = re.split(r"^#+ ", markdown.section(text, heading), flags=re.MULTILINE)[0]
    shown = [block.text for block in markdown.blocks(section, "console")]
    typed = [line[2:] for text in shown for line in text.splitlines() if line.startswith("$ ")]
    return [re.split(r" {2,}#| # ", line)[0].strip() for line in typed]


class Reader:
    """Types what the page shows, in a folder of its own, where the emulator and the port are."""

    def __init__(self, folder: Path, emulator: EmulatorProcess):
        self.folder = folder
        # What the page has, and what it is here: ports that are free.
        self._instead = {
            "~/.local/share/linkpost/emulator/certs/ca.pem": emulator.ca,
            "/tmp/board": str(folder / "board"),  # noqa: S108  the page's own
        }
        config = json.loads(markdown.blocks(README, "json")[0].text)
        config["endpoint"] = emulator.platform
        (folder / "config.json").write_text(json.dumps(config))
        self._variables: dict[str, str] = {}

    def words(self, line: str) -> list[str]:
        """Return a command of `linkpost` as its arguments; [] for one that sets a variable."""
        for shown, here in self._instead.items():
            line = line.replace(shown, here)
        for name, value in self._variables.items():
            line = line.replace(f"${name}", value)
        if re.match(r"[A-Z]+=\S+$", line):
            name, _, value = line.partition("=")
            self._variables[name] = value
            return []
        words = shlex.split(line)
        assert words[0] == "linkpost", line
        return words[1:]

    def run(self, line: str, *more: object) -> str:
        """Run a command to its end; return what it printed."""
        words = self.words(line)
        if not words:
            return ""
        done = subprocess.run(
            [sys.executable, "-m", "tools", *words, *map(str, more)],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=100,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def emulator() -> Iterator[EmulatorProcess]:
    # Its command line is the page's, but for ports that are free.
    (line,) = {
        commands(README, "Try it on the desktop")[0],
        commands(EMULATOR, "Behind a serial port")[0],
        commands(EMULATOR, "The platform on this machine")[0],
    }
    words = shlex.split(line)
    assert words[:3] == ["linkpost", "emulator", "--device"] and len(words) == 4
    with EmulatorProcess(devices=[tuple(words[3].split(","))]) as process:
        yield process


@needs_micropython
def test_desktop_of_the_readme_sends_and_runs_a_board(emulator, tmp_path):
    reader = Reader(tmp_path, emulator)
    _, variable, send, board = commands(README, "Try it on the desktop")
    reader.run(variable)
    assert re.fullmatch(r"\d{19}\n", reader.run(send))
    output = reader.run(board, "--reports", 2, "--timeout", 60)
    assert "app started device=a1B2c3D4e5F/sensor01" in output
    assert re.search(r"^\d+\.\d{3} I send accepted seq=1 ms=\d+ id=\d{19}$", output, re.MULTILINE)
    assert (tmp_path / "board.img").is_file()
    # "it finds its token there, goes on with the next seq, and does not authenticate again"
    asked = emulator.log.count("/auth")
    output = reader.run(board, "--reports", 1, "--timeout", 60)
    assert asked >= 2 and emulator.log.count("/auth") == asked
    assert re.search(r"send accepted seq=3 ", output), output


@needs_serial_board
def test_virtual_board_behind_a_port_goes_from_empty_to_its_log(emulator, tmp_path):
    reader = Reader(tmp_path, emulator)
    _, board, variable, provision, deploy, monitor = commands(EMULATOR, "Behind a serial port")
    with contextlib.chdir(tmp_path), start(*_absolute(reader.words(board), tmp_path)) as running:
        _until(lambda: (tmp_path / "board").exists(), running)
        reader.run(variable)
        reader.run(provision)
        assert "accepted" in reader.run(deploy)
        with start(*reader.words(monitor)) as watching:
            for line in watching.stdout:
                if re.search(r" send +accepted seq=", line):
                    break
            else:
                raise AssertionError(watching.stderr.read())


def _absolute(words: list[str], folder: Path) -> list[str]:
    """Return the arguments with files of the folder by their whole path."""
    return [str(folder / word) if word == "new.img" else word for word in words]


def _until(condition, process: subprocess.Popen) -> None:
    end_s = time.monotonic() + 60
    while not condition():
        assert process.poll() is None and time.monotonic() < end_s, process.stderr.read()
        time.sleep(0.05)
