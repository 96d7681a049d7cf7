"""Every Python and JSON example of README and docs runs, or is read, as it stands."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest
from client_process import write_anchor
from emulator_process import DEVICE_NAME, PRODUCT_KEY, EmulatorProcess
from linkpost.config import Config
from linkpost_command import both_runtimes, run, write_config
from serial_board import needs_serial_board, serial_board

from host_tests.documents import markdown
from host_tests.documents.markdown import ROOT
from tools.virtual_board import image, kinds, runtimes

README = (ROOT / "README.md").read_text()
EXTENDING = (ROOT / "docs" / "extending.md").read_text()
_TRIPLE = ("a1B2c3D4e5F", "sensor01", "0123456789abcdef")
_OWN_SENSOR = "A sensor of your own"
_EVERYBODY = "A sensor for everybody"
# Each Python example, by page and heading, and how many there are; the tests below run each.
_RUN_HERE = {
    ("README.md", "A program"): 1,
    ("docs/extending.md", "With the loop"): 1,
    ("docs/extending.md", "One message"): 1,
    ("docs/extending.md", "asyncio"): 1,
    ("docs/extending.md", _OWN_SENSOR): 2,
    ("docs/extending.md", _EVERYBODY): 2,
    # host_tests/system/test_own_program.py runs it.
    ("docs/extending.md", "A program that wakes, sends and sleeps"): 1,
}


def python(text: str, heading: str) -> list[str]:
    """Return the Python examples under a heading."""
    return [block.text for block in markdown.blocks(markdown.section(text, heading), "python")]


def test_every_python_example_is_run_by_a_test():
    found = {}
    for page in markdown.pages():
        text = page.read_text()
        here = 0
        for heading in markdown.headings(text):
            # The innermost heading counts: `section` goes over those below it.
            part = re.split(r"^#+ ", markdown.section(text, heading), flags=re.MULTILINE)[0]
            blocks = [b for b in markdown.blocks(part) if b.language in ("python", "py")]
            if blocks:
                found[str(page.relative_to(ROOT)), heading] = len(blocks)
                here += len(blocks)
        assert here == len(markdown.blocks(text, "python")), page
    assert found == _RUN_HERE


def test_every_json_example_is_read_by_the_firmware():
    for page in markdown.pages():
        for block in markdown.blocks(page.read_text(), "json"):
            values = json.loads(block.text)
            if "endpoint" in values:
                Config(values)
            else:
                assert {"stream", "seq", "time"} <= values.keys(), (page, block.line)
        # Sensors in the middle of a line.
        for text in re.findall(r'`(\{"type": "[^`]*\})`', page.read_text()):
            assert "type" in json.loads(text)


def _runs(program: str, folder: Path, emulator: EmulatorProcess, runtime: str, **changes) -> None:
    """Run a program beside its config.json, as on a board."""
    config = json.loads(markdown.blocks(README, "json")[0].text)
    config.update(endpoint=emulator.platform, interval_s=0, **changes)
    (folder / "program.py").write_text(program)
    (folder / "config.json").write_text(json.dumps(config))
    write_anchor(folder, emulator.ca)
    firmware = ROOT / "firmware"
    environment = {
        **os.environ,
        "MICROPYPATH": f"{firmware}:.frozen",
        "PYTHONPATH": f"{firmware}:{ROOT / 'tools' / 'cpython'}",
    }
    executable = Path(sys.executable)
    if runtime == runtimes.MICROPYTHON:
        executable = executable.parent / "micropython"
    done = subprocess.run(
        [executable, "program.py"],
        cwd=folder,
        env=environment,
        timeout=60,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def emulator():
    with EmulatorProcess(devices=[_TRIPLE]) as process:
        yield process


@both_runtimes
@pytest.mark.parametrize(
    ("text", "heading"), [(README, "A program"), (EXTENDING, "With the loop")]
)
def test_program_with_the_loop_reports(text, heading, runtime, emulator, tmp_path):
    (program,) = python(text, heading)
    seen = len(emulator.messages())
    assert ".run()" in program
    _runs(program.replace(".run()", ".run(reports=3)"), tmp_path, emulator, runtime)
    readings = [json.loads(message["text"]) for message in emulator.messages()[seen:]]
    assert [reading["seq"] for reading in readings] == [1, 2, 3]
    assert readings[1]["door"] is True
    assert "temperature" in readings[1]


@both_runtimes
def test_program_of_one_message_reports(runtime, emulator, tmp_path):
    (program,) = python(EXTENDING, "One message")
    seen = len(emulator.messages())
    _runs(program, tmp_path, emulator, runtime)
    (message,) = emulator.messages()[seen:]
    assert json.loads(message["text"])["temperature"] == 21.5


@both_runtimes
def test_own_sensor_reports_on_a_virtual_board(runtime, emulator, tmp_path):
    section = markdown.section(EXTENDING, _OWN_SENSOR)
    spec = json.loads(re.search(r'`(\{"type": "user\.free",[^`]*\})`', section)[1])
    assert "`mpremote mkdir :user + cp free.py :user/ + reset`" in section
    config = write_config(
        tmp_path,
        emulator.platform,
        device_secret=_TRIPLE[2],
        sensors=[spec],
    )
    sensor = python(EXTENDING, _OWN_SENSOR)[0].encode()
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
def test_asyncio_program_runs_after_a_deploy(emulator, tmp_path):
    config = write_config(tmp_path, emulator.platform, device_secret=_TRIPLE[2], interval_s=600)
    program = tmp_path / "program.py"
    program.write_text(python(EXTENDING, "asyncio")[0])
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
                    json.loads(message["text"]).get("door") is True
                    for message in emulator.messages(topic=topic)[seen:]
                ),
                "message",
            )


def _chip_ports():
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
    for port in _chip_ports():
        for name in names:
            assert hasattr(port, name), (port.name, name)
        assert port.uptime_ms() >= 0
        assert port.reset_cause() in ("power on", "watchdog", "deep sleep", "soft", "hard")


def test_own_sensor_that_wakes_a_probe_reads_a_voltage_on_both_chips():
    scope: dict = {}
    exec(python(EXTENDING, _OWN_SENSOR)[1], scope)  # noqa: S102  our own document
    esp32, rp2, host = _chip_ports()
    for port, pin in ((esp32, 34), (rp2, 26)):
        values = scope["Sensor"]({"power": 4, "pin": pin}, port).read()
        assert values.keys() == {"moisture"} and values["moisture"] > 0, port.name
    with pytest.raises(ValueError, match="no pins"):
        scope["Sensor"]({"power": 4, "pin": 34}, host)


def test_sensor_for_everybody_passes_the_tests_beside_it(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "host_tests" / "portable"))
    driver, tests = python(EXTENDING, _EVERYBODY)
    name = re.search(r"firmware/linkpost/sensors/(\w+)\.py", EXTENDING)[1]
    module = types.ModuleType(f"linkpost.sensors.{name}")
    module.__package__ = "linkpost.sensors"
    exec(driver, module.__dict__)  # noqa: S102  our own document
    monkeypatch.setitem(sys.modules, module.__name__, module)
    scope: dict = {}
    exec(tests, scope)  # noqa: S102
    names = [each for each in scope if each.startswith("test_")]
    assert len(names) == 2
    for each in names:
        scope[each]()
    # The class and its line in the table are of one name.
    line = re.search(rf'"{name}": \("{name}", "(\w+)"\),', EXTENDING)
    assert getattr(module, line[1]).kind == name
