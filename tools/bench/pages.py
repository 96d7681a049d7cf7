"""The figures that README and docs show, written into them; nobody writes one by hand.

A generated part stands between two comments, `<!-- made: NAME -->` and `<!-- end -->`. The chip's
parts come from the committed result (chip/result.json) and are compared by a test; the desktop's
table is what `linkpost bench --docs` measured last, on the machine that it names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from .. import firmware
from ..chip.command import HEAP_BYTES
from ..firmware.boards import RP2, Board, boards
from ..terminal.failures import CommandError
from .budgets import BUDGETS
from .chip import result
from .chip.budgets import BUDGETS as CHIP_BUDGETS
from .chip.budgets import NOT_MODELLED
from .figures import Figures

ROOT = Path(__file__).parent.parent.parent
MEASURED = ROOT / "docs" / "measured.md"
HARDWARE = ROOT / "docs" / "hardware.md"
README = ROOT / "README.md"

# The README's five rows: key of the chip's figures, and how the README calls it.
_FIVE = {
    "heap.app": "heap that a running App keeps, without the TLS context",
    "least.chip": "total heap that an App needs for its reports",
    "time.fresh": "a report on a fresh, verified connection",
    "time.fresh_of_bare": "the same, of a bare verified handshake",
    "time.kept": "a report on a connection that is kept",
}
_GROWN_HEAP = 81_920  # what linkpost makes a plain ESP32's heap before anything else is loaded


def fill(text: str, name: str, content: str) -> str:
    """Return a page with the part of that name replaced.

    Raises: CommandError where the page has no such part.
    """
    part = re.compile(rf"(<!-- made: {re.escape(name)} -->\n).*?(<!-- end -->)", re.DOTALL)
    filled, count = part.subn(lambda found: f"{found[1]}{content.strip()}\n{found[2]}", text)
    if count != 1:
        raise CommandError(f"the page has {count} parts <!-- made: {name} -->, not one")
    return filled


def _table(head: list[str], rows: list[list[str]], right: int = 0) -> str:
    """Return a table whose last `right` columns are numbers."""
    left = len(head) - right
    lines = [head, ["---"] * left + ["---:"] * right, *rows]
    return "\n".join(
        "|" + "|".join(line) + "|" if line[0] == "---" else f"| {' | '.join(line)} |"
        for line in lines
    )


def number(value: float, unit: str) -> str:
    """Return a figure as the tables show it."""
    text = f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"
    return f"{text} {unit}".rstrip()


# -- the chip's figures ---------------------------------------------------------------------------


def _chip_row(key: str, value: float, what: str = "") -> list[str]:
    budget = CHIP_BUDGETS[key]
    goal = "" if budget.goal is None else number(budget.goal, budget.unit)
    if not budget.is_reached(value):
        goal += " (aim)" if budget.is_aim else " (not reached)"
    return [what or budget.what, number(value, budget.unit), goal]


def _of_the_chip(found: result.Result) -> str:
    return (
        f"MicroPython {found.micropython.removesuffix('.uf2')} on the emulated chip, "
        f"linkpost {found.version}, {found.date}."
    )


def chip_table(found: result.Result) -> str:
    """Return every figure of the chip, as docs/measured.md shows them."""
    rows = [_chip_row(key, value) for key, value in found.figures.items()]
    return (
        f"{_table(['what', 'measured', 'goal'], rows, 2)}\n\n{_of_the_chip(found)}\n{NOT_MODELLED}"
    )


def not_reached(found: result.Result) -> str:
    """Return the chip's goals that were not reached, and how far off they are."""
    rows = []
    for key, value in found.figures.items():
        budget = CHIP_BUDGETS[key]
        if budget.goal is not None and not budget.is_reached(value):
            goal = number(budget.goal, budget.unit)
            rows.append([budget.what, number(value, budget.unit), goal])
    return _table(["goal", "reached", "wanted"], rows, 2) if rows else "Every goal was reached."


def five_rows(found: result.Result) -> str:
    """Return the README's five rows."""
    rows = [_chip_row(key, found.figures[key], what) for key, what in _FIVE.items()]
    return f"{_table(['what', 'measured', 'goal'], rows, 2)}\n\n{_of_the_chip(found)}"


def _kb(size: float) -> str:
    return f"{size / 1024:,.0f} KB"


def room(board: Board, figures: Mapping[str, float]) -> str:
    """Return what a board's heap leaves for one's own code beside an App, where it is known."""
    if board.chip == "rp2040":
        left = HEAP_BYTES - figures["least.chip"]
        return f"{_kb(left)} of {_kb(HEAP_BYTES)}"
    if board.chip == "esp32":
        return f"{_kb(figures['room.81920'])} of {_kb(_GROWN_HEAP)}"
    return "not measured"


def _tried(board: Board) -> str:
    if board.chip == "rp2040":
        return "its own MicroPython build, in an emulator of the chip"
    if board.chip == "esp32":
        return "its heap on the emulated Pico W; chip modules as fakes"
    return "chip modules as fakes; its flash layout on a virtual board"


def board_table(found: result.Result) -> str:
    """Return the README's box: boards, the oldest MicroPython, memory left, what was tried."""
    oldest = ".".join(map(str, firmware.OLDEST_MICROPYTHON))
    rows = [
        [
            f"[{board.title.partition(',')[0]}](boards/{board.name}/README.md)",
            f"{oldest} or newer",
            room(board, found.figures),
            _tried(board),
        ]
        for board in sorted(boards().values(), key=lambda board: (board.port == RP2, board.name))
    ]
    return _table(["board", "MicroPython", "memory left for your code", "tried on"], rows)


def room_table(found: result.Result) -> str:
    """Return what docs/hardware.md says of the memory left, with what it is made of."""
    figures = found.figures
    rows = [
        ["Pico W, an App", number(HEAP_BYTES, ""), number(figures["least.chip"], "")],
        [
            "plain ESP32, an App, heap grown",
            number(_GROWN_HEAP, ""),
            number(figures["least.host"], ""),
        ],
        ["plain ESP32, an App, heap as it begins", "56,000", number(figures["least.host"], "")],
        ["plain ESP32, a Client alone", "56,000", number(figures["least.client"], "")],
    ]
    lefts = [
        HEAP_BYTES - figures["least.chip"],
        figures["room.81920"],
        figures["room.56000"],
        figures["room.client"],
    ]
    for row, left in zip(rows, lefts, strict=True):
        row.append(number(left, "") if left > 0 else "none: it does not run")
    head = ["board and program", "heap in all", "it needs", "left for your code"]
    return f"{_table(head, rows, 3)}\n\nBytes. {_of_the_chip(found)}"


def chip_pages() -> dict[Path, str]:
    """Return the pages that show the chip's figures, as the committed result has them.

    Raises: CommandError where there is no result, or a page has lost its part.
    """
    found = result.read()
    if found is None:
        raise CommandError("there are no figures of the chip yet. Run: make bench-chip", 1)
    readme = fill(README.read_text(), "boards", board_table(found))
    measured = fill(MEASURED.read_text(), "chip", chip_table(found))
    return {
        README: fill(readme, "five figures", five_rows(found)),
        HARDWARE: fill(HARDWARE.read_text(), "memory", room_table(found)),
        MEASURED: fill(measured, "not reached", not_reached(found)),
    }


def write_chip_pages() -> None:
    """Write the chip's figures into the pages that show them."""
    for path, text in chip_pages().items():
        path.write_text(text)


# -- the desktop's figures ------------------------------------------------------------------------


def cells(figures: Figures) -> list[list[str]]:
    """Return (what, ours, theirs, goal) of each figure, as text."""
    rows = []
    for key, value in figures.values.items():
        budget = BUDGETS[key]
        theirs = figures.theirs.get(key)
        goal = "" if budget.goal is None else number(budget.goal, budget.unit)
        if budget.goal is not None and value > budget.goal:
            goal += " (not reached)"
        shown = "" if theirs is None else number(theirs, budget.unit)
        rows.append([budget.what, number(value, budget.unit), shown, goal])
    return rows


def write_desktop_table(figures: Figures, about: Mapping[str, str]) -> None:
    """Write the benchmark's table into docs/measured.md."""
    table = _table(["what", "ours", "`requests`", "goal"], cells(figures), 3)
    when = f"Measured {about['date']} on {about['machine']}, linkpost {about['version']}."
    MEASURED.write_text(fill(MEASURED.read_text(), "desktop", f"{table}\n\n{when}"))
