"""A virtual board behind a serial port, for mpremote and for people.

Each process of MicroPython is one life (`serial_life.py`). It ends without a word for a soft
reset: the next one starts on the same flash and says `MPY: soft reboot`, and the watchdog goes on.
All other ends are a chip's: `machine.reset()`, deep sleep, the watchdog, a cut of the power.

With `usb` "uart" the port is that of a bridge chip and stays through all of them. With "native" it
is the chip's own: it goes at each of them and comes back a moment after the chip has started, so
that the first lines of a boot are lost; in deep sleep it stays away. Without power no port stays.

What it tells a tool that asks which chip it is: `sys.platform` is the desktop's ("linux",
"darwin"), as is `sys.implementation._machine`, and its hashlib has md5 and sha1. So it gets the
files of the chip "host", without digests of ours; its flash and its limits are those of the board
it stands for.
"""

from __future__ import annotations

import contextlib
import queue
import select
import socket
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import image, runtimes
from .serial_life import SerialLife
from .serial_port import SerialPort
from .supervisor import Setup, boot_options
from .watchdog import Watchdog

UART = "uart"
NATIVE = "native"
USB = (UART, NATIVE)

# How often it is looked at what nobody announces: who listens, whether the prompt is there.
_LOOK_S = 0.02
_LOOK_SOON_S = 0.003


@dataclass(frozen=True)
class Wiring:
    """How the board is connected, and what is to happen to it."""

    link: Path  # the port's name
    usb: str = UART
    gone_s: float = 1.0  # how long a native port is away at a reset
    cut_after_bytes: int | None = None  # pull the cable when so many bytes have come over it
    powered: bool = True  # False: nothing runs, and there is no port, before `power_on`


class SerialBoard:
    """Runs one virtual board; `run` in one thread, all else from any.

    Args:
        note: is given a line for each thing that happens to the board, "soft reset".
        heard: is given what it prints, also what the port loses.
    """

    def __init__(
        self,
        setup: Setup,
        wiring: Wiring,
        note: Callable[[str], None] = lambda line: None,
        heard: Callable[[bytes], None] = lambda data: None,
    ):
        self.port = SerialPort(wiring.link)
        self._setup = setup
        self._wiring = wiring
        self._note = note
        self._heard = heard
        self._watchdog = Watchdog()
        self._retained = ""
        self._wear = [0, 0, 0]
        self._life: SerialLife | None = None
        self._next_cause = "power on"
        # Of the next life, where there is none; None: it has no power, or sleeps for ever.
        self._starts_at: float | None = 0.0 if wiring.powered else None
        self._port_back_at: float | None = None
        self._bytes_left = wiring.cut_after_bytes
        self._stopped = False
        self._requests: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        # Sockets, which close themselves: somebody may stop us who does not know that we stopped.
        self._wake_reader, self._wake_writer = socket.socketpair()
        for end in (self._wake_reader, self._wake_writer):
            end.setblocking(False)

    # -- from any thread, and in signal handlers --------------------------------------------

    def stop(self) -> None:
        """End `run`; the power is cut."""
        self._request(self._stop)

    def press_reset(self) -> None:
        """Press the reset button; it also wakes the board."""
        self._request(lambda: self._end_life("hard", "the reset button"))

    def cut_power(self) -> None:
        """Cut the power, or pull the cable: the board is off until `power_on`."""
        self._request(self._cut_power)

    def power_on(self, cut_after_bytes: int | None = None) -> None:
        """Give a board without power its power back. Args: as in `Wiring`."""
        self._request(lambda: self._power_on(cut_after_bytes))

    def say(self, data: bytes) -> None:
        """Print that, whatever else the board prints, as another task of a chip does."""
        self._request(lambda: self._print(data))

    def _request(self, action: Callable[[], None]) -> None:
        self._requests.put(action)
        with contextlib.suppress(BlockingIOError):  # it has enough to wake up for
            self._wake_writer.send(b"!")

    # -- the one thread of `run` ------------------------------------------------------------

    def run(self) -> None:
        """Run the board until `stop`; leaves no process and no port behind."""
        try:
            with (
                tempfile.TemporaryDirectory(prefix="linkpost-board-") as folder,
                image.in_use(self._setup.flash),
            ):
                runtimes.compile_on_board(Path(folder))
                if self._wiring.powered:
                    self.port.appear()
                while not self._stopped:
                    self._start_if_due(Path(folder))
                    self._wait()
                    self._pass_messages()
                    self._look_at_clock()
                    self._pass_input()
                    self._pass_output()
        finally:
            if self._life is not None:
                self._life.close()
            self.port.vanish()

    def _wait(self) -> None:
        """Wait until something may have happened, and do what was requested."""
        poll = select.poll()
        poll.register(self._wake_reader, select.POLLIN)
        life, now = self._life, time.monotonic()
        moments = [now + _LOOK_S]
        if life is not None:
            for descriptor in (life.terminal_fd, life.messages_fd):
                if descriptor is not None:
                    poll.register(descriptor, select.POLLIN)
            if life.has_typed:
                moments.append(now + _LOOK_SOON_S)
        if self.port.is_listened() and self.port.fd is not None:
            poll.register(self.port.fd, self.port.wants)
        moments += [
            at
            for at in (self._starts_at, self._port_back_at, self._watchdog.bites_at)
            if at is not None
        ]
        poll.poll(max(0.0, min(moments) - now) * 1000)
        try:
            self._wake_reader.recv(4096)
        except BlockingIOError:
            return
        while not self._requests.empty():
            self._requests.get()()

    def _start_if_due(self, modules: Path) -> None:
        if self._life is not None or self._starts_at is None:
            return
        if time.monotonic() < self._starts_at:
            return
        cause, self._starts_at = self._next_cause, None
        options = boot_options(self._setup, cause, retained=self._retained, wear=self._wear)
        in_raw_repl = cause == "soft raw"
        options["cause"] = cause.removesuffix(" raw")
        self._life = SerialLife(options, modules, self._setup.heap_bytes, in_raw_repl)

    def _look_at_clock(self) -> None:
        now = time.monotonic()
        if self._port_back_at is not None and now >= self._port_back_at:
            self._port_back_at = None
            self.port.appear()
        bites_at = self._watchdog.bites_at
        if bites_at is not None and now >= bites_at:
            self._end_life("watchdog", "the watchdog was not fed in time")

    def _pass_input(self) -> None:
        """What is typed while no code runs on the chip is lost, as is what it has no room for."""
        data = self.port.read()  # also of a program that has closed it again meanwhile
        is_cut = False
        if self._bytes_left is not None:
            is_cut = len(data) >= self._bytes_left
            data = data[: self._bytes_left]
            self._bytes_left -= len(data)
        if self._life is not None:
            self._life.type(data)
        if is_cut:
            # What came before the cut is in the board, and may be done by then or not.
            self._cut_power()

    def _pass_messages(self) -> None:
        if self._life is None:
            return
        for message in self._life.read_messages():
            if isinstance(message, str):
                self._print(message.encode() + b"\r\n")
                continue
            self._watchdog.take(message)
            if message["what"] == "retain":
                self._retained = message["data"]
            self._wear = message.get("wear", self._wear)

    def _pass_output(self) -> None:
        """Pass on what it printed; when that was the last of this life, go on to the next."""
        life = self._life
        if life is None:
            self.port.write()
            return
        self._print(life.read_output())
        if life.is_open:
            return
        status = life.close()
        self._life = None
        self._follow_end(life, status)

    def _follow_end(self, life: SerialLife, status: int) -> None:
        end = life.end
        if end is None and not life.has_started:
            self._note(f"MicroPython did not start (status {status})")
            self._cut_power()
        elif end is None and status >= 0:
            self._watchdog.forget_timer()
            self._print(b"MPY: soft reboot\r\n")
            self._note("soft reset")
            self._next_cause = "soft raw" if life.in_raw_repl else "soft"
            self._starts_at = 0.0
        elif end is None:
            self._hard("hard", f"MicroPython ended unexpectedly (status {status}): reset")
        elif end["what"] == "reset":
            self._hard("hard", "hard reset")
        elif end["what"] == "deep sleep":
            self._sleep(end["ms"])
        elif end["what"] == "power cut":
            self._note(f"power cut at flash operation {end['operation']}")
            self._cut_power()
        else:
            self._note(f"the flash has no file system of this kind of board: {end['message']}")
            self._cut_power()

    def _sleep(self, ms: int) -> None:
        self._hard("deep sleep", f"deep sleep for {ms} ms" if ms else "deep sleep until a reset")
        self._starts_at = time.monotonic() + ms / 1000 if ms else None
        if self._wiring.usb == NATIVE:
            back_at = None if self._starts_at is None else self._starts_at + self._wiring.gone_s
            self._port_back_at = back_at

    def _end_life(self, cause: str, why: str) -> None:
        """Reset the chip whatever it does, if it has power."""
        if self._life is None and self._next_cause == "power on" and self._starts_at is None:
            return
        self._kill()
        self._hard(cause, f"{why}: reset")

    def _hard(self, cause: str, note: str) -> None:
        self._watchdog.stop()
        self._next_cause, self._starts_at = cause, 0.0
        if self._wiring.usb == NATIVE:
            self.port.vanish()
            self._port_back_at = time.monotonic() + self._wiring.gone_s
        self._note(note)

    def _cut_power(self) -> None:
        self._kill()
        self._watchdog.stop()
        self.port.vanish()
        self._retained = ""
        self._next_cause, self._starts_at, self._port_back_at = "power on", None, None
        self._note("no power")

    def _power_on(self, cut_after_bytes: int | None) -> None:
        if self._life is not None or self._next_cause != "power on":
            return
        self._bytes_left = cut_after_bytes
        self._starts_at = 0.0
        self._port_back_at = time.monotonic()
        if self._wiring.usb == NATIVE:
            self._port_back_at += self._wiring.gone_s
        self._note("power on")

    def _kill(self) -> None:
        """End this life; what it had printed by then is passed on."""
        if self._life is not None:
            self._life.kill()
            self._pass_messages()
            self._print(self._life.read_output())
            self._life.close()
            self._life = None

    def _stop(self) -> None:
        self._stopped = True

    def _print(self, data: bytes) -> None:
        if data:
            self._heard(data)
        self.port.write(data)


def prepare_flash(setup: Setup) -> None:
    """Make the flash of a fresh board, which has nothing but MicroPython, where there is none.

    Raises: CommandError where the file there is no flash of this kind of board.
    """
    if setup.flash.exists():
        image.open_image(setup.flash, setup.kind)
    else:
        image.refresh_image(setup.flash, setup.kind, {})
