"""`Client` is a product of its own: a whole program where nothing of the App is on the board."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from client_process import write_anchor
from emulator_process import EmulatorProcess
from transport_driver import compiled_firmware

PK, DN, SECRET = "a1B2c3D4e5F", "sensor01", "canary0123456789abcdef0123456789"
# What only the App needs.
OF_THE_APP = (
    "app", "backoff", "boot", "boot_work", "delivery", "led", "lifecycle",
    "sensors/*", "storage/growing", "storage/opening", "storage/outbox",
    "storage/segments",
)  # fmt: skip
BLOCKING = """
from linkpost import Client, Config
with Client(Config.load()) as client:
    print(client.report({"temperature": 21.5}))
    print(client.publish(client.config.topic, {"door": True}))
"""
ASYNCIO = """
import asyncio
from linkpost import Config
from linkpost.aio import Client
async def main():
    async with Client(Config.load()) as client:
        print(await client.report({"temperature": 21.5}))
        print(await client.publish(client.config.topic, {"door": True}))
asyncio.run(main())
"""


@pytest.fixture(scope="module")
def emulator():
    with EmulatorProcess([(PK, DN, SECRET)]) as emulator:
        yield emulator


def _board(folder: Path, emulator) -> Path:
    """Make a folder as a board's flash is, without the App; return where its modules are."""
    config = {
        "endpoint": emulator.platform,
        "product_key": PK,
        "device_name": DN,
        "device_secret": SECRET,
        "ntp": [],
    }
    (folder / "config.json").write_text(json.dumps(config))
    write_anchor(folder, emulator.ca)
    modules = compiled_firmware(folder / "lib")
    for name in OF_THE_APP:
        found = list((modules / "linkpost").glob(f"{name}.mpy"))
        assert found, name
        for path in found:
            path.unlink()
    return modules


@pytest.mark.parametrize("program", [BLOCKING, ASYNCIO], ids=["blocking", "asyncio"])
def test_whole_program_of_a_client_alone_reports(tmp_path, emulator, program):
    modules = _board(tmp_path, emulator)
    (tmp_path / "main.py").write_text(program)
    done = subprocess.run(
        [str(Path(sys.executable).parent / "micropython"), "-X", "heapsize=256K", "main.py"],
        cwd=tmp_path,
        env={**os.environ, "MICROPYPATH": f"{modules}:.frozen"},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    ids = [line for line in done.stdout.splitlines() if line.isdigit()]
    assert len(ids) == 2, done.stdout
    messages = emulator.messages(f"{PK}/{DN}")[-2:]
    report = json.loads(messages[0]["text"])
    assert report["temperature"] == 21.5
    assert abs(report["time"] - messages[0]["time_ms"]) < 60_000
    assert "seq" not in report
    assert "stream" not in report
    assert messages[0]["topic"].endswith("/user/update")
    assert json.loads(messages[1]["text"]) == {"door": True}
