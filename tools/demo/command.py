"""`linkpost demo`: emulator, console page, and a virtual board that reports into it.

Until Ctrl-C, or until so many reports were accepted; both end with exit code 0. Beside the board
that is well there are two devices that are not, so that the page has something to tell.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import ssl
import sys
import tempfile
import threading
import time
import urllib.request
import webbrowser
from pathlib import Path
from typing import Any

import click

from ..emulator.process import RunningEmulator
from ..terminal import failures
from ..virtual_board import kinds, runtimes
from ..virtual_board.endings import exit_code, stop_on_signals
from ..virtual_board.put_files import put_files
from ..virtual_board.supervisor import INTERRUPTED, Setup, Supervisor

_PRODUCT_KEY = "a1LinkpostD"
_DEVICE_NAME = "demo-board"
_WRONG_NAME = "wrong-secret"
_SPARE_NAME = "not-heard-of"
_INTERVAL_S = 2
_POLL_S = 0.25


@click.command()
@click.option(
    "--reports",
    type=click.IntRange(min=1),
    envvar="REPORTS",
    show_envvar=True,
    help="Stop after N accepted reports.",
)
def demo(reports: int | None) -> int:
    """Run an emulator with its page, and a virtual board that reports to it.

    \b
    Example: linkpost demo --reports 5
    """
    try:
        return _run(reports)
    except KeyboardInterrupt:
        return failures.DONE


def _run(reports: int | None) -> int:
    with tempfile.TemporaryDirectory(prefix="linkpost-demo-") as name:
        folder = Path(name)
        secret = secrets.token_hex(16)
        triples = [(_PRODUCT_KEY, one, secret) for one in (_DEVICE_NAME, _WRONG_NAME, _SPARE_NAME)]
        with RunningEmulator(folder, triples, options=()) as emulator:
            config = _write_config(folder, emulator.endpoint, secret)
            setup = Setup(
                runtime=runtimes.choose(runtimes.MICROPYTHON),
                kind=kinds.KINDS[kinds.DEFAULT_KIND],
                flash=folder / "board-flash",
                reports=reports,
            )
            put_files(setup, config, emulator.ca)
            print(f"The console page: {emulator.console}")
            print(f"The platform:     https://{emulator.endpoint}  (an emulator, on this machine)")
            print("The board reports every two seconds; Ctrl-C ends it.", flush=True)
            _let_one_be_refused(emulator.endpoint, emulator.ca)
            _open_page(emulator.console)
            return _watch_board(Supervisor(setup, _show_trouble), emulator)


def _watch_board(supervisor: Supervisor, emulator: RunningEmulator) -> int:
    """Run the board, print each report that the platform has accepted."""
    stop_on_signals(supervisor)
    with _Reporter(emulator):
        outcome = supervisor.run()
    print(f"board: {outcome.counts}", flush=True)
    code = exit_code(outcome)
    if code and outcome.message:
        print(f"demo: {outcome.message}", file=sys.stderr)
    return failures.DONE if outcome.reason == INTERRUPTED else code


def _let_one_be_refused(platform: str, ca: Path) -> None:
    """Authenticate as the device with the wrong secret, whose signature is wrong then."""
    fields = {"productKey": _PRODUCT_KEY, "deviceName": _WRONG_NAME}
    fields |= {"clientId": f"{_PRODUCT_KEY}.{_WRONG_NAME}", "sign": "0" * 32}
    request = urllib.request.Request(  # noqa: S310  always https
        f"https://{platform}/auth",
        json.dumps(fields).encode(),
        {"Content-Type": "application/json"},
    )
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}),
        urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=ca)),
    )
    with contextlib.suppress(OSError), opener.open(request, timeout=10):
        pass  # it is refused with 20000, on HTTP 200


def _open_page(console: str) -> None:
    """Open the page where there is a graphical desktop; its address is printed."""
    if not sys.stdout.isatty() or "SSH_CONNECTION" in os.environ:
        return
    graphical = os.name == "nt" or sys.platform == "darwin"
    if graphical or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        webbrowser.open(console)


class _Reporter:
    """Asks the console for new messages and prints them, in a thread, while it is entered."""

    def __init__(self, emulator: RunningEmulator):
        self._emulator = emulator
        self._last_id = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        stopping = False
        while not stopping:
            # One more look after the end: the board knew before we did.
            stopping = self._stop.wait(_POLL_S)
            with contextlib.suppress(failures.CommandError):  # the emulator is busy or gone
                self._print_new()

    def _print_new(self) -> None:
        device = f"{_PRODUCT_KEY}/{_DEVICE_NAME}"
        found = self._emulator.call("GET", "/api/messages", device=device, after=self._last_id)
        for message in found:
            self._last_id = max(self._last_id, message["id"])
            print(describe(message), flush=True)


def describe(message: dict[str, Any]) -> str:
    """Return one line for people about a message of `/api/messages`."""
    at = time.strftime("%H:%M:%S", time.localtime(message["time_ms"] / 1000))
    text = message["text"]
    try:
        reading = json.loads(text or "")
    except ValueError:
        reading = None
    if not isinstance(reading, dict):
        shown = "binary" if text is None else repr(text[:60])
        return f"{at}  accepted on {message['topic']}: {shown}"
    about_itself = ("stream", "seq", "time")
    values = [f"{key}={value}" for key, value in reading.items() if key not in about_itself]
    return f"{at}  accepted: report {reading.get('seq', '?')}  " + "  ".join(values)


def _write_config(folder: Path, endpoint: str, secret: str) -> Path:
    config = {
        "endpoint": endpoint,
        "product_key": _PRODUCT_KEY,
        "device_name": _DEVICE_NAME,
        "device_secret": secret,
        "interval_s": _INTERVAL_S,
        "sensors": [{"type": "simulated"}],
    }
    path = folder / "config.json"
    path.write_text(json.dumps(config, indent=2))
    return path


def _show_trouble(line: str) -> None:
    """Print what matters of the board's log: warnings, errors and tracebacks."""
    words = line.split(" ", 2)
    if len(words) < 2 or words[1] not in ("D", "I"):
        print(f"board log: {line}", file=sys.stderr, flush=True)
