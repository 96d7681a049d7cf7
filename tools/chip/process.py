"""The emulator's process: its events and its orders."""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import cache, node

OPTION_HEAP = 1
OPTION_TLS_ON_HOST = 2


class ChipProcess:
    """A powered board on one flash file. Use it in a `with`; leaving cuts its power.

    Each event is a dict: {"console": bytes}, {"end": why, ...}, {"reset": n}, {"note": text},
    {"mark": text}, {"time": True}, {"operation": n}, {"network": [what, result, first byte]}; each
    with `chip_ms`, the chip time since power on, in ms.
    """

    def __init__(
        self,
        flash: Path,
        *,
        heap: int | None = None,
        tls_on_host: bool = False,
        seed: int | None = None,
        cut_at: int = 0,
        real_time: bool = False,
        tell_operations: bool = False,
        asks_at_reset: bool = False,
        plain_core: bool = False,
        on_event: Callable[[], None] = lambda: None,
        tell_network: bool = False,
    ):
        settings: dict[str, Any] = {
            "flash": str(flash.absolute()),
            "bootrom": str(cache.bootrom()),
            "options": {OPTION_HEAP: heap or 0, OPTION_TLS_ON_HOST: int(tls_on_host)},
            "cutAt": cut_at,
            "tellOperations": tell_operations,
            "asksAtReset": asks_at_reset,
            "plainCore": plain_core,
            "tellNetwork": tell_network,
        }
        if seed is not None:
            settings["seed"] = seed
        if real_time:
            settings["pace"] = "real"
        folder = node.installed(node.EMULATOR, "the emulator rp2040js")
        self.events: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self.chip_ms = 0.0
        self._on_event = on_event
        self._process = subprocess.Popen(  # noqa: S603  our own command
            [node.node(), "run.mjs", json.dumps(settings)],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for us; the board is then stopped in order
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> ChipProcess:
        return self

    def __exit__(self, *exc: object) -> None:
        self.kill()

    def _read(self) -> None:
        for line in self._process.stdout or ():
            event = json.loads(line)
            if "console" in event:
                event["console"] = event["console"].encode("latin-1")
            self.events.put(event)
            self._on_event()
        self.events.put({"end": "crashed", "code": self._process.wait()})
        self._on_event()

    def next_event(self, timeout: float | None = None) -> dict[str, Any] | None:
        """Return the next event, or None where none came in that many seconds."""
        try:
            event = self.events.get(timeout=timeout)
        except queue.Empty:
            return None
        self.chip_ms = event.get("chip_ms", self.chip_ms)
        return event

    def type(self, data: bytes) -> None:
        """Type bytes into the board's console."""
        self._order({"type": data.decode("latin-1")})

    def off(self, why: str = "off") -> None:
        """Cut the power; the last event is `end`."""
        self._order({"off": why})

    def reset(self) -> None:
        """Press the board's reset button."""
        self._order({"reset": True})

    def go_on(self) -> None:
        """Start the life that a reset has announced, where `asks_at_reset`."""
        self._order({"goOn": True})

    def _order(self, order: dict[str, Any]) -> None:
        if self._process.stdin is None:
            return
        # Where the pipe is broken or closed the board is off already.
        with contextlib.suppress(BrokenPipeError, ValueError):
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()

    def kill(self) -> None:
        """End the process, whatever it is doing: every write to flash is in the file already."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
