"""The factory's stations, with a writer that writes nothing: rows, ports that stay, failures."""

import io
import json
import sys
import threading
import time

import pytest

from tools.client.devices_csv import Triple
from tools.factory import command as factory
from tools.factory.bench import Job, Station, join_all
from tools.factory.boot import Stopped, watch_boot
from tools.factory.ledger import Ledger, LedgerError
from tools.factory.view import View
from tools.firmware.boards import boards
from tools.flash.esp_flash import Chip
from tools.terminal.failures import NO_BOARD, TIMEOUT, USAGE, CommandError
from tools.usb.serial_ports import Plugged

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals here")
BOARD = boards()["ESP32_GENERIC_C3"]
DEVICES = [Triple("a1pk", f"sensor{i:02}", f"secret{i}") for i in range(3)]
MACS = [f"24:0a:c4:00:00:{i:02x}" for i in range(4)]
BOOTED = "0.037 I app started device=x"
REPORTED = "1.121 I send accepted seq=1 ms=157"
WAIT_S = 30


class Port:
    """A serial port in this process, on which a board says lines again and again."""

    def __init__(self, link):
        from tools.virtual_board.serial_port import SerialPort

        self.link = link
        self._port = SerialPort(link)
        self._lines = []
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._speak, daemon=True)
        self._thread.start()

    def plug_in(self, *lines):
        with self._lock:
            self._lines = lines
            self._port.appear()

    def unplug(self):
        with self._lock:
            self._port.vanish()

    def close(self):
        self._end.set()
        self._thread.join()
        self._port.vanish()

    def _speak(self):
        while not self._end.wait(0.02):
            with self._lock:
                self._port.write("".join(f"{line}\r\n" for line in self._lines).encode())


class Writer:
    """Takes note of what it is to write; `macs` is who is on which port, or an error."""

    def __init__(self):
        self.macs = {}
        self.written = []
        self.error = None

    def identify(self, port):
        found = self.macs[port]
        if isinstance(found, Exception):
            raise found
        return Chip("ESP32-C3", found, 4 << 20)

    def write(self, port, chip, triple, progress):
        progress(50)
        if self.error:
            raise self.error
        self.written.append((chip.mac, triple.device_name))


@pytest.fixture
def port(tmp_path):
    port = Port(tmp_path / "port")
    yield port
    port.close()


@pytest.fixture
def bench(tmp_path):
    bench = Bench(tmp_path)
    yield bench
    bench.stop.set()
    join_all(bench.stations, WAIT_S)
    bench.ledger.close()


class Bench:
    def __init__(self, folder):
        self.ledger = Ledger(folder / "ledger")
        self.writer = Writer()
        self.stop = threading.Event()
        self.stations = []
        # Not capfd: what a thread says while that is being emptied gets lost.
        self._said = io.StringIO()
        self.view = View(error_file=self._said)
        self._heard = 0  # characters that were heard, and what they led to was looked at

    def start(self, port, devices=DEVICES, wants_report=False, stays=False):
        job = Job(
            BOARD.name,
            devices,
            self.ledger,
            self.writer,
            self.view,
            wants_report,
            30,
            stays,
            "x.bin",
        )
        station = Station(str(port), job, self.stop)
        self.stations.append(station)
        station.start()
        return station

    def hear(self, words):
        """Wait until the bench has said that; forget it and what came before."""
        end = time.monotonic() + WAIT_S
        while (at := self._said.getvalue().find(words, self._heard)) < 0:
            new = self._said.getvalue()[self._heard :]
            assert time.monotonic() < end, f"no {words!r} in {new!r}"
            time.sleep(0.01)
        self._heard = at + len(words)


def test_boards_one_after_another_at_one_port(bench, port):
    station = bench.start(port.link)
    for mac in MACS[:3]:
        bench.hear("plug in a board")
        bench.writer.macs[station.port] = mac
        port.plug_in(BOOTED)
        bench.hear("is done")
        port.unplug()
    station.join(WAIT_S)
    assert not station.is_alive()
    assert station.failure is None
    assert bench.writer.written == [(MACS[i], f"sensor{i:02}") for i in range(3)]


def test_port_that_stays_serves_each_board_once(bench, port):
    station = bench.start(port.link, stays=True)
    bench.writer.macs[station.port] = MACS[0]
    port.plug_in(BOOTED)
    bench.hear("is done")
    bench.writer.macs[station.port] = CommandError("nobody answers", NO_BOARD)
    bench.hear("nobody answers")
    bench.writer.macs[station.port] = MACS[0]  # put in again by mistake
    bench.hear("is known")
    bench.writer.macs[station.port] = MACS[1]
    bench.hear("sensor01 is done")
    assert [mac for mac, _ in bench.writer.written] == MACS[:2]


def test_failed_writing_keeps_the_row_for_this_board(bench, port):
    station = bench.start(port.link)
    bench.writer.error = CommandError("esptool failed", NO_BOARD)
    bench.writer.macs[station.port] = MACS[0]
    bench.hear("plug in")
    port.plug_in(BOOTED)
    bench.hear("FAILED: a1pk/sensor00 on 24:0a:c4:00:00:00: esptool failed")
    port.unplug()
    bench.hear("plug in")
    bench.writer.error = None
    bench.writer.macs[station.port] = MACS[1]
    port.plug_in(BOOTED)
    bench.hear("a1pk/sensor01 is done")
    port.unplug()
    bench.hear("plug in")
    bench.writer.macs[station.port] = MACS[0]
    port.plug_in(BOOTED)
    bench.hear("a1pk/sensor00 is done")


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")
def test_ledger_that_cannot_be_written_ends_everything_before_a_write(bench, port):
    station = bench.start(port.link)
    bench.writer.macs[station.port] = MACS[0]
    bench.ledger.close()
    bench.ledger._file = open("/dev/full", "wb", buffering=0)  # noqa: SIM115
    port.plug_in(BOOTED)
    station.join(WAIT_S)
    assert isinstance(station.failure, LedgerError)
    assert bench.stop.is_set()
    assert bench.writer.written == []


def test_without_ports_only_boards_that_come_later_are_for_the_bench(
    bench, port, tmp_path, monkeypatch
):
    def plugged(link):
        return Plugged(str(link), "303a:1001", "", "", (BOARD.name,))

    other = tmp_path / "other"
    there = [plugged(other)]
    there.append(Plugged(str(tmp_path / "printer"), "1:1", "", "", ()))
    monkeypatch.setattr(factory, "plugged_in", lambda: list(there))
    bench.writer.macs = {str(port.link): MACS[0], str(other): MACS[1]}
    job = Job(
        BOARD.name, DEVICES[:1], bench.ledger, bench.writer, bench.view, False, 30, False, "x.bin"
    )
    thread = threading.Thread(target=factory._run, args=(job, BOARD, ()), daemon=True)
    thread.start()
    bench.hear("left alone")
    bench.hear("plug in boards")
    port.plug_in(BOOTED)
    there.append(plugged(port.link))
    thread.join(WAIT_S)
    assert not thread.is_alive()
    assert bench.writer.written == [(MACS[0], "sensor00")]


# -- the first boot -------------------------------------------------------------------------


def watch(port, wants_report=True, wait_s=WAIT_S, is_stopped=lambda: False):
    return watch_boot(str(port.link), wants_report, wait_s, lambda line: None, is_stopped)


def test_first_report_is_waited_for_and_a_start_is_enough_without(port):
    port.plug_in("garbage\x00", BOOTED, "0.9 I send accepted", REPORTED)
    assert watch(port) == REPORTED
    assert watch(port, wants_report=False) in (BOOTED, REPORTED)  # whichever is heard first


def test_port_that_goes_and_comes_back_is_followed(port):
    port.plug_in(BOOTED)

    def replug():
        port.unplug()
        port.plug_in(REPORTED)

    timer = threading.Timer(0.3, replug)
    timer.start()
    try:
        assert watch(port) == REPORTED
    finally:
        timer.join()


@pytest.mark.parametrize(
    ("lines", "words", "code"),
    [
        (['0.100 E app cannot run error=ConfigError why="bad key"'], "bad key", USAGE),
        (["Traceback (most recent call last):", "ImportError: no module"], "ImportError", 1),
        ([BOOTED, "2.000 W send failed error=DNSError"], "error=DNSError", TIMEOUT),
        ([BOOTED], "started device=x", TIMEOUT),
        ([], "no output", TIMEOUT),
    ],
)
def test_board_that_does_not_report_is_told_with_its_reason(port, lines, words, code):
    port.plug_in(*lines)
    with pytest.raises(CommandError, match=words) as caught:
        watch(port, wait_s=1.5)
    assert caught.value.exit_code == code


def test_watching_ends_when_the_factory_is_stopped(port):
    port.plug_in(BOOTED)
    with pytest.raises(Stopped):
        watch(port, is_stopped=lambda: True)


def test_labels_are_lines_or_json(capsys):
    with View() as view:
        view.label({"device": "a1pk/sensor00", "mac": MACS[0]})
    with View(as_json=True) as view:
        view.label({"device": "a1pk/sensor00", "mac": MACS[0]})
        view.say("port", "[bold]x[/bold]")
        view.show("port", 50)
    output, errors = capsys.readouterr()
    first, second = io.StringIO(output)
    assert first == f"a1pk/sensor00  {MACS[0]}\n"
    assert json.loads(second) == {"device": "a1pk/sensor00", "mac": MACS[0]}
    assert errors == "linkpost: port: [bold]x[/bold]\n"
