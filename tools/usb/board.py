"""A board on its USB port: who it is, its files, and boots without the app.

1. Nothing of linkpost is imported on the board: a truncated .mpy would hang it.
2. A running watchdog cannot be stopped and a soft reset leaves it running, so `hold` writes the
   firmware's flag and hard-resets: the next boot is quiet until `release` (docs/porting.md,
   "Reset, watchdog and sleep").
3. What is on the board is asked there: sizes and SHA-256 of many files in one command.
"""

from __future__ import annotations

import ast
import base64
import time
from collections.abc import Callable, Iterable

from ..terminal.failures import NO_BOARD, CommandError
from . import identity
from .identity import Identity
from .repl import RESET_S, BoardLost, OnBoardError, UsbRepl

__all__ = ["BoardLost", "Identity", "OnBoardError", "UsbBoard"]

# One piece of a file on its way: its base64 and its bytes are on the chip's heap at once.
_PIECE_BYTES = 768

# Tells (path, size) of every file below a folder, and with `h` its SHA-256.
_WALK = """
import os
def _linkpost_walk(p,h):
 import hashlib,binascii
 b=memoryview(bytearray(512))
 def one(p,n):
  if not h:
   _linkpost_tell(repr((p,n,'')));return
  d=hashlib.sha256()
  with open(p,'rb') as f:
   while 1:
    k=f.readinto(b)
    if not k:break
    d.update(b[:k])
  _linkpost_tell(repr((p,n,binascii.hexlify(d.digest()).decode())))
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


class UsbBoard(UsbRepl):
    """A board in its REPL (see `UsbRepl` for its arguments), with files and quiet boots."""

    _folders: frozenset[str] = frozenset()  # known to be there

    def identify(self) -> Identity:
        """Ask the board who it is. Raises: CommandError where it runs no MicroPython."""
        answer = self.ask_value(identity.ASK)
        if answer[0] != "micropython":
            raise CommandError(
                f"the board on {self.port} runs {answer[0]}; linkpost needs MicroPython. Run: "
                "linkpost flash",
                NO_BOARD,
            )
        return identity.from_answer(answer)

    # -- files: paths as in `files_for`, "lib/linkpost/app.mpy", from the root -----------------

    def files(self, *paths: str) -> dict[str, int]:
        """Return size by path of these files, and of all below these folders ("" is the root)."""
        return {path: size for path, size, _ in self._walk(paths, with_hash=False)}

    def hashes(self, *paths: str) -> dict[str, str]:
        """Return SHA-256 in hex by path, as `files`; computed on the board."""
        return {path: digest for path, _, digest in self._walk(paths, with_hash=True)}

    def read(self, path: str) -> bytes | None:
        """Return a file's content; None where there is none."""
        told = self.ask(
            "import binascii\n"
            "def _linkpost_read(p):\n"
            " try:f=open(p,'rb')\n"
            " except OSError as e:\n"
            "  if e.errno!=2:raise\n"
            "  _linkpost_tell('none');return\n"
            " with f:\n"
            "  while 1:\n"
            "   b=f.read(256)\n"
            "   if not b:break\n"
            "   _linkpost_tell(binascii.hexlify(b).decode())\n"
            f"_linkpost_read({'/' + path!r})"
        )
        if told == ["none"]:
            return None
        try:
            return bytes.fromhex("".join(told))
        except ValueError as error:
            raise BoardLost(self.port) from error  # bytes were lost on the way

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

    # -- quiet boots -----------------------------------------------------------------------------

    def hold(self) -> None:
        """Bring the board into a quiet boot: no app and no watchdog, until `release`.

        A main.py that is not ours would start again: that is the caller's to look after.
        """
        deadline = time.monotonic() + max(self._wait_s, RESET_S)
        while True:
            try:
                self.write(_hold_flag(), b"")
                self.reset()
                return
            except BoardLost:
                # Its watchdog was faster than we were, or it went to sleep: catch it again.
                if time.monotonic() > deadline:
                    raise
                self.reconnect(deadline)

    def release(self) -> None:
        """Take the hold flag off; the next boot runs the app (see `restart`)."""
        self.remove(_hold_flag())

    def is_held(self) -> bool:
        """Tell whether the hold flag is set."""
        return _hold_flag() in self.files(_hold_flag())

    # -- inside -----------------------------------------------------------------------------------

    def _walk(self, paths: Iterable[str], with_hash: bool) -> list[tuple[str, int, str]]:
        calls = "".join(
            f"_linkpost_walk({'/' + path.strip('/') if path.strip('/') else ''!r},{with_hash})\n"
            for path in paths
        )
        found = [ast.literal_eval(one) for one in self.ask(_WALK + calls)]
        return [(path.lstrip("/"), size, digest) for path, size, digest in found]

    def _make_folder(self, folder: str) -> None:
        if not folder or folder in self._folders:
            return
        self._make_folder(folder.rpartition("/")[0])
        self.run(
            f"import os\ntry:os.mkdir({'/' + folder!r})\n"
            "except OSError as e:\n if e.errno!=17:raise"
        )
        self._folders |= {folder}


def _hold_flag() -> str:
    from .. import firmware

    firmware.enable_imports()
    from linkpost.boot_work import HOLD

    return HOLD
