"""No secret in what the firmware's own objects and errors show, on both runtimes; and what was
found to show one on this machine: a cell in the wrong column, a body that the console refuses.

What the commands say and leave, and what the emulator keeps: the files test_secrets_* beside.
"""

import csv
import json
import re
import urllib.error
import urllib.request
from pathlib import Path

import markers
import pytest
from emulator_client import authenticate
from emulator_process import DEVICE_NAME, PRODUCT_KEY, EmulatorProcess

from tools import cli, firmware
from tools.client.devices_csv import read_devices
from tools.firmware.board_files import root_certificates
from tools.terminal.failures import USAGE, CommandError
from tools.virtual_board import runtimes

TRIPLE = (PRODUCT_KEY, DEVICE_NAME, markers.SECRET)
PORTABLE = Path(__file__).parent.parent / "portable"
GIVEN = (markers.SECRET, markers.WRONG_SECRET, markers.WIFI_PASSWORD)
ENDING = f"ends in ..{markers.WRONG_SECRET[-4:]}"

runtime = pytest.mark.parametrize(
    "runtime",
    [
        "cpython",
        pytest.param(
            "micropython",
            marks=pytest.mark.skipif(
                not runtimes.has_micropython(), reason="the MicroPython wheel is not here"
            ),
        ),
    ],
)


@pytest.fixture(scope="module")
def emulator(tmp_path_factory):
    given = tmp_path_factory.mktemp("given") / "devices.csv"
    write_devices(given, (DEVICE_NAME, markers.SECRET, PRODUCT_KEY))
    with EmulatorProcess((), ("--devices", given)) as process:
        yield process


def write_devices(path, *rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("DeviceName", "DeviceSecret", "ProductKey"), *rows])


def run_driver(emulator, folder, runtime):
    """Return what secrets_driver.py printed, and the token that it had."""
    token = authenticate(emulator, TRIPLE)
    (folder / "certs").mkdir()
    for path, content in root_certificates(Path(emulator.ca)).items():
        (folder / path).write_bytes(content)
    config = {
        "endpoint": emulator.platform,
        "product_key": PRODUCT_KEY,
        "device_name": DEVICE_NAME,
        "device_secret": markers.SECRET,
        "sensors": [{"type": "simulated"}],
        "wifi": {"ssid": "lab", "password": markers.WIFI_PASSWORD},
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "given.json").write_text(
        json.dumps({"token": token, "wrong_secret": markers.WRONG_SECRET})
    )
    process = runtimes.start_module(
        runtime,
        "secrets_driver",
        {},
        [Path(__file__).parent, PORTABLE, firmware.package_dir().parent],
        cwd=folder,
    )
    try:
        output, errors = process.communicate(timeout=100)
    finally:
        process.kill()
        process.wait()
    said = (output + errors).decode()
    assert process.returncode == 0, said[-2000:]
    assert output.endswith(b"# end\n"), said[-2000:]
    return said, token


@runtime
def test_objects_and_errors_of_the_firmware_show_no_secret(emulator, tmp_path, runtime):
    said, token = run_driver(emulator, tmp_path, runtime)
    # All of it was there to be seen: objects, errors of each class, their tracebacks, the log.
    for name in ("Config", "Client", "App", "TokenStore", "Connection"):
        assert re.search(rf"<(\S+\.)?{name} object at ", said), name
    for name in ("Config", "Auth", "Network", "TLS", "Storage", "DNS"):
        assert f": {name}Error\n" in said, name
    assert said.count("Traceback (most recent call last)") > 200
    assert said.count(ENDING) > 1
    assert "wrong password" in said
    assert "send failed" in said
    secrets = (*GIVEN, token)
    shown = [line for line in said.splitlines() if markers.find(line, secrets)]
    assert shown == []
    assert markers.find(said, secrets) == []


SLIPS = {
    "secret in the place of the product key": (
        DEVICE_NAME,
        PRODUCT_KEY,
        markers.SECRET + "+",
    ),
    "secret in the place of the name": (markers.SECRET + "+", DEVICE_NAME, PRODUCT_KEY),
    "two secrets in a cell": (DEVICE_NAME, "x", markers.SECRET * 2),
    "secret with a space": (DEVICE_NAME, markers.SECRET + " ", PRODUCT_KEY + " x"),
    "secret that is too long": (DEVICE_NAME, markers.SECRET * 2, PRODUCT_KEY),
    "secret with a line end in it": (DEVICE_NAME, markers.SECRET + "\nx", PRODUCT_KEY),
    "one cell too few": (DEVICE_NAME, markers.SECRET),
}


@pytest.mark.parametrize("row", SLIPS.values(), ids=SLIPS)
def test_bad_row_of_a_device_list_is_named_without_its_secret(tmp_path, row):
    good = (DEVICE_NAME, markers.WRONG_SECRET, PRODUCT_KEY)
    write_devices(tmp_path / "devices.csv", good, row)
    with pytest.raises(CommandError, match="1 bad row:\n  line 3: ") as refused:
        read_devices(tmp_path / "devices.csv")
    assert markers.find(str(refused.value), GIVEN) == []


@pytest.mark.parametrize("debug", [False, True], ids=["plain", "with --debug"])
@pytest.mark.parametrize(
    "text",
    [
        f"{PRODUCT_KEY},{markers.SECRET}",
        f"{PRODUCT_KEY},{DEVICE_NAME},{markers.SECRET} x",
        f"{markers.SECRET}+,{DEVICE_NAME},{PRODUCT_KEY}",
        f"{PRODUCT_KEY},{markers.SECRET}+,{DEVICE_NAME}",
    ],
    ids=["two parts", "a space", "as product key", "as name"],
)
def test_device_on_the_command_line_is_refused_without_its_secret(capfd, text, debug):
    with pytest.raises(SystemExit) as end:
        cli.main(["emulator", "--device", text, *(["--debug"] if debug else [])])
    output, errors = capfd.readouterr()
    assert end.value.code == USAGE
    assert "--device" in errors
    assert ("Traceback" in errors) == debug
    assert markers.find(output + errors, GIVEN) == []


NEW = {"product_key": PRODUCT_KEY, "device_name": "new", "device_secret": markers.SECRET}
BODIES = {
    "no name": {key: value for key, value in NEW.items() if key != "device_name"},
    "no text": {**NEW, "device_secret": [markers.SECRET]},
    "in the name": {**NEW, "device_name": markers.SECRET + "+"},
    "another key": {**NEW, "deviceSecret": markers.SECRET},
    "list": [NEW],
    "text": markers.SECRET,
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_refused_body_is_not_repeated_by_the_console(emulator, body):
    request = urllib.request.Request(  # noqa: S310  the console is plain HTTP on loopback
        f"{emulator.console}/api/devices",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with pytest.raises(urllib.error.HTTPError) as refused:
        opener.open(request, timeout=30)
    with refused.value as answer:
        assert answer.code == 422
        text = answer.read().decode()
    assert json.loads(text)["detail"]
    assert markers.find(text, GIVEN) == []
