"""What commands leave behind and hand on, with marker secrets in all that they read.

Every command of `linkpost` runs as a process of its own (every_command.py), under a umask of 000,
with one emulator and one board on a port. Then each file, each process's arguments and each word
is looked through. What is shown in other ways is test_secrets_messages.py's.
"""

import json
import os
import re
import stat

import click
import pytest
from audit import Audit
from bench_board import wait_until
from emulator_process import EmulatorProcess
from every_command import EVERY, World, at_home, board_on_port
from markers import (
    CONSOLE_PASSWORD,
    PRODUCT_SECRET,
    SECRET,
    WIFI_PASSWORD,
    WRONG_SECRET,
    find,
)
from serial_board import needs_serial_board

from tools.cli import linkpost
from tools.virtual_board import image, kinds

pytestmark = [needs_serial_board, pytest.mark.timeout(400)]

SECRETS = (SECRET, WRONG_SECRET, WIFI_PASSWORD, CONSOLE_PASSWORD, PRODUCT_SECRET)
ON_CABLE = ("provision", "deploy", "monitor", "status", "outbox", "certs")
# Which file holds which secrets, by its nature; no other file holds any.
_TRIPLE_AND_WIFI = {SECRET, WIFI_PASSWORD}
HOLDERS = {
    r"emulator\.db(-wal)?": {SECRET, PRODUCT_SECRET, "registered"},
    r"registered\.csv": {"registered"},
    r"ready\.json": {CONSOLE_PASSWORD},
    r"wrong\.img|wrong-chip\.flash": {WRONG_SECRET, WIFI_PASSWORD},
    r"(board|serial|serial-2)\.img|serial-chip\.flash": {*_TRIPLE_AND_WIFI, "token"},
    r"board/config\.json|from-file\.json|typed\.json": _TRIPLE_AND_WIFI,
    r"board/token": {"token"},
    r"images/.+\.uf2|one/.+\.bin|240ac4000001\.flash": _TRIPLE_AND_WIFI,
    r"certs/(ca\.key|server)\.pem": {"key"},
}
CHIP = "240ac4000001.flash"
REPORT = re.compile(r"/topic/\S+ 0\n")


def every_name(command=linkpost, before=""):
    """Return the names of all commands that do something, "board run" among them."""
    found = []
    for name in command.list_commands(None):
        one = command.get_command(None, name)
        if not isinstance(one, click.Group) or one.invoke_without_command:
            found.append(before + name)
        if isinstance(one, click.Group):
            found += every_name(one, f"{before}{name} ")
    return found


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """All commands have run, and the board has reported again; the emulator still runs."""
    folder = tmp_path_factory.mktemp("markers")
    given = folder / "devices.csv"
    given.write_text(f"DeviceName,DeviceSecret,ProductKey\nsensor01,{SECRET},a1B2c3D4e5F\n")
    umask = os.umask(0)
    try:
        with pytest.MonkeyPatch.context() as patch, Audit(folder / "audit.jsonl") as audit:
            for name, value in at_home(folder / "home").items():
                patch.setenv(name, value)
            patch.setenv("LINKPOST_CONSOLE_PASSWORD", CONSOLE_PASSWORD)
            with EmulatorProcess([], ["--devices", given]) as emulator:
                made = World(folder, emulator)
                with board_on_port(made):
                    for name in sorted(EVERY, key=lambda name: name in ON_CABLE):
                        EVERY[name](made)
                    heard = len(emulator.log)
                    wait_until(lambda: REPORT.search(emulator.log, heard), "a report")
                made.events = audit.events()
                yield made
    finally:
        os.umask(umask)


@pytest.fixture(scope="module")
def tokens(world):
    """The tokens that boards have on their flash."""
    kept = (files_on(world.flash)["token"], (world.made / "board" / "token").read_bytes())
    found = [one.decode() for data in kept for one in re.findall(rb"[0-9a-f]{32}", data)]
    assert len(found) == 2
    return found


def files_on(flash):
    """Return the content of each file on a board's image."""
    system = image.open_image(flash, kinds.KINDS[kinds.DEFAULT_KIND])
    found = {}
    for root, _, names in system.walk("/"):
        for name in names:
            path = f"{root.rstrip('/')}/{name}"
            with system.open(path, "rb") as file:
                found[path.lstrip("/")] = file.read()
    return found


@pytest.fixture(scope="module")
def registered(world):
    """The secrets that `linkpost register` was given."""
    lines = (world.made / "registered.csv").read_text().splitlines()[1:]
    found = [line.split(",")[1] for line in lines]
    assert [len(one) for one in found] == [32, 32]
    return found


@pytest.fixture(scope="module")
def holders(world, tokens, registered):
    """What each file that a command has made holds, by its name: (secrets, mode)."""
    found = {}
    for name, path in files_of(world):
        data = path.read_bytes()
        kinds_of = dict.fromkeys(tokens, "token") | dict.fromkeys(registered, "registered")
        written = re.sub(rb"\xff{64,}", b"\xff", data)  # most of a flash is erased
        held = {kinds_of.get(one, one) for one in find(written, (*SECRETS, *kinds_of))}
        if b"PRIVATE KEY" in data:
            held.add("key")
        if held:
            found[name] = held, stat.S_IMODE(path.stat().st_mode)
    return found


def files_of(world):
    places = (world.made, world.folder / "bench", world.folder / "home", world.emulator.directory)
    for place in places:
        for path in sorted(place.rglob("*")):
            if path.is_file() and not path.is_symlink():
                yield str(path.relative_to(place)), path


def test_every_command_is_tried_here():
    assert set(EVERY) == set(every_name())


def test_no_process_says_a_secret(world, tokens, registered):
    said = [*world.said, ("the emulator", world.emulator.log + world.emulator.output)]
    assert len(said) > 25
    secrets = (*SECRETS, *tokens, *registered)
    assert [(what, found) for what, text in said if (found := find(text, secrets))] == []
    # They were on the way to say something: the endings are there, and refusals too.
    text = "\n".join(text for _, text in said)
    for words in (f"..{SECRET[-4:]}", f"..{WRONG_SECRET[-4:]}", "Traceback", "20000", "bad rows"):
        assert words in text


def test_no_program_is_given_a_secret_as_an_argument(world, tokens, registered):
    started = [one for one in world.events if one.name in ("subprocess.Popen", "os.exec")]
    assert len(started) > 5
    # Any user of the machine sees them.
    secrets = (*SECRETS, *tokens, *registered)
    assert [one.value for one in started if find(json.dumps(one.value), secrets)] == []


def test_secrets_are_in_the_files_that_have_to_hold_them_and_in_no_other(holders):
    for name, (found, _) in holders.items():
        allowed = [some for pattern, some in HOLDERS.items() if re.fullmatch(pattern, name)]
        assert allowed, f"{name} holds {found}"
        assert found <= allowed[0], f"{name} holds {found}"
    # Each kind was there to be found, so the look is not into the empty.
    for pattern in HOLDERS:
        assert [name for name in holders if re.fullmatch(pattern, name)], pattern


def test_files_that_hold_a_secret_or_a_key_are_made_for_their_owner_only(holders):
    modes = {name: oct(mode) for name, (_, mode) in holders.items()}
    modes.pop(CHIP)  # the chip itself, which no command has made
    assert {name: mode for name, mode in modes.items() if mode != "0o600"} == {}


def test_board_keeps_secrets_in_its_config_and_its_token_alone(world, tokens):
    for flash in ("serial.img", "board.img"):
        files = files_on(world.made / flash)
        assert {"config.json", "token", "main.py", "lib/linkpost/app.mpy"} <= set(files)
        secrets = (*SECRETS, *tokens)
        held = {name: set(find(data, secrets)) for name, data in files.items()}
        assert held.pop("config.json") == _TRIPLE_AND_WIFI
        assert not held.pop("token") & set(SECRETS)
        assert [name for name, found in held.items() if found] == []
