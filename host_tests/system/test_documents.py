"""What README and docs show of one's own sensors and programs, run as it stands there."""

from __future__ import annotations

import json
import re
import sys

import pytest
from client_process import ROOT
from emulator_process import DEVICE_NAME, PRODUCT_KEY, EmulatorProcess
from linkpost_command import both_runtimes, run, write_config
from serial_board import needs_serial_board, serial_board

from tools.virtual_board import image, kinds, runtimes

README = (ROOT / "README.md").read_text()
EXTENDING = (ROOT / "docs" / "extending.md").read_text()


def block(text: str, heading: str) -> str:
    """Return the first Python block behind these words."""
    found = re.search(r"```python\n(.*?)```", text[text.index(heading) :], re.DOTALL)
    return found.group(1)


@pytest.fixture(scope="module")
def emulator():
    with EmulatorProcess() as process:
        yield process


@both_runtimes
def test_own_sensor_of_the_readme_reports_on_a_virtual_board(runtime, emulator, tmp_path):
    spec = json.loads(re.search(r'`(\{"type": "user\.free",[^`]*\})`', README)[1])
    assert "`mpremote mkdir :user + cp free.py :user/ + reset`" in README
    config = write_config(tmp_path, emulator.platform, sensors=[spec])
    sensor = block(README, "**Your own sensor**").encode()
    flash = tmp_path / "flash"
    if runtime == runtimes.MICROPYTHON:
        image.refresh_image(flash, kinds.KINDS[kinds.DEFAULT_KIND], {"user/free.py": sensor})
    else:
        (flash / "user").mkdir(parents=True)
        (flash / "user" / "free.py").write_bytes(sensor)
    command = ("board", "run", "--config", config, "--flash", flash, "--ca", emulator.ca)
    seen = len(emulator.messages())
    done = run(*command, "--runtime", runtime, "--reports", 3, "--timeout", 60)
    assert done.returncode == 0, done.stderr
    readings = [json.loads(message["text"]) for message in emulator.messages()[seen:]]
    measured = [reading["heap"] for reading in readings if "heap" in reading]
    # CPython does not tell.
    assert measured and min(measured) > (0 if runtime == runtimes.MICROPYTHON else -1), readings


@needs_serial_board
def test_asyncio_program_of_the_readme_runs_after_a_deploy(emulator, tmp_path):
    config = write_config(tmp_path, emulator.platform, interval_s=600)
    program = tmp_path / "program.py"
    program.write_text(block(README, "In a program on asyncio"))
    topic = f"/{PRODUCT_KEY}/{DEVICE_NAME}/user/update"
    with serial_board(tmp_path, files={"config.json": config.read_bytes()}) as board:
        deployed = run("deploy", "--port", board.port, "--ca", emulator.ca)
        assert deployed.returncode == 0, deployed.stderr
        for arguments in (("run", str(program)), ("cp", str(program), ":main.py", "+", "reset")):
            seen = len(emulator.messages(topic=topic))
            done = board.mpremote(*arguments)
            assert done.returncode == 0, done.stdout + done.stderr
            board.wait_until(
                lambda seen=seen: any(
                    message["text"] == '{"door":true}'
                    for message in emulator.messages(topic=topic)[seen:]
                ),
                "message",
            )


def chip_ports():
    """Return a port of each chip on fakes, and this machine's."""
    sys.path.insert(0, str(ROOT / "host_tests" / "portable"))
    import fakes_chip
    import test_ports
    from linkpost.ports.host import HostPort

    chips = [test_ports.boot(make()) for make in (fakes_chip.ESP32Chip, fakes_chip.RP2Chip)]
    return [*chips, HostPort()]


def test_port_has_what_the_table_offers():
    table = EXTENDING.partition("| of `port` | is |")[2].partition("\n\n")[0]
    names = re.findall(r"^\| `(\w+)", table, re.MULTILINE)
    assert {"analog", "heap_free", "uptime_ms"} <= set(names)
    for port in chip_ports():
        for name in names:
            assert hasattr(port, name), (port.name, name)
        assert port.uptime_ms() >= 0
        assert port.reset_cause() in ("power on", "watchdog", "deep sleep", "soft", "hard")


def test_sensor_of_the_document_reads_a_voltage_on_both_chips():
    scope: dict = {}
    exec(block(EXTENDING, "## A sensor of your own"), scope)  # noqa: S102  our own document
    esp32, rp2, host = chip_ports()
    for port, pin in ((esp32, 34), (rp2, 26)):
        values = scope["Sensor"]({"power": 4, "pin": pin}, port).read()
        assert values.keys() == {"moisture"} and values["moisture"] > 0, port.name
    with pytest.raises(ValueError, match="no pins"):
        scope["Sensor"]({"power": 4, "pin": 34}, host)
