"""What a deploy has to do, from what a board has and what it should have. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from .. import firmware
from ..firmware import deploy_record
from ..firmware.board_files import CA_PREFIX
from ..firmware.boards import Board
from ..firmware.config_check import CONFIG, check_config
from ..firmware.config_hints import check_rules
from ..terminal import next_step
from ..terminal.failures import USAGE, CommandError

MAIN = "main.py"
# An edited main.py while files are copied, so that no boot starts it; renamed back at the end.
KEPT = "main.py.kept"
_MPY_VERSION = 6
_BLOCK_BYTES = 4096

# Whose main.py a board has.
NONE = "none"
OURS = "ours"
EDITED = "edited"  # ours, or written after its example: it uses linkpost
OTHER = "another program's"


@dataclass(frozen=True)
class Plan:
    """Which files go and which come; `copy` without main.py, the record last."""

    copy: dict[str, bytes]
    remove: list[str]
    unchanged: int
    writes_main: bool

    @property
    def is_empty(self) -> bool:
        """Tell whether the board has everything already."""
        return not (self.copy or self.remove or self.writes_main)


def plan(files: dict[str, bytes], on_board: dict[str, str], *, keeps_main: bool) -> Plan:
    """Return what turns a board into one that has exactly these files of ours.

    Args:
        files: what it should have, from `files_for`.
        on_board: SHA-256 by path of what it has: main.py and the folders that we own.
        keeps_main: the user's own main.py stays.
    """
    differ = {path for path, data in files.items() if on_board.get(path) != sha256(data)}
    if keeps_main:
        differ.discard(MAIN)
    remove = sorted(on_board.keys() - files.keys() - {MAIN})
    if not differ and not remove:
        return Plan({}, [], len(files) - keeps_main, writes_main=False)
    # While files change there is no main.py and no record: a board that gets anything gets these
    # two anew, the record as the last file but main.py.
    ends = {MAIN, deploy_record.PATH}
    copy = {path: files[path] for path in files if path in differ - ends}
    copy[deploy_record.PATH] = files[deploy_record.PATH]
    return Plan(copy, remove, len(files) - len(copy) - 1, writes_main=not keeps_main)


def is_kept_ca(path: str, digest: str) -> bool:
    """Tell whether a file on the board is the CA of an earlier deploy, and whole.

    Its name has the first digits of its SHA-256: what a cut has left of one does not stay.
    """
    return path.startswith(CA_PREFIX) and path == f"{CA_PREFIX}{digest[:8]}.der"


def whose_main(content: bytes | None, known: set[str | None]) -> str:
    """Return whose main.py that is; `known` are the hashes of those that we brought."""
    if not content:  # a cut can leave a new file empty
        return NONE
    if sha256(content) in known:
        return OURS
    return EDITED if b"linkpost" in content else OTHER


def missing_bytes(plan: Plan, sizes: dict[str, int], free_bytes: int) -> int:
    """Return how much flash is missing for it; 0: it fits. In whole blocks, as littlefs takes.

    Args: sizes: by path, of what is on the board.
    """
    goes = [*plan.remove, *plan.copy]
    freed = sum(_blocks(sizes.get(path, 0)) for path in goes)
    needed = sum(_blocks(len(data)) for data in plan.copy.values())
    return max(0, (needed - freed) * _BLOCK_BYTES - free_bytes)


def check_micropython(
    files: dict[str, bytes], byte_code: int, micropython: tuple[int, ...]
) -> None:
    """Raise CommandError where the board's MicroPython cannot run these files.

    Args: byte_code: the version that it loads; micropython: (1, 27, 0).
    """
    for path, data in files.items():
        if path.endswith(".mpy") and data[:2] != bytes((ord("M"), _MPY_VERSION)):
            raise CommandError(f"{path} is not byte code of version {_MPY_VERSION}", 1)
    if byte_code != _MPY_VERSION or micropython[:2] < firmware.OLDEST_MICROPYTHON:
        version = ".".join(map(str, micropython))
        oldest = ".".join(map(str, firmware.OLDEST_MICROPYTHON))
        raise CommandError(
            f"linkpost does not run on this board's MicroPython {version} (byte code {byte_code})."
            f" Nothing was written. Put {oldest} or newer on it: linkpost flash",
            USAGE,
        )


def parse_config(
    text: bytes | None, port: str, board: Board | None = None
) -> tuple[dict[str, Any], bytes]:
    """Return the board's own config, and what stands beside it once it is checked (`CHECKED`).

    Args: board, whose pins and limits are looked at; None: not known, and the board does that.
    Raises: CommandError that says what to do where it is missing or wrong.
    """
    if text is None:
        raise CommandError(
            f"The board on {port} has no config.json yet. "
            f"Run first: {next_step.command('provision', port)}",
            USAGE,
        )
    firmware.enable_imports()
    from linkpost.config_rules import parse
    from linkpost.errors import ConfigError

    try:
        parsed = parse(text, CONFIG)
        check_rules(parsed)
        checked = b"" if board is None else check_config(parsed, board, text)
    except ConfigError as error:
        raise CommandError(
            f"The board's config.json: {error}. "
            f"Fix it with: {next_step.command('provision', port)}",
            USAGE,
        ) from error
    return parsed, checked


def sha256(data: bytes) -> str:
    """Return the hash in hex, as the board says it."""
    return hashlib.sha256(data).hexdigest()


def _blocks(size: int) -> int:
    return -(-size // _BLOCK_BYTES)
