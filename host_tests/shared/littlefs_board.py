"""A board for `linkpost deploy` that is a littlefs image in this process: power cut at any write.

It stands where `UsbBoard` stands and does the same to the file system, command by command, on real
littlefs with a chip's settings. What it cannot show (the REPL, the port, MicroPython itself) is in
system/test_deploy_*.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from littlefs import LittleFS, LittleFSError
from littlefs.context import UserContext

from tools.terminal.failures import NO_BOARD
from tools.usb import identity
from tools.usb.identity import Identity
from tools.usb.repl import BoardLost, OnBoardError
from tools.virtual_board.kinds import BLOCK_SIZE, KINDS

_PIECE_BYTES = 256
HOLD = "hold"


class Flash(UserContext):
    """A flash chip whose power goes in the middle of program or erase number `cut_at`."""

    def __init__(self, content: bytearray):
        super().__init__(len(content), buffer=content)
        self.operations = 0
        self.cut_at = 0
        # What the flash held when the power went. littlefs goes on for a moment, on a copy: it
        # aborts the process when it reads back what it has not written.
        self.left: bytearray | None = None

    @property
    def is_off(self) -> bool:
        return self.left is not None

    def read(self, cfg, block, off, size):
        start = block * BLOCK_SIZE + off
        return self.buffer[start : start + size]

    def prog(self, cfg, block, off, data):
        self._change(block * BLOCK_SIZE + off, bytes(data))
        return 0

    def erase(self, cfg, block):
        self._change(block * BLOCK_SIZE, b"\xff" * BLOCK_SIZE)
        return 0

    def _change(self, start: int, data: bytes) -> None:
        self.operations += 1
        if self.operations == self.cut_at:
            self.left = bytearray(self.buffer)
            self.left[start : start + len(data) // 2] = data[: len(data) // 2]
        self.buffer[start : start + len(data)] = data


class LittlefsBoard:
    """A board with these files; `flash.cut_at` arms the cut, `power_up` is the next life."""

    port = "littlefs"

    def __init__(self, files: dict[str, bytes], *, kind: str = "ESP32_GENERIC", blocks: int = 0):
        self._kind = KINDS[kind]
        self._blocks = blocks or self._kind.block_count
        self.resets = 0
        self.started = False
        self.flash = Flash(bytearray(b"\xff" * (self._blocks * BLOCK_SIZE)))
        self._fs = self._file_system()
        self._fs.format()
        self._fs.mount()
        for path, content in files.items():
            self.write(path, content)

    def power_up(self) -> None:
        """Start again after a cut, on what is on the flash."""
        self.flash = Flash(self.flash.left or self.flash.buffer)
        self._fs = self._file_system()
        self._fs.mount()

    def content(self) -> dict[str, bytes]:
        """Return every file."""
        return {path: self._read(path) for path in self.files("")}

    # -- as UsbBoard ------------------------------------------------------------------------------

    def identify(self) -> Identity:
        self._check()
        blocks = self._blocks - self._fs.used_block_count
        record = self._read("lib/linkpost/deployed.json")
        return identity.from_answer(
            (
                *("micropython", (1, 27, 0), "linux", "littlefs", "", 6, True),
                *(blocks * BLOCK_SIZE, self._blocks * BLOCK_SIZE),
                None if record is None else record.decode(errors="replace"),
            )
        )

    def files(self, *paths: str) -> dict[str, int]:
        self._check()
        return {path: len(self._read(path)) for path in self._names(paths)}

    def hashes(self, *paths: str) -> dict[str, str]:
        self._check()
        return {path: hashlib.sha256(self._read(path)).hexdigest() for path in self._names(paths)}

    def read(self, path: str) -> bytes | None:
        self._check()
        return self._read(path)

    def write(self, path, content, *, atomic=False, progress=None) -> None:
        self._check()
        name = path + ".new" if atomic else path
        folder = path.rpartition("/")[0]
        try:
            if folder:
                self._fs.makedirs(folder, exist_ok=True)
            with self._fs.open(name, "wb", buffering=0) as file:
                for start in range(0, len(content), _PIECE_BYTES):
                    file.write(content[start : start + _PIECE_BYTES])
            if atomic:
                self._fs.rename(name, path)
        except LittleFSError as error:
            self._check()
            if error.code == LittleFSError.Error.LFS_ERR_NOSPC:
                raise OnBoardError(self.port, "OSError: [Errno 28] ENOSPC") from error
            raise
        self._check()
        if progress:
            progress(len(content))

    def remove(self, *paths: str) -> None:
        for path in paths:
            self._check()
            if self._read(path) is not None:
                self._fs.remove(path)
        self._check()

    def rename(self, path: str, new_path: str) -> None:
        self._check()
        self._fs.rename(path, new_path)
        self._check()

    def hold(self) -> None:
        self.write(HOLD, b"")
        self.resets += 1

    def release(self) -> None:
        self.remove(HOLD)

    def reconnect(self) -> None:
        self._check()

    def leave_running(self) -> None:
        self._check()
        self.started = True

    def restart(self, listen_s: float) -> Iterator[str | None]:
        self.leave_running()
        yield "0.012 I app started device=a/b"

    # -- inside -----------------------------------------------------------------------------------

    def _check(self) -> None:
        if self.flash.is_off:
            error = BoardLost(self.port)
            assert error.exit_code == NO_BOARD
            raise error

    def _file_system(self) -> LittleFS:
        return LittleFS(
            self.flash,
            mount=False,
            block_size=BLOCK_SIZE,
            block_count=self._blocks,
            read_size=self._kind.read_size,
            prog_size=self._kind.read_size,
            cache_size=self._kind.cache_size,
            lookahead_size=32,
            block_cycles=100,
        )

    def _names(self, paths) -> list[str]:
        found = []
        for path in paths:
            try:
                is_folder = not path or self._fs.stat(path).type == 2
            except LittleFSError:
                continue
            if not is_folder:
                found.append(path)
                continue
            for root, _, names in self._fs.walk(path or "/"):
                found += [f"{root.strip('/')}/{name}".lstrip("/") for name in names]
        return found

    def _read(self, path: str) -> bytes | None:
        try:
            with self._fs.open(path, "rb") as file:
                return file.read()
        except (LittleFSError, FileNotFoundError):
            return None
