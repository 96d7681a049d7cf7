"""What test_no_network.py runs where there is no network: what a person does, one after another.

Prints a JSON object a line: what was done, its exit code, and what it said.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

_HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(_HERE.parent / "shared"), str(_HERE.parent.parent)]  # as pytest finds these
sys.path.append(str(_HERE.parent.parent / "firmware"))

from emulator_process import TRIPLE, EmulatorProcess  # noqa: E402
from esp32_mock_bootloader import mock_bootloader  # noqa: E402
from firmware_files import firmware_of  # noqa: E402
from linkpost_command import run, start_module, write_config  # noqa: E402
from serial_board import serial_board  # noqa: E402

from tools.firmware.boards import boards  # noqa: E402
from tools.virtual_board import runtimes  # noqa: E402

_WAIT_S = 100


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="linkpost-loopback-") as name:
        folder = Path(name)
        with EmulatorProcess() as emulator:
            _on_the_desktop(emulator, folder)
            if runtimes.has_micropython():
                _on_a_cable(emulator, folder)
            _say("emulator", emulator.stop(), emulator.log)
        _with_nobody_there(folder)
        with start_module("tools", "demo", REPORTS="1") as demo:
            _, errors = demo.communicate(timeout=_WAIT_S)
        _say("demo", demo.returncode, errors)


def _on_the_desktop(emulator: EmulatorProcess, folder: Path) -> None:
    config = write_config(folder, emulator.platform)
    csv = folder / "devices.csv"
    csv.write_text("ProductKey,DeviceName,DeviceSecret\n" + ",".join(TRIPLE) + "\n")
    ours = ("--config", config, "--ca", emulator.ca)
    ends = ("--reports", 2, "--timeout", 90)
    found = [runtimes.MICROPYTHON] * runtimes.has_micropython() + [runtimes.CPYTHON]
    for runtime in found:
        flash = ("--flash", folder / f"flash-{runtime}", "--runtime", runtime)
        _do("board", "run", *ours, *flash, *ends)
        _do("send", *ours, "--data", "hello", "--runtime", runtime)
    _do("provision", "--from", config, "--check", "--ca", emulator.ca, "--out", folder / "new")
    # A board has only its radio.
    board = {**json.loads(config.read_text()), "wifi": {"ssid": "lab", "password": "12345678"}}
    template = folder / "template.json"
    template.write_text(json.dumps(board))
    _do("image", "ESP32_GENERIC", "--config", template, "--csv", csv, "--out", folder / "images")
    _do("certs", "--check")
    _do("certs", "--endpoint", emulator.platform, "--ca", emulator.ca)
    _do("emulator", "export", "--db", emulator.db, "--format", "csv", "--out", folder / "all.csv")
    few = ("--boards", 2, "--interval", 0.2, "--duration", 0.5)
    _do("fleet", "--console", emulator.console, *few)


def _on_a_cable(emulator: EmulatorProcess, folder: Path) -> None:
    config = write_config(folder, emulator.platform, interval_s=1)
    with serial_board(folder, files={"config.json": config.read_bytes()}) as board:
        port = ("--port", board.port)
        _do("deploy", *port, "--ca", emulator.ca)
        board.wait_for("send accepted")
        _do("status", *port)
        _do("outbox", *port)
        _do("provision", *port, "--from", config)
        _do("certs", "--check", *port)


def _with_nobody_there(folder: Path) -> None:
    _do("boards")
    board = boards()["ESP32_GENERIC"]
    firmware = folder / "micropython.bin"
    firmware.write_bytes(firmware_of(board, 60_000))
    with mock_bootloader(chip=board.chip) as chip:
        _do("flash", board.name, "--port", chip.url(), "--firmware", firmware)


def _do(*arguments: object) -> None:
    done = run(*arguments, timeout_s=_WAIT_S)
    _say(" ".join(map(str, arguments[:2])), done.returncode, done.stderr)


def _say(what: str, code: int, errors: str) -> None:
    print(json.dumps({"what": what, "code": code, "errors": errors}), flush=True)


if __name__ == "__main__":
    main()
