"""A board for the factory's bench, as it is on the port: its boot loader, and then what it says.

`with BenchBoard(folder, port, mac) as board: board.plug_in()`. The boot loader is
esp32-mock-bootloader's, in a process of its own with a MAC of our choice; its flash is the file
`board.flash`. Run as a script, this is that process.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

WAIT_S = 60.0
FLASH_BYTES = 4 << 20
BOOTED = "0.037 I app started device=x"
REPORTED = "1.121 I send accepted seq=1 ms=157 id=1882625802932543633"


class BenchBoard(contextlib.AbstractContextManager["BenchBoard"]):
    """One board, whose port has that name whenever it is plugged in."""

    def __init__(self, folder: Path, port: Path, mac: str, chip: str = "esp32c3"):
        self.port = port
        self.mac = mac
        self.flash = folder / f"{mac.replace(':', '')}.flash"
        self._chip = chip
        self._endpoint = self.flash.with_suffix(".endpoint")
        self._rom: subprocess.Popen | None = None
        self._silent = threading.Event()
        self._voice: threading.Thread | None = None
        if not self.flash.exists():
            self.flash.write_bytes(b"\xff" * FLASH_BYTES)

    def __exit__(self, *details: object) -> None:
        self.unplug()

    def plug_in(self) -> None:
        """Be on the port, in the boot loader: esptool's reset lines would bring it there."""
        from tools.virtual_board import runtimes

        self._endpoint.unlink(missing_ok=True)
        self._rom = subprocess.Popen(
            [sys.executable, __file__, self.mac, self._chip, self.flash, self._endpoint],
            stdout=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            preexec_fn=runtimes.end_with_parent if os.name == "posix" else None,
        )
        wait_until(lambda: self._endpoint.exists() and self._endpoint.read_text(), "a boot loader")
        self._lead_to(Path(self._endpoint.read_text().strip()))

    def become(self, device: str) -> None:
        """Leave the boot loader, and be that device from now on."""
        self._lead_to(Path(device))
        self._end_rom()

    def _lead_to(self, device: Path) -> None:
        new = self.port.with_name(f".{self.port.name}.new")
        new.unlink(missing_ok=True)
        new.symlink_to(device)
        os.replace(new, self.port)

    def run(self, *lines: str) -> None:
        """Leave the boot loader, and say these lines again and again."""
        from tools.virtual_board.serial_port import SerialPort

        port = SerialPort(self.port)
        port.appear()
        self._end_rom()

        def speak() -> None:
            while not self._silent.wait(0.05):
                port.write("".join(f"{line}\r\n" for line in lines).encode())
            os.close(port.fd or 0)

        self._voice = threading.Thread(target=speak, daemon=True)
        self._voice.start()

    def unplug(self) -> None:
        """Be gone."""
        self.port.unlink(missing_ok=True)
        self._end_rom()
        if self._voice is not None:
            self._silent.set()
            self._voice.join()
            self._silent.clear()
            self._voice = None

    def _end_rom(self) -> None:
        if self._rom is not None:
            self._rom.kill()
            self._rom.wait()
            self._rom = None


def wait_until(condition, what: str) -> None:
    """Wait for that, for a minute."""
    end = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end, f"no {what} in {WAIT_S:.0f} s"
        time.sleep(0.02)


def main(mac: str, chip: str, flash: str, endpoint: str) -> None:
    """Be a boot loader on a pseudo-terminal, whose name goes to the file `endpoint`."""
    from esp32_mock_bootloader import registers, server

    address = tuple(bytes.fromhex(mac.replace(":", "")))
    registers.mac_bytes_for_chip = lambda chip: address
    with open(flash, "r+b") as file, mmap.mmap(file.fileno(), FLASH_BYTES) as content:
        server.get_flash_image().data = content
        server.run_pty_server(None, endpoint, chip)


if __name__ == "__main__":
    main(*sys.argv[1:])
