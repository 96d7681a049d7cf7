"""`linkpost provision`: what a board needs to know, asked, checked, and written to it."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import Any

import click

from .. import firmware
from ..client.authenticate import authenticate
from ..client.devices_csv import Triple, read_devices
from ..files import whole_file
from ..files.json_files import read_object
from ..firmware.board_files import CA_PREFIX, OWNED_FOLDERS, files_for, root_certificates
from ..firmware.boards import board_of_build
from ..firmware.config_check import CHECKED, CONFIG, check_config, dump_config
from ..firmware.config_hints import check_endpoint
from ..firmware.sensor_types import USER
from ..terminal import failures, next_step
from ..terminal.failures import CommandError
from ..usb import options
from ..usb.board import BoardLost, UsbBoard
from ..usb.identity import Identity
from ..usb.paused_board import paused_board
from .answers import (
    IDENTITY,
    INTERVAL,
    WIFI,
    Question,
    check,
    masked,
    problem_of,
    put,
    sensors_question,
    show_sensors,
    value_at,
)
from .outage import outage_text

_BLOCK_BYTES = 4096  # of littlefs: what a file takes is a multiple


@click.command()
@options.port
@click.option(
    "--from",
    "source",
    type=click.Path(path_type=Path),
    help="A config.json to take instead of asking; with --csv, everything but the identity.",
)
@click.option("--csv", type=click.Path(path_type=Path), help="The console's device list.")
@click.option("--device", help="Which row of --csv: ProductKey/DeviceName or DeviceName.")
@click.option("--check", "prove", is_flag=True, help="Authenticate from this computer first.")
@click.option(
    "--ca", type=click.Path(path_type=Path), help="For --check: PEM file of further CAs."
)
@click.option("--yes", is_flag=True, help="Replace a config.json that is on the board.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Write config.json to this file, not a board."
)
@options.wait(20.0)
def provision(
    port: str | None,
    source: Path | None,
    csv: Path | None,
    device: str | None,
    prove: bool,
    ca: Path | None,
    yes: bool,
    out: Path | None,
    wait_s: float,
) -> int:
    """Ask for identity, endpoint, Wi-Fi, interval and sensors, and write config.json.

    The identity is ProductKey, DeviceName and DeviceSecret, as the platform's console shows them.

    Each answer is checked by the firmware's own rules. What the board has already is offered, and
    kept unless you agree. Secrets are typed here or come from a file, never from the command line.

    \b
    Example: linkpost provision --check
    From a device list:
             linkpost provision --from template.json --csv devices.csv \\
                 --device sensor01
    """
    given = _given(source, csv, device)
    if out is not None:
        config = _complete(given, {}, ask_wifi=True, is_given=source is not None)
        _prove(config, prove, ca)
        _write_file(out, config, yes)
        _report(config, str(out), 0)
        return failures.DONE
    with paused_board(port, wait_s) as board:
        who = board.identify()
        _note(f"{who} on {board.port}")
        text = board.read(CONFIG)
        existing = _parsed(text)
        has_radio = who.chip != "host"
        config = _complete(
            given, existing, has_radio, _has_temperature(who), is_given=source is not None
        )
        checked = _check_for(who, config)
        _prove(config, prove, ca)
        if text is not None and existing != config and not (yes or _agrees(existing)):
            raise CommandError("the board's config.json is kept; --yes replaces it")
        if existing != config:
            _drop_foreign_ca(board, existing, config, ca)
            write_config(board, dump_config(config), checked)
        files = files_for(config, chip=who.chip or "", native_digests=who.native_digests, ca=ca)
        _report(config, board.port, _free_for_files(board, who, files))
        lacks = who.linkpost is not None and _lacks(board, files)
        for name in _absent_sensors(board, config):
            _note(f"{name} is not on the board yet: mpremote cp {name.rpartition('/')[2]} :user/")
        if has_radio and not config.get("wifi"):
            _note("the config has no `wifi`, and this board has no other network")
    print(_next(who, lacks, port, ca))
    return failures.DONE


def _check_for(who: Identity, config: dict[str, Any]) -> bytes:
    """Check what only the board can tell, where it is one of `boards/`; return what says so."""
    known = board_of_build(who.build)
    return b"" if known is None else check_config(config, known)


def _drop_foreign_ca(
    board: UsbBoard, existing: dict[str, Any], config: dict[str, Any], ca: Path | None
) -> None:
    """Take the CA of another endpoint off the board: what it was trusted for is gone."""
    if _place(existing) == _place(config):
        return
    folder = CA_PREFIX.partition("/")[0]
    there = {path for path in board.files(folder) if path.startswith(CA_PREFIX)}
    foreign = sorted(there - root_certificates(ca).keys())
    if foreign:
        # Before the config is written: cut in between, this is done again.
        board.remove(*foreign)
        _note(f"removed {', '.join(foreign)}: trusted for the endpoint that was here before")


def _place(config: dict[str, Any]) -> str | None:
    """Return the endpoint, however it was written; None where there is none that is right."""
    firmware.enable_imports()
    from linkpost.errors import ConfigError

    try:
        return check_endpoint("endpoint", config.get("endpoint"))
    except ConfigError:
        return None


def write_config(board: UsbBoard, content: bytes, checked: bytes = b"") -> None:
    """Replace the config in one step, then what stands beside it, which fits no other config;
    whatever stops it, nothing else is left there."""
    try:
        board.write(CONFIG, content, atomic=True)
        if checked:
            board.write(CHECKED, checked, atomic=True)
    except BoardLost:
        raise
    except BaseException:
        with contextlib.suppress(CommandError):
            board.reconnect()  # Ctrl-C may have cut a command in two
            board.remove(f"{CONFIG}.new", f"{CHECKED}.new")
        raise


def _given(source: Path | None, csv: Path | None, device: str | None) -> dict[str, Any]:
    """Return what files give. Raises: CommandError."""
    given: dict[str, Any] = {}
    if source is not None:
        _, given = read_object(source, "--from")
    if csv is not None:
        triple = _row(read_devices(csv), device)
        given |= {
            "product_key": triple.product_key,
            "device_name": triple.device_name,
            "device_secret": triple.device_secret,
        }
    elif device is not None:
        raise CommandError("--device is a row of --csv: give that too")
    return given


def _row(devices: list[Triple], wanted: str | None) -> Triple:
    if wanted is None:
        if len(devices) == 1:
            return devices[0]
        raise CommandError(f"--csv has {len(devices)} devices: which one? Give --device NAME")
    found = [one for one in devices if wanted in (one.key, one.device_name)]
    if len(found) != 1:
        raise CommandError(
            f"--device: {len(found)} devices of --csv are called {wanted}"
            + ("; give ProductKey/DeviceName" if found else "")
        )
    return found[0]


def _has_temperature(who: Identity) -> bool:
    known = board_of_build(who.build)
    return who.chip != "host" if known is None else known.has_temperature


def _complete(
    given: dict[str, Any],
    existing: dict[str, Any],
    ask_wifi: bool,
    has_temperature: bool = True,
    *,
    is_given: bool,
) -> dict[str, Any]:
    """Return the whole config, given in a file or asked for. Raises: ConfigError."""
    config = dict(given) if is_given else {**existing, **given}
    if not is_given:
        _need_terminal()
        print("Enter keeps what stands in [brackets].", file=sys.stderr)
        reporting = (INTERVAL, sensors_question(has_temperature))
        for question in (*IDENTITY, *(WIFI if ask_wifi else ()), *reporting):
            if question.path[0] not in given:
                _ask(question, config)
    check(config)
    return config


def _need_terminal() -> None:
    if not sys.stdin.isatty():
        raise CommandError(
            "there is nobody to ask here: give the whole config with --from FILE, or run it in a "
            "terminal"
        )


def _ask(question: Question, config: dict[str, Any]) -> None:
    """Ask until the answer is good, and put it into the config."""
    before = value_at(config, question.path)
    known = question.default if before is None else before
    while True:
        answer = click.prompt(
            _prompt(question, known),
            default="",
            show_default=False,
            hide_input=question.hidden,
            err=True,
        )
        if question.path[0] != "wifi":
            answer = answer.strip()
        elif answer != answer.strip():  # a network may be called so
            print("  it begins or ends with a space, which is kept", file=sys.stderr)
        if not answer:
            if known is None and not question.optional:
                print("  an answer is needed", file=sys.stderr)
                continue
            if known is not None:
                put(config, question.path, known)
            return
        value = question.parse(answer)
        problem = problem_of(question.path, value, config)
        if not problem:
            put(config, question.path, value)
            return
        print(f"  {problem}", file=sys.stderr)


def _prompt(question: Question, known: Any) -> str:
    if known is None:
        return question.text
    if question.hidden:
        shown = masked({"device_secret": known})["device_secret"]
        return f"{question.text} [{shown if question.path[0] == 'device_secret' else '(set)'}]"
    return f"{question.text} [{show_sensors(known) if isinstance(known, list) else known}]"


def _prove(config: dict[str, Any], prove: bool, ca: Path | None) -> None:
    if prove:
        _note(f"authenticating at {config['endpoint']}")
        authenticate(config, ca)
        _note("the platform accepts this device")


def _agrees(existing: dict[str, Any]) -> bool:
    if not sys.stdin.isatty():
        return False
    name = existing.get("device_name", "a device without a name")
    return click.confirm(f"The board has a config.json, of {name}. Replace it?", err=True)


def _parsed(text: bytes | None) -> dict[str, Any]:
    """Return what the board's config.json holds; nothing where it cannot be read as one."""
    try:
        found = json.loads(text or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _write_file(out: Path, config: dict[str, Any], yes: bool) -> None:
    if out.exists() and not yes:
        raise CommandError(f"--out: {out} already exists; --yes replaces it")
    try:
        whole_file.replace(out, dump_config(config))
    except OSError as error:
        raise CommandError(f"--out: cannot write {out}: {error.strerror}") from error


def _report(config: dict[str, Any], where: str, free_bytes: int) -> None:
    print(f"config.json on {where}:")
    print(json.dumps(masked(config), indent=2, ensure_ascii=False))
    held = outage_text(check(config), free_bytes)
    if held:
        print(held[0].upper() + held[1:])


def _lacks(board: UsbBoard, files: dict[str, bytes]) -> bool:
    """Tell whether this config needs a file that is not on the board: of the firmware, or a CA."""
    return not files.keys() <= board.files("main.py", *OWNED_FOLDERS).keys()


def _free_for_files(board: UsbBoard, who: Identity, files: dict[str, bytes]) -> int:
    """Return the bytes that are free, or the outbox's already, once the firmware is there."""
    free = who.free_bytes + sum(board.files("outbox").values())
    if who.linkpost is None:
        free -= sum(-(-len(data) // _BLOCK_BYTES) * _BLOCK_BYTES for data in files.values())
    return max(0, free)


def _absent_sensors(board: UsbBoard, config: dict[str, Any]) -> list[str]:
    """Return the files of the user's own sensors that this config names and the board lacks."""
    firmware.enable_imports()

    kinds = [str(sensor.get("type")) for sensor in config.get("sensors") or []]
    names = [kind.removeprefix(USER) for kind in kinds if kind.startswith(USER)]
    there = board.files("user") if names else {}
    return [
        f"user/{name}.py"
        for name in names
        if not {f"user/{name}.py", f"user/{name}.mpy"} & there.keys()
    ]


def _next(who: Identity, lacks_files: bool, port: str | None, ca: Path | None) -> str:
    deploy = next_step.command("deploy", port, ca)
    if who.linkpost is None:
        return f"Next: {deploy}"
    if lacks_files:
        return f"Next: {deploy}\nThis config needs files that are not on the board yet."
    monitor = next_step.command("monitor", port)
    return f"The board restarts with it. Watch it with: {monitor}"


def _note(line: str) -> None:
    print(f"linkpost: {line}", file=sys.stderr, flush=True)
