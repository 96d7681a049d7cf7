"""`linkpost boards`: what is plugged in, and what is supported."""

from __future__ import annotations

import json
import sys
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from ..firmware.boards import Board, boards
from ..terminal import failures
from ..usb.board import UsbBoard
from ..usb.serial_ports import NOTHING_FOUND, Plugged, plugged_in
from ..usb.uf2_drive import find_drive

_ANSWER_S = 5.0


@click.command(name="boards")
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
@click.option(
    "--ask", is_flag=True, help="Ask each board for its build, which stops and restarts it."
)
def boards_command(as_json: bool, ask: bool) -> int:
    """Show connected boards, and the boards that linkpost supports.

    Without --ask the boards are left alone, and only what USB tells is shown.

    \b
    Example: linkpost boards --ask
    """
    found = [_describe(one, ask) for one in plugged_in()]
    found += [_boot_loader(board) for board in boards().values() if _has_drive(board)]
    if as_json:
        supported = [
            {"board": board.name, "title": board.title, "micropython": board.version}
            for board in boards().values()
        ]
        print(json.dumps({"plugged_in": found, "supported": supported}))
        return failures.DONE
    _print(found)
    return failures.DONE


def _has_drive(board: Board) -> bool:
    return board.uf2_volume is not None and find_drive(board) is not None


def _boot_loader(board: Board) -> dict[str, Any]:
    return {
        "port": str(find_drive(board)),
        "usb_id": "",
        "what": f"{board.title}, in its boot loader",
        "boards": [board.name],
        "micropython": None,
        "linkpost": None,
        "free_bytes": None,
    }


def _describe(one: Plugged, ask: bool) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "port": one.port,
        "usb_id": one.usb_id,
        "what": one.description,
        "boards": list(one.boards),
        "micropython": None,
        "linkpost": None,
        "free_bytes": None,
    }
    if ask and one.boards:
        try:
            with UsbBoard(one.port, wait_s=_ANSWER_S) as board:
                who = board.identify()
                board.leave_running()
        except failures.CommandError as error:
            entry["what"] = str(error)
        else:
            entry["what"] = who.machine
            entry["micropython"] = ".".join(map(str, who.micropython))
            entry["linkpost"] = who.linkpost
            entry["free_bytes"] = who.free_bytes
    return entry


def _print(found: list[dict[str, Any]]) -> None:
    console = Console()
    if found:
        table = Table("port", "what", "may be", "MicroPython", "linkpost", "free flash", box=None)
        for entry in found:
            free = entry["free_bytes"]
            table.add_row(
                entry["port"],
                entry["what"],
                " ".join(entry["boards"]) or "no board that linkpost knows",
                entry["micropython"] or "",
                entry["linkpost"] or "",
                "" if free is None else f"{free // 1024:,} KB",
            )
        console.print(table)
    else:
        print(NOTHING_FOUND, file=sys.stderr)
    print("\nSupported:")
    for board in boards().values():
        print(f"  {board.name:18} {board.title}")
