"""What the README shows is what there is: program, config and tables agree with the code."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from client_process import ROOT, write_anchor
from emulator_process import EmulatorProcess
from linkpost import errors
from linkpost.config import Config

from tools.cli import linkpost as command

README = (ROOT / "README.md").read_text()


def _block(language: str) -> str:
    return re.search(rf"```{language}\n(.*?)```", README, re.DOTALL).group(1)


def _table(heading: str) -> list[str]:
    """The first cells of the first table under a heading."""
    text = README.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| `")]


def test_readme_config_is_accepted_by_the_firmware():
    config = Config(json.loads(_block("json")))
    assert config.interval_s == 5


def test_readme_config_table_has_every_key_and_no_other():
    keys = set(re.findall(r"`(\w+)`", " ".join(_table("config.json"))))
    source = (ROOT / "firmware" / "linkpost" / "config_rules.py").read_text()
    assert keys == set(re.findall(r'_take\(left, "(\w+)"', source))


def test_readme_names_every_command_and_every_error():
    shown = set(re.findall(r"`linkpost (\w+)", " ".join(_table("Commands"))))
    assert shown == set(command.list_commands(None))
    told = README.partition("\n## Errors")[2]
    for name in dir(errors):
        if name.endswith("Error") and name not in ("StorageError", "SensorError"):
            assert f"`{name}`" in told, name


@pytest.mark.parametrize("runtime", ["cpython", "micropython"])
def test_readme_program_reports(runtime, tmp_path: Path):
    program = _block("python")
    assert ".run()" in program
    (tmp_path / "program.py").write_text(program.replace(".run()", ".run(reports=3)"))
    triple = ("a1B2c3D4e5F", "sensor01", "0123456789abcdef")
    with EmulatorProcess(devices=[triple]) as emulator:
        config = json.loads(_block("json"))
        config.update(endpoint=emulator.platform, interval_s=0)
        (tmp_path / "config.json").write_text(json.dumps(config))
        write_anchor(tmp_path, emulator.ca)
        firmware = ROOT / "firmware"
        environment = {
            **os.environ,
            "MICROPYPATH": f"{firmware}:.frozen",
            "PYTHONPATH": f"{firmware}:{ROOT / 'tools' / 'cpython'}",
        }
        python = Path(sys.executable)
        program = python if runtime == "cpython" else python.parent / "micropython"
        subprocess.run(
            [program, "program.py"], cwd=tmp_path, env=environment, check=True, timeout=60
        )
        readings = [json.loads(message["text"]) for message in emulator.messages()]
    assert [reading["seq"] for reading in readings] == [1, 2, 3]
    assert readings[1]["door"] is True
    assert "temperature" in readings[1]
