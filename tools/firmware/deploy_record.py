"""What a board carries about its own deployment, so that nothing of it has to be imported.

Importing linkpost to ask for its version would hang the board where a file is cut short. And the
hash tells a main.py that we brought from one that the user edited since.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from .. import firmware

PATH = "lib/linkpost/deployed.json"


@dataclass(frozen=True)
class Record:
    """A complete deployment; both None where there is none."""

    version: str | None = None
    main_sha256: str | None = None  # of the main.py that came with it


def render(main_py: bytes) -> bytes:
    """Return the file's content: short enough that littlefs keeps it in its folder."""
    digest = hashlib.sha256(main_py).hexdigest()
    return json.dumps({"version": firmware.version(), "main_sha256": digest}).encode()


def parse(text: str | None) -> Record:
    """Return what the file on a board says; nothing where it is absent or damaged."""
    try:
        found = json.loads(text or "{}")
        return Record(found.get("version"), found.get("main_sha256"))
    except (ValueError, AttributeError):
        return Record()
