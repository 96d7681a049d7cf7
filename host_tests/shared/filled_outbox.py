"""An outbox on flash as the firmware's own storage writes it, for tests of what reads it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tools import firmware

firmware.enable_imports()

START_MS = 1_790_000_000_000


def fill_outbox(
    folder: Path,
    waiting: int,
    accepted: int = 0,
    refused: int = 0,
    max_bytes: int = 1 << 20,
    values: dict[str, Any] | None = None,
) -> Any:
    """Make and return an outbox in `folder`: readings accepted, refused (10001), then waiting.

    Reading number n has the time START_MS + n and the value {"n": n}, beside `values`.
    """
    from linkpost.storage.outbox import Outbox

    folder.mkdir(parents=True, exist_ok=True)
    outbox: Any = Outbox(str(folder / "outbox"), max_bytes, os.urandom)
    for _ in range(accepted + refused + waiting):
        seq = outbox.next_seq
        outbox.append({"n": seq, **(values or {})}, START_MS + seq)
    outbox.acknowledge(accepted)
    for seq in range(accepted + 1, accepted + refused + 1):
        outbox.quarantine(seq, "10001 param error")
    outbox.sync()
    return outbox


def files_in(folder: Path) -> dict[str, bytes]:
    """Return every file below the folder, as a board's flash has them."""
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }
