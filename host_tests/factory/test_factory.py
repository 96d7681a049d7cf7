"""`linkpost factory` with the real esptool against mock boot loaders that have MACs of their own,
and a virtual board that boots from what was written."""

import json
import sys

import pytest
from bench_board import BOOTED, REPORTED, BenchBoard, wait_until
from emulator_process import EmulatorProcess
from firmware_files import firmware_of
from linkpost_command import run, start
from serial_board import needs_serial_board, serial_board

from tools.firmware.boards import boards
from tools.virtual_board.image import open_image
from tools.virtual_board.kinds import kind_of

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals here")
NAME = "ESP32_GENERIC_C3"
BOARD = boards()[NAME]
SECRET = "canary-secret"
MACS = [f"24:0a:c4:00:00:{i:02x}" for i in range(4)]
FIRMWARE = firmware_of(BOARD, 70_000)


class Bench:
    """The files of a factory, and its command."""

    def __init__(self, folder, rows=2, **changes):
        self.folder = folder
        self.ledger = folder / "ledger.jsonl"
        self.images = folder / "ledger.jsonl.images"
        self.config = folder / "template.json"
        config = {"endpoint": "iot.example.com", "wifi": {"ssid": "lab", "password": "pass-word"}}
        self.config.write_text(json.dumps({**config, **changes}))
        csv = [f"sensor{i:02},{SECRET}{i:02},a1B2c3D4e5F" for i in range(rows)]
        (folder / "devices.csv").write_text(
            "\n".join(["DeviceName,DeviceSecret,ProductKey", *csv, ""])
        )
        (folder / "micropython.bin").write_bytes(FIRMWARE)

    def arguments(self, *more):
        files = ("--csv", self.folder / "devices.csv", "--config", self.config)
        files += ("--ledger", self.ledger, "--firmware", self.folder / "micropython.bin")
        return ("factory", NAME, *files, *more)

    def board(self, i, port="port"):
        return BenchBoard(self.folder, self.folder / port, MACS[i])

    def lines(self):
        if not self.ledger.exists():
            return []
        return [json.loads(line) for line in self.ledger.read_bytes().split(b"\n")[:-1]]

    def change(self, board, other, factory):
        """Unplug a board, and when that was seen, plug in another or the same one."""
        board.unplug()
        wait_to_hear(factory, "plug in a board")
        other.plug_in()

    def wait_for(self, mac, state):
        wait_until(
            lambda: any(one["mac"] == mac and one["state"] == state for one in self.lines()),
            f"{state} of {mac}",
        )

    def files_of(self, board):
        """Return what is on a board's flash, whose MicroPython has to be right."""
        content = board.flash.read_bytes()
        assert content[BOARD.offset :].startswith(FIRMWARE)
        image = self.folder / f"{board.flash.stem}.img"
        image.write_bytes(content[BOARD.file_system_start :])
        file_system = open_image(image, kind_of(BOARD))
        found = {}
        for root, _, names in file_system.walk("/"):
            for name in names:
                with file_system.open(f"{root.rstrip('/')}/{name}", "rb") as file:
                    found[f"{root}/{name}".lstrip("/")] = file.read()
        return found


def wait_to_hear(factory, words):
    for line in factory.stderr:
        if words in line:
            return line
    raise AssertionError(f"it ended without {words!r}")


def test_two_ports_side_by_side_give_two_devices_and_no_secrets_away(tmp_path):
    bench = Bench(tmp_path)
    with (
        bench.board(0, "port0") as one,
        bench.board(1, "port1") as other,
        start(
            *bench.arguments("--no-report", "--port", one.port, "--port", other.port)
        ) as factory,
    ):
        one.plug_in()
        other.plug_in()
        for board in (one, other):
            bench.wait_for(board.mac, "written")
            board.run(BOOTED)
        output, errors = factory.communicate(timeout=60)
        assert factory.returncode == 0, errors
        names = {line["mac"]: line["device"] for line in bench.lines()}
        assert sorted(names.values()) == ["a1B2c3D4e5F/sensor00", "a1B2c3D4e5F/sensor01"]
        assert sorted(output.splitlines()) == sorted(
            f"{device}  {mac}" for mac, device in names.items()
        )
        for board in (one, other):
            files = bench.files_of(board)
            config = json.loads(files["config.json"])
            assert names[board.mac] == f"a1B2c3D4e5F/{config['device_name']}"
            assert config["device_secret"] == SECRET + config["device_name"][-2:]
            assert {"main.py", "lib/linkpost/ports/esp32.mpy"} <= set(files)
    said = output + errors + bench.ledger.read_text()
    assert SECRET not in said
    assert "pass-word" not in said
    assert "\x1b" not in output + errors
    assert not bench.images.exists()
    again = run(*bench.arguments("--no-report"))
    assert again.returncode == 0
    assert "2 devices: 2 done, 0 begun, 0 free" in again.stderr


def test_killed_while_writing_it_goes_on_with_the_same_row_and_refuses_a_known_board(tmp_path):
    bench = Bench(tmp_path)
    with bench.board(0) as one, bench.board(1) as other:
        arguments = bench.arguments("--no-report", "--port", one.port)
        one.plug_in()
        with start(*arguments) as factory:
            bench.wait_for(one.mac, "claimed")
            factory.kill()
        with bench.ledger.open("ab") as file:
            file.write(b'{"time": "2026-09-01T08:15:04Z", "sta')  # and torn, as by a power cut
        one.unplug()
        one.plug_in()
        with start(*arguments) as factory:
            bench.wait_for(one.mac, "written")
            one.run(BOOTED)
            bench.wait_for(one.mac, "done")
            wait_to_hear(factory, "is done")
            bench.change(one, one, factory)
            wait_to_hear(factory, "is known")
            flash = one.flash.read_bytes()
            bench.change(one, other, factory)
            bench.wait_for(other.mac, "written")
            other.run(BOOTED)
            output, _ = factory.communicate(timeout=60)
        assert factory.returncode == 0
        assert one.flash.read_bytes() == flash
        assert output.splitlines() == [
            f"a1B2c3D4e5F/sensor00  {one.mac}",
            f"a1B2c3D4e5F/sensor01  {other.mac}",
        ]
    states = [(line["mac"], line["state"]) for line in bench.lines()]
    whole = ["claimed", "written", "done"]
    assert states[-6:] == [(mac, state) for mac in MACS[:2] for state in whole]
    assert not bench.images.exists()


@needs_serial_board
def test_board_that_boots_from_what_was_written_is_done_with_its_first_report(tmp_path):
    triple = ("a1B2c3D4e5F", "sensor00", f"{SECRET}00")
    with EmulatorProcess(devices=[triple]) as emulator:
        bench = Bench(
            tmp_path, 1, endpoint=emulator.platform, sensors=[{"type": "simulated"}], interval_s=1
        )
        more = ("--ca", emulator.ca, "--json")
        with bench.board(0) as board, start(*bench.arguments("--port", board.port, *more)) as made:
            board.plug_in()
            bench.wait_for(board.mac, "written")
            files = bench.files_of(board)
            assert [name for name in files if name.startswith("certs/")]
            config = tmp_path / "config.json"
            config.write_bytes(files["config.json"])
            folder = tmp_path / "virtual"
            folder.mkdir()
            (tmp_path / f"{board.flash.stem}.img").rename(folder / "flash.img")
            # The files of a desktop's port come in place of the chip's; all else is there.
            with serial_board(folder, NAME, config=config, ca=emulator.ca) as virtual:
                board.become(virtual.port)
                output, errors = made.communicate(timeout=60)
            assert made.returncode == 0, errors
        (message, *_) = emulator.messages()
        assert message["device"] == "a1B2c3D4e5F/sensor00"
    label = json.loads(output)
    assert (label["device"], label["mac"]) == ("a1B2c3D4e5F/sensor00", board.mac)
    assert bench.lines()[-1]["state"] == "done"
    assert "send accepted seq=" in bench.lines()[-1]["log"]
    assert SECRET not in output + errors


def test_board_that_does_not_report_fails_and_keeps_its_row(tmp_path):
    bench = Bench(tmp_path, 1)
    refused = '3.100 W send failed error=AuthError why="authentication refused" again_in_ms=900000'
    with bench.board(0) as board:
        arguments = bench.arguments("--port", board.port, "--wait", 1)
        with start(*arguments) as factory:
            board.plug_in()
            bench.wait_for(board.mac, "written")
            board.run(BOOTED, refused)
            assert "AuthError" in wait_to_hear(factory, "FAILED")
            bench.change(board, board, factory)
            wait_until(lambda: bench.lines()[-1]["state"] == "written", "the second writing")
            board.run(REPORTED)
            output, errors = factory.communicate(timeout=60)
    assert factory.returncode == 0, errors
    states = [line["state"] for line in bench.lines()]
    assert states == ["claimed", "written", "failed", "claimed", "written", "done"]
    assert len({line["device"] for line in bench.lines()}) == 1
    assert len(output.splitlines()) == 1


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda b: (b.folder / "micropython.bin").write_bytes(b"<html>"), "web page"),
        (lambda b: (b.folder / "devices.csv").write_text("DeviceName\nx\n"), "lacks"),
        (lambda b: b.config.write_text('{"endpoint": "x.example", "sensor": []}'), "sensor"),
        (lambda b: b.ledger.write_text("[]\n"), "line 1 cannot be read"),
    ],
)
def test_what_is_wrong_is_told_before_any_board(tmp_path, spoil, words):
    bench = Bench(tmp_path)
    spoil(bench)
    result = run(*bench.arguments("--port", tmp_path / "port"))
    assert result.returncode == 2
    assert words in result.stderr
    assert "plug in" not in result.stderr
    assert SECRET not in result.stderr


def test_release_frees_a_row_and_ctrl_c_stops(tmp_path):
    import signal

    bench = Bench(tmp_path)
    record = {"time": "2026-09-01T08:15:04Z", "state": "failed", "mac": MACS[0]}
    record["device"] = "a1B2c3D4e5F/sensor00"
    bench.ledger.write_text(json.dumps(record) + "\n")
    arguments = bench.arguments("--port", tmp_path / "port", "--release", record["device"])
    with start(*arguments) as factory:
        wait_to_hear(factory, "plug in a board")
        factory.send_signal(signal.SIGINT)
        _, errors = factory.communicate(timeout=60)
    assert factory.returncode == 130
    assert "2 devices: 0 done, 0 begun, 2 free" in errors
    assert bench.lines()[-1]["state"] == "released"
