"""`linkpost factory`: board after board is plugged in, and each becomes a device."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import click

from ..client.devices_csv import Triple
from ..firmware.boards import Board, find_board
from ..firmware.config_check import check_config
from ..firmware.user_files import read_user_files
from ..flash.command import bar
from ..flash.firmware_cache import firmware_for, firmware_from
from ..image.command import configs_of
from ..register.registration import HOST
from ..terminal import failures
from ..terminal.counting import count
from ..terminal.failures import CommandError
from ..terminal.finite_range import FiniteRange
from ..usb.serial_ports import plugged_in
from .bench import Job, Station, join_all
from .ledger import DONE, Ledger
from .register import FactoryRegistration, Options, template_of
from .view import View
from .writers import Images, PicoWriter, writer_for

_LOOK_S = 0.5
_STOP_S = 15.0


@click.command()
@click.argument("board_name", metavar="BOARD")
@click.option(
    "--csv",
    "csv_path",
    type=click.Path(path_type=Path),
    help="The console's device list: one row per board. With --register a CSV of DeviceName; "
    "without it a board's name is its MAC.",
)
@click.option(
    "--ledger",
    "ledger_path",
    required=True,
    type=click.Path(path_type=Path),
    help="Records which board got which row: made on first use; a stopped run continues from it.",
)
@click.option(
    "--config",
    required=True,
    type=click.Path(path_type=Path),
    help="A config.json as template: endpoint, Wi-Fi, sensors. Each row gives the identity.",
)
@click.option(
    "--port",
    "ports",
    multiple=True,
    help="A port to use; may be repeated.  [default: every port where such a board appears]",
)
@click.option(
    "--no-report", is_flag=True, help="Finish a board when it starts, where there is no network."
)
@click.option(
    "--wait",
    "report_s",
    type=FiniteRange(min=1),
    default=120.0,
    show_default=True,
    help="Seconds to wait for a board's first accepted report.",
)
@click.option(
    "--firmware",
    type=click.Path(path_type=Path),
    help="A MicroPython .bin or .uf2 of your own; without it the pinned one is downloaded, once.",
)
@click.option("--ca", type=click.Path(path_type=Path), help="PEM file of further CAs to trust.")
@click.option(
    "--user",
    "user_folder",
    type=click.Path(path_type=Path),
    help="A folder of your own sensors, for the board's user/, and of a main.py in place of ours.",
)
@click.option(
    "--fixture",
    is_flag=True,
    help="The ports stay when boards change: a new board is recognised by its MAC.",
)
@click.option(
    "--register",
    is_flag=True,
    help="Each board gets its secret when it is plugged in, as by linkpost register.",
)
@click.option("--product-key", help="With --register: the product's key.")
@click.option(
    "--product-secret-file",
    type=click.Path(path_type=Path),
    help="With --register: as for linkpost register.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="With --register: the list of the secrets."
)
@click.option("--host", help=f"With --register.  [default: {HOST}]")
@click.option(
    "--release",
    "released",
    multiple=True,
    metavar="PK/DN",
    help="First free the row of a board that is broken or reused; may be repeated.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print each finished board as a JSON object."
)
def factory(
    board_name: str,
    csv_path: Path | None,
    ledger_path: Path,
    config: Path,
    ports: tuple[str, ...],
    no_report: bool,
    report_s: float,
    firmware: Path | None,
    ca: Path | None,
    user_folder: Path | None,
    fixture: bool,
    register: bool,
    product_key: str | None,
    product_secret_file: Path | None,
    out: Path | None,
    host: str | None,
    released: tuple[str, ...],
    as_json: bool,
) -> int:
    """Set up the boards of a device list one after another, at one port or many.

    A board that is plugged in gets the next row: MicroPython, firmware, certificates and config
    are written and verified, its first accepted report is waited for, and its label is printed:
    ProductKey/DeviceName and MAC. Then it is the next board's turn. Ctrl-C stops; the same
    command goes on from the ledger, which holds no secrets. A board that failed keeps its row.

    With --register the product's secret, kept here, gets each board its own when it comes. The
    vendor has this in Shanghai only, and recommends against it on devices: hence the bench.

    \b
    Example: linkpost factory ESP32_GENERIC --csv devices.csv
             --config template.json --ledger ledger.jsonl
             linkpost factory ESP32_GENERIC --register --product-key a1B2c3D4e5F
             --out devices.csv --config template.json --ledger ledger.jsonl
    """
    board = find_board(board_name)
    given = (product_key, product_secret_file, out, host)
    options = _registration_options(register, csv_path, ca, *given)
    user = read_user_files(user_folder)
    if options is None:
        if csv_path is None:
            raise click.UsageError("give the device list with --csv, or use --register")
        configs = configs_of(config, csv_path)
        check_config(configs[0][1], board, user=user.names)
        devices = [triple for triple, _ in configs]
        by_key = {triple.key: data for triple, data in configs}
        registration = None
    else:
        registration = FactoryRegistration(options, template_of(config), board, user.names)
        devices, by_key = registration.listed, registration.configs
    stop = threading.Event()
    micropython = _downloaded(board) if firmware is None else firmware_from(firmware)
    with (
        Ledger(ledger_path) as ledger,
        _private_folder(Path(f"{ledger_path}.images")) as folder,
        View(as_json) as view,
        contextlib.ExitStack() as stack,
    ):
        if ledger.dropped:
            view.say("", "the ledger's last line was cut off by a crash: dropped")
        for key in released:
            entry = ledger.release(key)
            view.say("", f"{key} is free again; it was on {entry.mac}")
        images = Images(board, micropython, by_key, ca, folder, user)
        images.check()
        if registration is not None and options is not None:
            stack.enter_context(registration.open(options, stop, lambda line: view.say("", line)))
        job = Job(
            board.name,
            devices,
            ledger,
            writer_for(images),
            view,
            not no_report,
            report_s,
            fixture,
            micropython[0],
            registration,
        )
        view.say("", _standing(ledger, devices))
        try:
            _run(job, board, ports, stop)
        finally:
            view.say("", _standing(ledger, devices))
    return failures.DONE


def _registration_options(
    register: bool,
    csv_path: Path | None,
    ca: Path | None,
    product_key: str | None,
    secret_file: Path | None,
    out: Path | None,
    host: str | None,
) -> Options | None:
    """Return what is given for --register; None without it. Raises: UsageError."""
    if not register:
        if (product_key, secret_file, out, host) != (None, None, None, None):
            raise click.UsageError("--product-key, --out and --host go with --register")
        return None
    if product_key is None or out is None:
        raise click.UsageError("--register needs --product-key and --out")
    return Options(product_key, out, secret_file, csv_path, host or HOST, ca)


def _run(
    job: Job, board: Board, ports: tuple[str, ...], stop: threading.Event | None = None
) -> None:
    """Run stations until every row is done. Raises: what made one of them end the factory."""
    if job.is_done():
        return
    stop = stop or threading.Event()
    stations: dict[str, Station] = {}
    there: set[str] = set()
    # What is plugged in may be anybody's: only what comes from now on is for the bench.
    foreign = set() if ports else _boards_there(board)
    for port in sorted(foreign):
        job.view.say(port, "was there before, so it is left alone: unplug it, or use --port")
    if not ports:
        job.view.say("", "plug in boards; Ctrl-C stops")
    try:
        while not stop.is_set():
            if not ports:
                now = _boards_there(board)
                foreign &= now
                there &= now - foreign  # in place: the stations look at it
                there |= now - foreign
            for port in ports or sorted(there):
                if port not in stations:
                    is_there = None if ports else there.__contains__
                    stations[port] = Station(port, job, stop, is_there)
                    stations[port].start()
            if isinstance(job.writer, PicoWriter):
                _start_new(job.writer, job.view)
            stop.wait(_LOOK_S)
    finally:
        stop.set()
        join_all(list(stations.values()), _STOP_S)
    for station in stations.values():
        if station.failure is not None:
            raise station.failure


def _boards_there(board: Board) -> set[str]:
    return {one.port for one in plugged_in() if board.name in one.boards}


def _start_new(writer: PicoWriter, view: View) -> None:
    try:
        if writer.start_new(lambda percent: view.show("new board", percent)):
            view.say("", "a new board has its MicroPython and restarts")
    except CommandError as error:
        view.say("", str(error))
    finally:
        view.show("new board", 100)


def _standing(ledger: Ledger, devices: list[Triple]) -> str:
    keys = {triple.key for triple in devices}
    entries = [entry for entry in ledger.entries() if not keys or entry.device in keys]
    begun = [entry for entry in entries if entry.state != DONE]
    done = f"{len(entries) - len(begun)} done, {len(begun)} begun"
    # Named by their MACs there is no list, and so no end.
    text = done
    if keys:
        text = f"{count(len(devices), 'device')}: {done}, {len(devices) - len(entries)} free"
    shown = ", ".join(f"{entry.device} on {entry.mac}" for entry in begun[:5])
    return text + (f" (begun: {shown}{', ...' if len(begun) > 5 else ''})" if begun else "")


@contextlib.contextmanager
def _private_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder for images, which hold secrets; nothing is left of it, nor of what a
    killed factory left there. The ledger's lock is held meanwhile."""
    try:
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(mode=0o700)
        os.chmod(path, 0o700)
    except OSError as error:
        raise CommandError(f"cannot make {path}: {error.strerror}") from error
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _downloaded(board: Board) -> tuple[str, bytes]:
    with bar("downloading") as show:
        return firmware_for(board, lambda done, total: show(100 * done / total if total else 0))
