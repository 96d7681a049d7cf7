"""What the Python programs of a test connected to, looked up and started: `with Audit(path):`."""

from __future__ import annotations

import ipaddress
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "audited"
_NAMES = ("localhost", "")


@dataclass(frozen=True)
class Event:
    """One event of Python's audit hooks; `program` is what asked for it."""

    name: str
    value: Any
    program: list[str]

    @property
    def is_network(self) -> bool:
        return self.name.startswith("socket.")

    @property
    def stays_here(self) -> bool:
        """Tell whether it is about this machine alone."""
        host = self.value[0] if isinstance(self.value, list) and self.value else self.value
        if host is None or (isinstance(self.value, str) and self.value.startswith("/")):
            return True  # any address of ours, for a server; a socket in the file system
        if host in _NAMES:
            return True
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return False


class Audit:
    """Has every Python program that is started in the `with` block write down what it does."""

    def __init__(self, path: Path):
        self.path = path
        self._before: dict[str, str | None] = {}

    def __enter__(self) -> Audit:
        kept = os.environ.get("PYTHONPATH")
        wanted = {
            "LINKPOST_AUDIT": str(self.path),
            "PYTHONPATH": os.pathsep.join(filter(None, [str(FOLDER), kept])),
        }
        self._before = {name: os.environ.get(name) for name in wanted}
        os.environ.update(wanted)
        return self

    def __exit__(self, *details: object) -> None:
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

    def events(self) -> list[Event]:
        """Return what was written down so far."""
        if not self.path.exists():
            return []
        return [Event(*json.loads(line)) for line in self.path.read_text().splitlines()]
