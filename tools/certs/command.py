"""`linkpost certs`: the root certificates here and on a board, and whom an endpoint chains to."""

from __future__ import annotations

import datetime
import json
import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from .. import firmware
from ..firmware.board_files import root_certificates
from ..firmware.config_hints import check_endpoint
from ..terminal import failures
from ..terminal.failures import NETWORK, CommandError
from ..usb.board import UsbBoard
from . import roots
from .roots import ROOTS, SAME
from .tls_probe import Probe, probe

_FOLDER = "certs"
_PROBE_S = 15.0
# For a board that is not there yet, or sleeps.
_WAIT_S = 20.0


@click.command()
@click.option("--check", is_flag=True, help="Fail where there is a problem.")
@click.option(
    "--update",
    is_flag=True,
    help="Restore what is missing or damaged: here, and with --port on the board.",
)
@click.option("--endpoint", help="Host or host:port; shows which root certificate it chains to.")
@click.option("--port", help="A board's serial port: compare its copies. It is restarted after.")
@click.option(
    "--ca",
    type=click.Path(path_type=Path),
    help="PEM file of further CAs for --endpoint, e.g. the emulator's.",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
def certs(
    check: bool,
    update: bool,
    endpoint: str | None,
    port: str | None,
    ca: Path | None,
    as_json: bool,
) -> int:
    """Show the platform's root certificates: days left, and whether each copy is right.

    Four roots of GlobalSign, known by their fingerprints. Each board has them in /certs.

    \b
    Exit codes: 0 done, 2 usage, 4 --check found a problem or the endpoint
    chains to none of the roots, 6 the endpoint does not answer, 7 no board.

    \b
    Example: linkpost certs --check \\
                 --endpoint iot-as-http.cn-shanghai.aliyuncs.com
             linkpost certs --check --port /dev/ttyUSB0
    """
    place = None if endpoint is None else _parse_endpoint(endpoint)
    candidates = {Path(name).name: der for name, der in root_certificates(ca).items()}
    if update:
        for name in roots.restore():
            _note(f"restored {name} in this package, from certifi")
    warned, failed = roots.complaints(datetime.datetime.now(datetime.UTC))
    board = _look_at_board(port, update) if port else None
    if board is not None:
        failed += _about_board(board, port)
    if not as_json:
        _print(board)
    for line in warned:
        _note(f"warning: {line}")
    # Last, because it may take its time, or fail.
    found = probe(*place, candidates, _PROBE_S) if place else None
    refused = _about_endpoint(found) if found else []
    if as_json:
        print(json.dumps(_as_json(board, found, warned, failed + refused)))
    elif found and found.chains_to:
        print(f"{found.endpoint} chains to {', '.join(map(_title, found.chains_to))}")
    if refused or (failed and check):
        raise CommandError("; ".join(failed + refused), NETWORK)
    for line in failed:
        _note(f"warning: {line}")
    return failures.DONE


def _parse_endpoint(text: str) -> tuple[str, int]:
    """Return host and port as the config's endpoint has them."""
    host, _, number = check_endpoint("--endpoint", text).partition(":")
    return host, int(number or 443)


def _look_at_board(port: str, update: bool) -> dict[str, Any]:
    """Return the state of each root on the board, and the names of its other roots."""
    package = roots.package_files()
    with UsbBoard(port, _WAIT_S, _note) as board:
        hashes = _hashes_on(board)
        if update:
            for root in ROOTS:
                if hashes.get(root.file) != root.sha256:
                    board.write(f"{_FOLDER}/{root.file}", package[root.file], atomic=True)
                    _note(f"wrote {root.file} to the board")
            hashes = _hashes_on(board)
        board.leave_running()
    names = {root.file for root in ROOTS}
    return {
        "anchors": {root.file: roots.compare(hashes.get(root.file), root) for root in ROOTS},
        # The emulator's, or whatever CA the user trusts beside the platform's.
        "others": sorted(hashes.keys() - names),
    }


def _hashes_on(board: UsbBoard) -> dict[str, str]:
    """Return the hash of each root that the board's firmware trusts, by file name."""
    firmware.enable_imports()
    from linkpost.storage.files import ANCHOR_FOLDERS

    found: dict[str, str] = {}
    for path, digest in board.hashes(*reversed(ANCHOR_FOLDERS)).items():
        if path.endswith(".der"):  # it reads no others
            found[path.rpartition("/")[2]] = digest
    return found


def _about_board(board: dict[str, Any], port: str | None) -> list[str]:
    wrong = [f"{name} {state}" for name, state in board["anchors"].items() if state != SAME]
    if not wrong:
        return []
    return [f"on the board: {', '.join(wrong)}. Run: linkpost certs --update --port {port}"]


def _about_endpoint(found: Probe) -> list[str]:
    if not found.chains_to:
        issued = f", it is issued by {found.issuer}" if found.issuer else ""
        line = (
            f"the certificate of {found.endpoint} is not signed by any of these root "
            f"certificates{issued}. A proxy in "
            "between? An emulator? Give --ca ca.pem, and linkpost deploy --ca ca.pem"
        )
        return [line]
    return [f"{found.endpoint}: {found.problem}"] if found.problem else []


def _title(name: str) -> str:
    return next((root.title for root in ROOTS if root.file == name), name)


def _rows(board: dict[str, Any] | None) -> list[dict[str, Any]]:
    now = datetime.datetime.now(datetime.UTC)
    package = roots.package_files()
    rows = []
    for root in ROOTS:
        end = roots.end_of(root)
        rows.append(
            {
                "file": root.file,
                "title": root.title,
                "sha256": root.sha256,
                "ends": None if end is None else end.date().isoformat(),
                "days_left": None if end is None else (end - now).days,
                "package": roots.package_state(root, package),
                "in_certifi": root.sha256 in roots.from_certifi(),
                "board": board["anchors"][root.file] if board else None,
            }
        )
    return rows


def _as_json(
    board: dict[str, Any] | None, found: Probe | None, warned: list[str], failed: list[str]
) -> dict[str, Any]:
    return {
        "anchors": _rows(board),
        "others_on_board": board["others"] if board else None,
        "endpoint": None
        if found is None
        else {
            "endpoint": found.endpoint,
            "chains_to": found.chains_to,
            "problem": found.problem,
            "issuer": found.issuer,
        },
        "warnings": warned,
        "failures": failed,
    }


def _print(board: dict[str, Any] | None) -> None:
    columns = ["root certificate", "ends", "days left", "here", "in certifi"]
    table = Table(*columns, *(["on the board"] if board else []), box=None)
    for row in _rows(board):
        table.add_row(
            row["title"],
            row["ends"] or "?",
            "?" if row["days_left"] is None else str(row["days_left"]),
            row["package"],
            "yes" if row["in_certifi"] else "no longer",
            *([row["board"]] if board else []),
        )
    Console().print(table)
    if board and board["others"]:
        print(f"also on the board: {', '.join(board['others'])}")


def _note(line: str) -> None:
    print(f"linkpost: {line}", file=sys.stderr)
