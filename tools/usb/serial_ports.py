"""Which serial ports there are, and which of them has a board."""

from __future__ import annotations

from dataclasses import dataclass

from serial.tools import list_ports

from ..firmware.boards import boards
from ..terminal.failures import NO_BOARD, CommandError

NOTHING_FOUND = (
    "No board found. Use a data cable; hold BOOT while plugging in. "
    "Linux: add yourself to the group dialout, log in again."
)


@dataclass(frozen=True)
class Plugged:
    """One serial port with a USB device behind it."""

    port: str
    usb_id: str  # "vid:pid", hexadecimal
    serial_number: str  # "" where it has none
    description: str
    boards: tuple[str, ...]  # that show such an id; several share a bridge


def plugged_in() -> list[Plugged]:
    """Return the ports that may have a board: what a board.toml knows, then all other USB."""
    found = []
    for entry in list_ports.comports():
        if entry.vid is None:
            continue
        usb_id = f"{entry.vid:04x}:{entry.pid:04x}"
        names = tuple(name for name, board in boards().items() if usb_id in board.usb_ids)
        found.append(
            Plugged(
                entry.device,
                usb_id,
                entry.serial_number or "",
                entry.product or entry.description or "",
                names,
            )
        )
    return sorted(found, key=lambda one: (not one.boards, one.port))


def find_port() -> str:
    """Return the one port that has a board.

    Raises: CommandError with exit code 7 where there is none, or several to choose from.
    """
    likely = [one for one in plugged_in() if one.boards]
    if not likely:
        raise CommandError(NOTHING_FOUND, NO_BOARD)
    if len(likely) > 1:
        names = ", ".join(one.port for one in likely)
        raise CommandError(f"several boards are plugged in: choose with --port: {names}", NO_BOARD)
    return likely[0].port
