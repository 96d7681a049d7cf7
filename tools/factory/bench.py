"""The factory's bench: at each port one board after another becomes the next device of a list."""

from __future__ import annotations

import functools
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serial.tools import list_ports

from .. import firmware
from ..client.devices_csv import Triple
from ..flash.esp_flash import Chip
from ..terminal.failures import CommandError
from .boot import Stopped, watch_boot
from .ledger import DONE, FAILED, WRITTEN, Ledger, LedgerError
from .register import BenchEnds, FactoryRegistration
from .view import View
from .writers import Writer

_POLL_S = 0.1
# A port that has just appeared may need a moment: its permissions, the board's own start.
_TRIES = 3
_AGAIN_S = 1.0
_CTRL_C_S = 0.3
# How often it is looked whether another board is at a port that stays.
_LOOK_S = 2.0


@dataclass(frozen=True)
class Job:
    """What is the same at every port."""

    board_name: str
    devices: list[Triple]
    ledger: Ledger
    writer: Writer
    view: View
    wants_report: bool
    report_s: float
    stays: bool  # the ports stay when the board is changed: a fixture's
    micropython: str  # its file's name
    registration: FactoryRegistration | None = None  # gives each board its secret when it comes

    def choices(self, mac: str) -> list[Triple]:
        """Return which devices that board may become."""
        return self.registration.choices(mac) if self.registration else self.devices

    def is_done(self) -> bool:
        """Tell whether every device of the list is on a board; never where there is no list."""
        return bool(self.devices) and self.ledger.is_done(self.devices)


class Station(threading.Thread):
    """One port. `failure` is set where the whole factory has to end.

    Args: stop: ends it, and is set by it after the last row; is_there: tells whether a port is.
    """

    def __init__(
        self,
        port: str,
        job: Job,
        stop: threading.Event,
        is_there: Callable[[str], bool] | None = None,
    ):
        super().__init__(name=port, daemon=True)
        self.port = port
        self.failure: BaseException | None = None
        self._job = job
        self._ended = stop
        self._is_there = functools.partial(is_there or is_port_there, port)
        self._stays = job.stays or "://" in port

    def run(self) -> None:
        """Serve one board after another until the list is used up or somebody stops it."""
        try:
            self._run()
        except Stopped:
            pass
        except BaseException as error:  # told by the main thread
            self.failure = error
            self._ended.set()

    def _run(self) -> None:
        known = told = ""  # the MAC that was served and is still there; what was said last
        while True:
            if not self._is_there():
                known = told = ""
                self._say("plug in a board")
                self._wait_until(self._is_there)
            try:
                chip = self._identify()
            except CommandError as error:
                known = ""
                if str(error) != told:
                    told = str(error)
                    self._say(told if self._stays else f"{told} -- unplug it, then the next")
                self._wait_for_change()
                continue
            if chip.mac != known:
                told, known = "", chip.mac
                self._serve(chip)
            self._wait_for_change()

    def _serve(self, chip: Chip) -> None:
        ledger = self._job.ledger
        try:
            triple = ledger.claim(chip.mac, self._job.choices(chip.mac))
        except LedgerError:
            raise
        except CommandError as error:  # refused
            self._say(f"{error}. Next board")
            return
        try:
            self._make(chip, triple)
        except CommandError as error:
            if isinstance(error, (LedgerError, BenchEnds)):
                raise
            # Ctrl-C ends esptool too, which may be heard of before our own stop.
            self._pause(_CTRL_C_S)
            ledger.note(chip.mac, FAILED, why=str(error))
            self._say(
                f"FAILED: {triple.key} on {chip.mac}: {error}. Its row is kept for this board: "
                "plug it in again, or the next"
            )
        finally:
            self._job.view.show(self.port, 100)
            ledger.leave(chip.mac)
        if self._job.is_done():
            self._ended.set()

    def _make(self, chip: Chip, triple: Triple) -> None:
        job = self._job
        if job.registration is not None:
            job.registration.prepare(triple)
        self._say(f"{triple.key} on {chip.name} {chip.mac}: writing")
        job.writer.write(self.port, chip, triple, self._progress)
        job.view.show(self.port, 100)
        versions = {"linkpost": firmware.version(), "micropython": job.micropython}
        job.ledger.note(chip.mac, WRITTEN, board=job.board_name, **versions)
        what = "its first report" if job.wants_report else "its start"
        self._say(f"{triple.key}: written and verified; waiting for {what}")
        line = watch_boot(self.port, job.wants_report, job.report_s, self._say, self._ended.is_set)
        job.ledger.note(chip.mac, DONE, log=line)
        made: dict[str, Any] = {"device": triple.key, "mac": chip.mac, "board": job.board_name}
        job.view.label({**made, **versions})
        self._say(f"{triple.key} is done ({line}). Next board")

    # -- waiting ----------------------------------------------------------------------------------

    def _identify(self) -> Chip:
        for _ in range(_TRIES - 1):
            try:
                return self._job.writer.identify(self.port)
            except CommandError:
                if self._stays or not self._is_there():
                    raise
                self._pause(_AGAIN_S)
        return self._job.writer.identify(self.port)

    def _wait_for_change(self) -> None:
        """Wait until the board is unplugged; where that cannot be seen, until it is time to ask
        again who is there."""
        if self._stays:
            self._pause(_LOOK_S)
        else:
            self._wait_until(lambda: not self._is_there())

    def _wait_until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._pause(_POLL_S)
        self._pause(0)

    def _pause(self, seconds: float) -> None:
        if self._ended.wait(seconds):
            raise Stopped

    def _progress(self, percent: float) -> None:
        if self._ended.is_set():
            raise Stopped
        self._job.view.show(self.port, min(percent, 99))

    def _say(self, text: str) -> None:
        self._job.view.say(self.port, text)


def is_port_there(port: str) -> bool:
    """Tell whether there is such a port; of a URL nobody knows, so there is."""
    if "://" in port:
        return True
    if os.name == "nt":  # not tried
        return any(found.device == port for found in list_ports.comports())
    return Path(port).exists()


def join_all(stations: list[Station], wait_s: float) -> None:
    """Wait for stations that were told to stop, for that long at most."""
    deadline = time.monotonic() + wait_s
    for station in stations:
        station.join(max(0.0, deadline - time.monotonic()))
