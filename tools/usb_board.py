"""A board on its USB port: found, stopped, asked who it is, and its files read and written.

The protocol is mpremote's (`SerialTransport`, MicroPython's raw REPL). What is ours is around it:

  1. Errors say what to do, and end with exit code 7. Nothing here waits for ever.
  2. A board may vanish at any moment: a reset of one with native USB takes the port away, deep
     sleep too. `UsbBoard` waits for it with a deadline and presses Ctrl-C until it answers.
  3. A running watchdog cannot be stopped and a soft reset leaves it running, so `hold` writes the
     firmware's flag and hard-resets: the next boot is quiet until `release` (PLATFORM 11).
  4. Nothing of linkpost is imported on the board: a truncated .mpy would hang it.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import re
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from mpremote.transport import TransportError
from mpremote.transport_serial import SerialTransport

from tools import deploy_record
from tools.failures import NO_BOARD, CommandError
from tools.serial_link import BoardLost, interrupt, open_port

__all__ = ["BoardLost", "Identity", "OnBoardError", "UsbBoard"]

# How long a board may take from a reset until it answers: flash scan, Wi-Fi firmware, USB.
_RESET_S = 20.0
_ANSWER_S = 10.0
# One piece of a file on its way: its base64 and its bytes are on the chip's heap at once.
_PIECE_BYTES = 768
_NO_SPACE = 28

_IDENTIFY = """
import sys,os
def _linkpost_who():
 import hashlib
 i=sys.implementation
 try:
  s=os.statvfs('/');f=s[0]*s[3];t=s[0]*s[2]
 except Exception:
  f=t=0
 try:
  with open('%s') as r:d=r.read(300)
 except OSError:
  d=None
 u=os.uname() if hasattr(os,'uname') else None
 print(repr((i[0],tuple(i[1])[:3],sys.platform,getattr(i,'_machine',u and u[4]),
  getattr(i,'_build',''),getattr(i,'_mpy',0),
  hasattr(hashlib,'md5') and hasattr(hashlib,'sha1'),f,t,d)))
_linkpost_who()
"""

# Prints (path, size) of every file below a folder, and with `h` its SHA-256.
_WALK = """
import os
def _linkpost_walk(p,h):
 import hashlib,binascii
 b=memoryview(bytearray(512))
 def one(p,n):
  if not h:
   print(repr((p,n,'')));return
  d=hashlib.sha256()
  with open(p,'rb') as f:
   while 1:
    k=f.readinto(b)
    if not k:break
    d.update(b[:k])
  print(repr((p,n,binascii.hexlify(d.digest()).decode())))
 def walk(p):
  for e in os.ilistdir(p or '/'):
   q=p+'/'+e[0]
   if e[1]&0x4000:walk(q)
   else:one(q,e[3] if len(e)>3 else os.stat(q)[6])
 try:s=os.stat(p or '/')
 except OSError:return
 if s[0]&0x4000:walk(p)
 else:one(p,s[6])
"""


@dataclass(frozen=True)
class Identity:
    """Who a board says it is."""

    platform: str  # sys.platform: "esp32", "rp2", "linux" for a virtual board
    machine: str  # "Raspberry Pi Pico W with RP2040"
    build: str  # the firmware's board name, "ESP32_GENERIC"; "" where it does not tell
    micropython: tuple[int, ...]  # (1, 27, 0)
    mpy_version: int  # of the byte code it loads; 0: none
    native_digests: bool  # hashlib has md5 and sha1
    free_bytes: int  # on the flash
    total_bytes: int
    linkpost: str | None  # version of a complete deploy, else None
    main_sha256: str | None  # of the main.py that came with it

    @property
    def chip(self) -> str | None:
        """Return the port file it needs: "esp32", "rp2" or "host"; None: linkpost has none."""
        return {"esp32": "esp32", "rp2": "rp2", "linux": "host", "darwin": "host"}.get(
            self.platform
        )

    def __str__(self) -> str:
        version = ".".join(map(str, self.micropython))
        return f"{self.machine or self.platform}, MicroPython {version}"


class OnBoardError(CommandError):
    """Code on the board raised; `errno` where that was an OSError."""

    def __init__(self, port: str, output: str):
        lines = output.strip().splitlines() or ["no message"]
        found = re.match(r"OSError: \(?(?:\[Errno )?(\d+)", lines[-1])
        self.errno = int(found[1]) if found else None
        self.output = output
        if self.errno == _NO_SPACE:
            super().__init__(f"the board's flash on {port} is full", NO_BOARD)
        else:
            super().__init__(f"the board on {port} said: {lines[-1]}", NO_BOARD)


class UsbBoard:
    """A board whose program is stopped and which takes our commands; use it in a `with` block.

    What runs on it is interrupted by Ctrl-C when the block is entered. At its end the board is
    left at its REPL, unless `restart` was the last word.

    Args:
        port: the serial port's name, or a URL of pyserial.
        wait_s: how long to wait for a port that is not there, and for an answer.
        note: is given lines for the person ("waiting for ...").
    Raises: CommandError with exit code 7, at any call; its subclass BoardLost where the
        connection broke, after which `reconnect` may help.
    """

    def __init__(self, port: str, wait_s: float = 20.0, note: Callable[[str], None] | None = None):
        self.port = port
        self._wait_s = wait_s
        self._note = note or (lambda line: None)
        self._transport: SerialTransport | None = None
        self._folders: set[str] = set()  # known to be there

    def __enter__(self) -> UsbBoard:
        try:
            self._connect(time.monotonic() + self._wait_s, self._note)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the board at its friendly REPL and let go of the port; never raises."""
        transport, self._transport = self._transport, None
        if transport is None:
            return
        try:
            if transport.in_raw_repl:
                transport.exit_raw_repl()
        except (OSError, TransportError):
            pass  # it is gone
        _close(transport)

    # -- asking ---------------------------------------------------------------------------------

    def run(self, code: str, silent_s: float = _ANSWER_S) -> str:
        """Run code on the board; return what it printed.

        Args: silent_s: how long it may print nothing.
        Raises: OnBoardError where the code raised.
        """
        transport = self._linked()
        try:
            output, errors = transport.exec_raw(code, timeout=silent_s)
        except (TransportError, OSError, struct.error) as error:
            self._lose()
            raise BoardLost(self.port) from error
        if errors:
            raise OnBoardError(self.port, errors.decode(errors="replace"))
        return output.decode(errors="replace")

    def value(self, expression: str) -> Any:
        """Return what an expression is on the board: a literal."""
        return self._literal(self.run(f"print(repr({expression}))"))

    def identify(self) -> Identity:
        """Ask the board who it is. Raises: CommandError where it runs no MicroPython."""
        answer = self._literal(self.run(_IDENTIFY % deploy_record.PATH))
        name, version, platform, machine, build, mpy, digests, free, total, record = answer
        if name != "micropython":
            raise CommandError(
                f"the board on {self.port} runs {name}; linkpost needs MicroPython. Run: linkpost "
                "flash",
                NO_BOARD,
            )
        deployed = deploy_record.parse(record)
        return Identity(
            platform=platform,
            machine=machine or "",
            build=build,
            micropython=version,
            mpy_version=mpy & 0xFF,
            native_digests=digests,
            # A full littlefs counts its free blocks wrongly: more than there are means none.
            free_bytes=free if free <= total else 0,
            total_bytes=total,
            linkpost=deployed.version,
            main_sha256=deployed.main_sha256,
        )

    # -- files: paths as in `files_for`, "lib/linkpost/app.mpy", from the root -----------------

    def files(self, *paths: str) -> dict[str, int]:
        """Return size by path of these files, and of all below these folders ("" is the root)."""
        return {path: size for path, size, _ in self._walk(paths, with_hash=False)}

    def hashes(self, *paths: str) -> dict[str, str]:
        """Return SHA-256 in hex by path, as `files`; computed on the board."""
        return {path: digest for path, _, digest in self._walk(paths, with_hash=True)}

    def read(self, path: str) -> bytes | None:
        """Return a file's content; None where there is none."""
        if not self._linked().fs_exists("/" + path):
            return None
        return bytes.fromhex(
            self.run(
                "import binascii\n"
                f"with open({'/' + path!r},'rb') as f:\n"
                " while 1:\n"
                "  b=f.read(256)\n"
                "  if not b:break\n"
                "  print(binascii.hexlify(b).decode())"
            )
        )

    def write(
        self,
        path: str,
        content: bytes,
        *,
        atomic: bool = False,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        """Write a file, and its folders where they are missing.

        Args:
            atomic: by way of a temporary file and a rename, so that a cut leaves the old or the
                new one; needs the room for both.
            progress: is given the bytes of each piece when it is on the board.
        """
        target = "/" + path
        self._make_folder(path.rpartition("/")[0])
        name = target + ".new" if atomic else target
        # As few commands as it takes: each costs a round trip, and most files are one piece.
        command = f"import os\nfrom binascii import a2b_base64 as _b\n_f=open({name!r},'wb')\n"
        for start in range(0, len(content), _PIECE_BYTES):
            piece = content[start : start + _PIECE_BYTES]
            command += f"_f.write(_b({base64.b64encode(piece).decode()!r}))\n"
            if start + _PIECE_BYTES < len(content):
                self.run(command)
                command = ""
                if progress:
                    progress(len(piece))
        command += "_f.close()\n"
        if atomic:
            command += f"os.rename({name!r},{target!r})"
        self.run(command)
        if progress and content:
            progress(len(content) - (len(content) - 1) // _PIECE_BYTES * _PIECE_BYTES)

    def remove(self, *paths: str) -> None:
        """Remove files, in this order; one that is not there is no error."""
        names = ["/" + path for path in paths]
        self.run(
            f"import os\nfor p in {names!r}:\n"
            " try:os.remove(p)\n except OSError as e:\n  if e.errno!=2:raise"
        )

    def rename(self, path: str, new_path: str) -> None:
        """Rename a file; one that has the new name is replaced, in one step."""
        self.run(f"import os\nos.rename({'/' + path!r},{'/' + new_path!r})")

    # -- boots ------------------------------------------------------------------------------------

    def hold(self) -> None:
        """Bring the board into a quiet boot: no app and no watchdog, until `release`.

        A main.py that is not ours would start again: that is the caller's to look after.
        """
        deadline = time.monotonic() + max(self._wait_s, _RESET_S)
        while True:
            try:
                self.write(_hold_flag(), b"")
                self.reset()
                return
            except BoardLost:
                # Its watchdog was faster than we were, or it went to sleep: catch it again.
                if time.monotonic() > deadline:
                    raise
                self._connect(deadline)

    def release(self) -> None:
        """Take the hold flag off; the next boot runs the app (see `restart`)."""
        self.remove(_hold_flag())

    def is_held(self) -> bool:
        """Tell whether the hold flag is set."""
        return _hold_flag() in self.files(_hold_flag())

    def reset(self) -> None:
        """Reset the board as its button does, and stop it again when it is back."""
        self.run("_linkpost_before=1")
        self._start_reset()
        deadline = time.monotonic() + _RESET_S
        while True:
            # By native USB the old port may answer a moment longer: it is back when it has
            # forgotten what we told it.
            try:
                self._connect(deadline)
                if not self.value("'_linkpost_before' in globals()"):
                    return
            except BoardLost:
                if time.monotonic() > deadline:
                    raise

    def leave_running(self) -> None:
        """Reset the board into its program, and let go of it."""
        self._start_reset()
        self._lose()

    def reconnect(self) -> None:
        """Take up the connection again after a BoardLost."""
        self._lose()
        self._connect(time.monotonic() + self._wait_s, self._note)

    def restart(self, listen_s: float) -> Iterator[str | None]:
        """Reset the board and let it run; yield the lines it prints, for that long.

        Yields None where there is nothing new for a moment, so that the caller can stop. By
        native USB the first lines may be lost: the port is not there yet when they are printed.
        """
        deadline = time.monotonic() + listen_s
        self._start_reset()
        rest = b""
        while time.monotonic() < deadline:
            try:
                if self._transport is None:
                    self._transport = open_port(self.port, deadline)
                serial = self._transport.serial
                waiting = serial.inWaiting()
                rest += serial.read(waiting) if waiting else b""
            except (OSError, BoardLost):
                self._lose()
                waiting = 0
            *lines, rest = rest.split(b"\n")
            for line in lines:
                yield line.decode(errors="replace").rstrip("\r")
            if not waiting:
                yield None
                time.sleep(0.02)

    # -- inside -----------------------------------------------------------------------------------

    def _linked(self) -> SerialTransport:
        if self._transport is None:
            raise BoardLost(self.port)
        return self._transport

    def _connect(self, deadline: float, note: Callable[[str], None] = lambda line: None) -> None:
        """Stop the board, over the open port where that is still good."""
        while True:
            if self._transport is None:
                self._transport = open_port(self.port, deadline, note)
            try:
                interrupt(self._transport, self.port, deadline, note)
                return
            except OSError as error:  # gone: it sleeps, or it resets
                self._lose()
                if time.monotonic() > deadline:
                    raise BoardLost(self.port) from error
            except BaseException:
                self._lose()
                raise

    def _lose(self) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            _close(transport)

    def _start_reset(self) -> None:
        transport = self._linked()
        try:
            # After a moment, so that the command is acknowledged first.
            transport.exec_raw_no_follow("import time,machine\ntime.sleep_ms(50)\nmachine.reset()")
            transport.in_raw_repl = False
        except (TransportError, OSError, struct.error) as error:
            self._lose()
            raise BoardLost(self.port) from error

    def _walk(self, paths: Iterable[str], with_hash: bool) -> list[tuple[str, int, str]]:
        calls = "".join(
            f"_linkpost_walk({'/' + path.strip('/') if path.strip('/') else ''!r},{with_hash})\n"
            for path in paths
        )
        found = [self._literal(line) for line in self.run(_WALK + calls).splitlines()]
        return [(path.lstrip("/"), size, digest) for path, size, digest in found]

    def _make_folder(self, folder: str) -> None:
        if not folder or folder in self._folders:
            return
        self._make_folder(folder.rpartition("/")[0])
        self.run(
            f"import os\ntry:os.mkdir({'/' + folder!r})\n"
            "except OSError as e:\n if e.errno!=17:raise"
        )
        self._folders.add(folder)

    def _literal(self, text: str) -> Any:
        try:
            return ast.literal_eval(text.strip())
        except (ValueError, SyntaxError) as error:
            self._lose()  # bytes were lost on the way
            raise BoardLost(self.port) from error


def _close(transport: SerialTransport) -> None:
    with contextlib.suppress(OSError):  # it is gone
        transport.close()


def _hold_flag() -> str:
    from tools import firmware

    firmware.enable_imports()
    from linkpost.boot import HOLD

    return HOLD
