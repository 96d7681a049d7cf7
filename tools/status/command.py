"""`linkpost status`: a board's status, without its log."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from typing import Any

import click

from ..firmware.outbox_copy import Contents, look_into
from ..monitor.log_line import parse_log_line
from ..monitor.view import without_level
from ..outbox.command import summary
from ..provision.answers import masked
from ..terminal import failures
from ..terminal.durations import duration
from ..usb import heap_text, options
from ..usb.identity import Identity
from ..usb.paused_board import paused_board
from .board_status import BoardStatus, ask_status

_CONFIG = "config.json"
# The firmware's words (ports/radio_rare.py) in a sentence.
_CAUSES = {
    "power on": "power on",
    "hard": "a reset",
    "watchdog": "the watchdog reset it",
    "deep sleep": "it woke from deep sleep",
    "soft": "a soft reset",
}
# dBm; by what people who plan radio networks use.
_SIGNALS = ((-60, "good"), (-70, "fair"), (-80, "weak"))


@click.command()
@options.port
@options.wait(75.0)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(port: str | None, wait_s: float, as_json: bool) -> int:
    """Show a board's status: version, uptime, memory, outbox, token, clock, Wi-Fi, last problem.

    Stops the board's app for a moment and restarts it. Waits for a board in deep sleep.

    \b
    Example: linkpost status --port /dev/ttyUSB0
    """
    with paused_board(port, wait_s) as board:
        now = datetime.now().timestamp()
        who = board.identify()
        found = ask_status(board, who)
        is_held = board.is_held()
        outbox = look_into(board)
        config = _config_of(board.read(_CONFIG))
        name = board.port
    if as_json:
        print(json.dumps(_as_json(name, who, found, outbox, config, is_held), ensure_ascii=False))
        return failures.DONE
    for label, text in rows(who, found, outbox, config, is_held, now * 1000):
        print(f"{label:9} {text}")
    return failures.DONE


def _config_of(content: bytes | None) -> dict[str, Any]:
    """Return the config with its secrets masked; empty where it cannot be read as one."""
    try:
        config = json.loads(content or b"{}")
    except ValueError:
        return {}
    return masked(config) if isinstance(config, dict) else {}


def _device(config: dict[str, Any]) -> str | None:
    if not config.get("product_key") or not config.get("device_name"):
        return None
    return f"{config['product_key']}/{config['device_name']}"


def _as_json(
    port: str,
    who: Identity,
    found: BoardStatus,
    outbox: Contents,
    config: dict[str, Any],
    is_held: bool,
) -> dict[str, Any]:
    return {
        "port": port,
        "machine": who.machine,
        "micropython": ".".join(map(str, who.micropython)),
        "linkpost": who.linkpost,
        "held": is_held,
        "device": _device(config),
        "endpoint": config.get("endpoint"),
        "flash_free": who.free_bytes,
        "flash_total": who.total_bytes,
        "heap_free": found.heap["free"] + found.heap.get("idf_free", 0),
        **{key: value for key, value in asdict(found).items() if key != "port"},
        "outbox": {
            "stream": outbox.stream,
            "next_seq": outbox.next_seq,
            "pending": outbox.pending,
            "quarantined": outbox.quarantined,
            "dropped": outbox.dropped,
        },
    }


def rows(
    who: Identity,
    found: BoardStatus,
    outbox: Contents,
    config: dict[str, Any],
    is_held: bool,
    now_ms: float,
) -> list[tuple[str, str]]:
    """Return (label, text) of each row, for people. Args: now_ms, by this computer."""
    device = _device(config)
    shown = [
        ("board", str(who)),
        ("linkpost", _version(who, found, is_held)),
        ("device", f"{device} at {config.get('endpoint')}" if device else "no config.json yet"),
        ("heap", f"{heap_text.heap(found.heap)}, while the app is stopped"),
        ("IDF heap", heap_text.idf_heap(found.heap)),
        ("your code", heap_text.left(found.heap, found.free_at_rest)),
        ("flash", f"{who.free_bytes // 1024:,} KB free of {who.total_bytes // 1024:,} KB"),
        ("outbox", summary(outbox)),
        ("outbox id", f"{outbox.stream} next_seq={outbox.next_seq}" if outbox.stream else "none"),
        ("token", _token(found)),
        ("clock", _clock(found, now_ms)),
        ("Wi-Fi", _wifi(found, config)),
        ("problem", _trouble(found)),
    ]
    return [(label, text) for label, text in shown if text]


def _version(who: Identity, found: BoardStatus, is_held: bool) -> str:
    if who.linkpost is None:
        return "missing or incomplete. Run: linkpost deploy"
    if is_held:
        return f"{who.linkpost}, held by the file `hold`: the app does not start"
    if not found.ran or found.uptime_ms is None:
        return f"{who.linkpost}, not running"
    cause = _CAUSES.get(found.reset_cause or "", found.reset_cause)
    up = f"up {duration(found.uptime_ms)} since {cause}"
    line = parse_log_line(found.trouble or "")
    if line and line.level == "E" and line.area == "app":
        return f"{who.linkpost}, {up}, but the app does not run: see problem"
    return f"{who.linkpost}, {up}"


def _trouble(found: BoardStatus) -> str:
    """Return the newest warning of the log."""
    if not found.ran or found.uptime_ms is None:
        return "not known: the app was not running"
    if not found.trouble:
        return "none since this boot"
    line = parse_log_line(found.trouble)
    if line is None:
        return found.trouble
    ago = duration(max(0, found.uptime_ms - line.uptime_ms))
    return f"{ago} ago, {line.area}: {without_level(line)}"


def _token(found: BoardStatus) -> str:
    if found.token_age_s is None:
        return "none: the board has not authenticated yet"
    if not found.clock_right or found.token_age_s < 0:
        return "present; its age is not known"
    return f"{duration(found.token_age_s * 1000)} old"


def _clock(found: BoardStatus, now_ms: float) -> str:
    if found.unix_ms is None:
        return "not known"
    shown = f"{datetime.fromtimestamp(found.unix_ms / 1000):%Y-%m-%d %H:%M:%S}"
    if not found.clock_right:
        return f"not set: it says {shown}"
    off_ms = round(found.unix_ms - now_ms)
    if abs(off_ms) < 5_000:  # what asking takes
        return f"{shown}, as this computer's"
    where = "ahead of" if off_ms > 0 else "behind"
    return f"{shown}, {duration(abs(off_ms))} {where} this computer's"


def _wifi(found: BoardStatus, config: dict[str, Any]) -> str:
    if found.port is None:
        return "not known"
    if not found.has_radio:
        return "no radio"
    if found.rssi is None:
        return "not joined" if config.get("wifi") else "not in the config"
    signal = next((word for least, word in _SIGNALS if found.rssi >= least), "very weak")
    return f"{found.ssid}, {found.rssi} dBm ({signal})"
