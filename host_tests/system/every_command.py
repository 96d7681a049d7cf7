"""Every command of `linkpost` as a process of its own, with marker secrets in all that it reads.

For test_secrets_files.py: what they say is kept, and what they leave behind.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import urllib.request
from collections.abc import Callable
from pathlib import Path

from bench_board import BOOTED, BenchBoard, wait_until
from emulator_process import EmulatorProcess
from firmware_files import firmware_of
from linkpost_command import run, start
from markers import CONSOLE_PASSWORD, PRODUCT_SECRET, SECRET, WIFI_PASSWORD, WRONG_SECRET
from terminal import linkpost_in_terminal

from tools.chip import cache as chip_cache
from tools.firmware.boards import boards

PRODUCT_KEY = "a1B2c3D4e5F"
TRIPLE = (PRODUCT_KEY, "sensor01", SECRET)
DEVICE = f"{PRODUCT_KEY}/sensor01"
_HEADER = "DeviceName,DeviceSecret,ProductKey\n"
_WAIT_S = 100
# Of the person who runs the tests: their cache is another one while the commands run.
_CHIP_FILES = (
    sorted(path for path in chip_cache.chip_cache().iterdir() if path.suffix in (".uf2", ".bin"))
    if chip_cache.is_complete()
    else []
)


class World:
    """One emulator, one board on a port, and what all commands said so far, by what was run.

    `given` is the folder of what the person wrote, `made` that of what the commands made.
    """

    def __init__(self, folder: Path, emulator: EmulatorProcess):
        self.folder = folder
        self.emulator = emulator
        self.given = folder / "given"
        self.made = folder / "made"
        self.said: list[tuple[str, str]] = []
        for made in (self.given, self.made):
            made.mkdir()
        self.port = self.made / "port"
        self.flash = self.made / "serial.img"
        self.devices = self.write("devices.csv", _HEADER + f"sensor01,{SECRET},{PRODUCT_KEY}\n")
        self.config = self.write_config("config.json")
        self.wrong = self.write_config("wrong.json", device_secret=WRONG_SECRET)

    def write(self, name: str, text: str) -> Path:
        path = self.given / name
        path.write_text(text)
        return path

    def write_config(self, name: str, **changes: object) -> Path:
        config = {
            "endpoint": self.emulator.platform,
            "product_key": PRODUCT_KEY,
            "device_name": "sensor01",
            "device_secret": SECRET,
            "interval_s": 1,
            "sensors": [{"type": "simulated"}],
            "wifi": {"ssid": "lab", "password": WIFI_PASSWORD},
            **changes,
        }
        return self.write(name, json.dumps(config))

    def keep(self, what: str, *texts: str) -> None:
        self.said.append((what, "\n".join(texts)))

    def run(self, *arguments: object, code: int = 0, words: str = "") -> str:
        """Run a command that ends so and says that; return what it said."""
        done = run(*arguments, timeout_s=_WAIT_S)
        what = "linkpost " + " ".join(map(str, arguments))
        self.keep(what, done.stdout, done.stderr)
        assert done.returncode == code, (what, done.stdout, done.stderr)
        assert words in done.stdout + done.stderr, (what, done.stdout, done.stderr)
        return done.stdout

    def run_until(self, words: str, *arguments: object) -> None:
        """Run a command until its log says that, and press Ctrl-C."""
        heard = []
        with start(*arguments, "--timeout", _WAIT_S) as process:
            for line in process.stderr:
                heard.append(line)
                if words in line:
                    break
            process.send_signal(signal.SIGINT)
            output, errors = process.communicate(timeout=_WAIT_S)
        what = "linkpost " + " ".join(map(str, arguments))
        self.keep(what, *heard, output, errors)
        assert process.returncode == 130, (what, heard, output, errors)

    def ask(self, method: str, path: str, body: object = None) -> None:
        """Call the console's API, with its password."""
        request = urllib.request.Request(  # noqa: S310  plain HTTP on loopback
            self.emulator.console + path,
            None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {CONSOLE_PASSWORD}",
                "Content-Type": "application/json",
            },
            method=method,
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=_WAIT_S) as reply:
            assert reply.status in (200, 201, 204)


def _demo(world: World) -> None:
    # It makes a device of its own, and takes nothing of a person's.
    world.run("demo", "--reports", 1, words="accepted: report 1")


def _emulator(world: World) -> None:
    # The one that runs has its own words; here it does not start.
    row = f"sensor01,{SECRET},{PRODUCT_KEY}\n"
    bad = world.write("bad.csv", f"{_HEADER}{row}{row}no,{SECRET},{PRODUCT_KEY}\n{SECRET}\n")
    world.run("emulator", "--devices", bad, code=2, words="3 bad rows")


def _export(world: World) -> None:
    for name in ("csv", "ndjson"):
        out = world.made / f"messages.{name}"
        options = ("--db", world.emulator.db, "--format", name, "--refused")
        world.run("emulator", "export", *options, "--out", out)
        assert "user/update" in out.read_text()


def _board_run(world: World) -> None:
    ours = ("board", "run", "--ca", world.emulator.ca)
    good = (*ours, "--config", world.config, "--reports", 2, "--timeout", _WAIT_S)
    world.run(*good, "--flash", world.made / "board.img")
    world.run(*good, "--flash", world.made / "board", "--runtime", "cpython")
    bad = (*ours, "--config", world.wrong, "--flash", world.made / "wrong.img")
    world.run_until(f"ends in ..{WRONG_SECRET[-4:]}", *bad)


def _board_serial(world: World) -> None:
    # That the commands on a cable run against it is the test of its good ways.
    taken = world.write("taken", "mine")
    flash = ("--flash", world.made / "serial-2.img", "--config", world.config)
    world.run("board", "serial", *flash, "--link", taken, code=2, words="already")


def _chip_fetch(world: World) -> None:
    if _CHIP_FILES:
        rom, *builds = sorted(_CHIP_FILES, key=lambda path: path.suffix)
        given = ("--micropython", builds[-1], "--bootrom", rom)
        world.run("board", "chip", "fetch", *given, words=builds[-1].name)
    # A config in the place of the boot ROM: it is looked at, and refused.
    world.run("board", "chip", "fetch", "--bootrom", world.config, code=2, words="16,384")


def _chip_run(world: World) -> None:
    ours = ("board", "chip", "run", "--ca", world.emulator.ca, "--tls", "host")
    good = (*ours, "--config", world.config, "--reports", 1, "--timeout", _WAIT_S)
    bad = (*ours, "--config", world.wrong, "--flash", world.made / "wrong-chip.flash")
    if not _CHIP_FILES:
        world.run(*good, code=2, words="board chip fetch")
        return
    world.run(*good)
    world.run_until(f"ends in ..{WRONG_SECRET[-4:]}", *bad)


def _chip_exec(world: World) -> None:
    script = world.write("look.py", "import os; print(os.stat('config.json')[6] > 100)\n")
    given = ("board", "chip", "exec", script, "--config", world.config)
    if _CHIP_FILES:
        world.run(*given, words="True")
    else:
        world.run(*given, code=2, words="board chip fetch")


def _chip_serial(world: World) -> None:
    # As for the board on a port: that commands on a cable run against it has its own tests.
    flash = ("--flash", world.made / "serial-chip.flash", "--config", world.config)
    taken = world.write("taken-by-chip", "mine")
    given = (*flash, "--ca", world.emulator.ca, "--link", taken)
    words = "already" if _CHIP_FILES else "board chip fetch"
    world.run("board", "chip", "serial", *given, code=2, words=words)


def _send(world: World) -> None:
    ours = ("--ca", world.emulator.ca, "--data", "hello")
    world.run("send", "--config", world.config, *ours)
    wrong = ("send", "--config", world.wrong, *ours)
    reading = {"device": DEVICE, "stream": "0" * 8, "seq": 1, "time": None, "values": {"n": 1}}
    readings = world.write("readings.jsonl", json.dumps(reading))
    rescued = ("send", "--ca", world.emulator.ca, "--readings", readings)
    ending = f"ends in ..{WRONG_SECRET[-4:]}"
    world.run("--debug", *rescued, "--config", world.wrong, code=3, words=ending)
    world.run(*rescued, "--config", world.config, words="1 of 1 readings")
    world.run("--debug", *wrong, code=3, words=f"ends in ..{WRONG_SECRET[-4:]}")


def _register(world: World) -> None:
    key = "a1registered"
    world.ask("POST", "/api/products", {"product_key": key, "product_secret": PRODUCT_SECRET})
    world.ask("POST", f"/api/products/{key}/names", {"names": ["reg-01", "reg-02"]})
    right = world.write("product.secret", PRODUCT_SECRET + "\n")
    wrong = world.write("wrong.secret", WRONG_SECRET)
    ours = ("--host", world.emulator.platform, "--ca", world.emulator.ca, "--product-key", key)
    given = ("register", *ours, "--name", "reg-01", "--out", world.made / "registered.csv")
    failed = ("--debug", *given, "--product-secret-file", wrong)
    world.run(*failed, code=3, words="Check the product's secret")
    more = ("--name", "reg-02", "--name", "never-made", "--product-secret-file", right)
    world.run(*given, *more, code=5, words="2 of 3 names")


def _boards(world: World) -> None:
    world.run("boards", "--json", words="supported")


def _flash(world: World) -> None:
    # A config in the place of the firmware: it is looked at, and refused.
    mistaken = ("--port", world.folder / "no-port", "--firmware", world.config)
    world.run("flash", "ESP32_GENERIC", *mistaken, code=2, words="Nothing was written")


def _provision(world: World) -> None:
    check = ("--check", "--ca", world.emulator.ca)
    out = ("--out", world.made / "from-file.json")
    world.run("provision", "--from", world.config, *check, *out, words=f"..{SECRET[-4:]}")
    with linkpost_in_terminal("provision", "--out", world.made / "typed.json") as terminal:
        terminal.answer("Endpoint", world.emulator.platform)
        terminal.answer("ProductKey", PRODUCT_KEY)
        terminal.answer("DeviceName", "sensor01")
        terminal.answer("DeviceSecret", f"{SECRET} and more")
        # What is typed before it is asked for shows: its echo is still on then.
        terminal.wait_for("1 to 32 of")
        terminal.answer("DeviceSecret", SECRET)
        terminal.answer("Wi-Fi name", "lab")
        terminal.answer("Wi-Fi password", WIFI_PASSWORD)
        terminal.answer("Seconds between readings", "30")
        terminal.answer("Sensors", "simulated")
        assert terminal.end() == 0, terminal.text
    world.keep("linkpost provision, typed", terminal.text)
    world.run("provision", "--port", world.port, "--from", world.config, words="Next")


def _deploy(world: World) -> None:
    world.run("deploy", "--port", world.port, "--ca", world.emulator.ca)


def _monitor(world: World) -> None:
    with start("monitor", "--port", world.port) as process:
        # Its token is refused, then its authentication: what a board has to say of secrets, once
        # in many minutes. So not before it is listened to.
        heard = []
        for line in process.stdout:
            heard.append(line)
            if len(heard) == 1:
                world.ask("POST", f"/api/devices/{DEVICE}/disable")
            if "AuthError" in line:
                break
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=_WAIT_S)
    assert process.returncode == 130, errors
    assert f"ends in ..{SECRET[-4:]}" in "".join(heard) + output, heard
    world.keep("linkpost monitor", *heard, output, errors)
    world.ask("POST", f"/api/devices/{DEVICE}/enable")


def _status(world: World) -> None:
    world.run("status", "--port", world.port, "--json")


def _outbox(world: World) -> None:
    world.run("outbox", "--port", world.port, "--quarantined", "--json")
    world.run("outbox", "--port", world.port, "--save", world.made / "readings.jsonl")
    forgotten = ("--forget-through", 1, "--yes")
    world.run("outbox", "--port", world.port, *forgotten, words="othing to delete")


def _certs(world: World) -> None:
    world.run("certs", "--port", world.port, "--check", "--json")


def _fleet(world: World) -> None:
    few = ("--boards", 1, "--interval", 0.2, "--duration", 0.5)
    world.run("fleet", "--console", world.emulator.console, *few)  # it asks with the password
    ours = ("--endpoint", world.emulator.platform, "--ca", world.emulator.ca, *few, "--json")
    world.run("fleet", *ours, "--csv", world.devices)


def _image(world: World) -> None:
    many = ("--config", world.config, "--csv", world.devices)
    world.run("image", "RPI_PICO_W", *many, "--out", world.made / "images")
    world.run("image", "ESP32_GENERIC", "--config", world.config, "--out", world.made / "one")


def _factory(world: World) -> None:
    board = boards()["ESP32_GENERIC_C3"]
    firmware = world.made / "c3.bin"
    firmware.write_bytes(firmware_of(board, 60_000))
    ledger = world.made / "ledger.jsonl"
    given = ("--csv", world.devices, "--config", world.config, "--firmware", firmware)
    arguments = ("factory", board.name, *given, "--ledger", ledger, "--no-report")
    bench = world.folder / "bench"
    bench.mkdir()
    port = bench / "port"
    with (
        BenchBoard(bench, port, "24:0a:c4:00:00:01") as one,
        start(*arguments, "--port", port, "--json") as process,
    ):
        one.plug_in()
        wait_until(lambda: ledger.exists() and '"written"' in ledger.read_text(), "a board")
        one.run(BOOTED, f'3.1 W send failed error=AuthError why="ends in ..{SECRET[-4:]}"')
        output, errors = process.communicate(timeout=_WAIT_S)
    world.keep("linkpost factory", output, errors)
    assert process.returncode == 0, errors


def _bench(world: World) -> None:
    # It makes a device of its own for each figure, and takes nothing of a person's.
    world.run("bench", "--rounds", "many", code=2)


# Those on a cable one after the other: each finds what the one before has left on the board.
EVERY: dict[str, Callable[[World], None]] = {
    "demo": _demo,
    "emulator": _emulator,
    "board run": _board_run,
    "board serial": _board_serial,
    "board chip fetch": _chip_fetch,
    "board chip run": _chip_run,
    "board chip exec": _chip_exec,
    "board chip serial": _chip_serial,
    "send": _send,
    "register": _register,
    "boards": _boards,
    "flash": _flash,
    "provision": _provision,
    "deploy": _deploy,
    "monitor": _monitor,
    "status": _status,
    "outbox": _outbox,
    "certs": _certs,
    "fleet": _fleet,
    "image": _image,
    "factory": _factory,
    "bench": _bench,
    "emulator export": _export,
}


@contextlib.contextmanager
def board_on_port(world: World):
    """Run `linkpost board serial`, new as it comes from the shop; keep what it says at the end."""
    ready = world.folder / "board.ready"
    options = ("--flash", world.flash, "--link", world.port, "--ready-file", ready)
    with start("board", "serial", *options) as process:
        try:
            wait_until(lambda: ready.exists() or process.poll() is not None, "a board")
            yield
        finally:
            process.send_signal(signal.SIGINT)
            try:
                world.keep("linkpost board serial", *process.communicate(timeout=_WAIT_S))
            except subprocess.TimeoutExpired:
                world.keep("linkpost board serial", "it did not end")


def at_home(home: Path) -> dict[str, str]:
    """Return the variables that keep what commands leave behind in one folder."""
    places = {"HOME": "", "XDG_DATA_HOME": "data", "XDG_CACHE_HOME": "cache", "TMPDIR": "tmp"}
    for place in places.values():
        (home / place).mkdir(parents=True, exist_ok=True)
    return {name: os.path.join(home, place) for name, place in places.items()}
