"""A real authentication from the laptop, by the firmware's own client: nothing is published."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .. import firmware
from ..firmware import board_files
from ..terminal import failures
from ..terminal.failures import CommandError
from .tls_messages import explain

_DEADLINE_MS = 30_000


def authenticate(config: dict[str, Any], ca: Path | None) -> None:
    """Prove endpoint and triple with `POST /auth`; return where the platform gave a token.

    Args: config: as in config.json; ca: a PEM file of further root certificates.
    Raises: CommandError with the firmware's message, and the exit code for its error.
    """
    roots = board_files.root_certificates(ca)
    firmware.enable_imports()
    from linkpost.client import Client, drive
    from linkpost.config import Config
    from linkpost.errors import LinkpostError
    from linkpost.net import Connection
    from linkpost.ports.host import HostPort

    checked: Any = Config(config)
    port = HostPort()
    connection = Connection(checked.host, checked.port_number, port, lambda: MemoryRoots(roots))
    client = Client(checked, port, NoTokens(), connection)
    try:
        drive(client.authenticating(), connection, port, _DEADLINE_MS)
    except LinkpostError as refusal:
        message = explain(str(refusal), getattr(refusal, "reason", None), ca)
        raise CommandError(message, failures.exit_code_of(type(refusal).__name__)) from None
    finally:
        connection.close()


class NoTokens:
    """Where a client on this machine keeps its token: nowhere but in itself."""

    def load(self) -> None:
        return None

    def save(self, token: str) -> None:
        pass


class MemoryRoots:
    """Root certificates as `storage.files` gives those on flash; none is remembered."""

    def __init__(self, roots: dict[str, bytes]):
        self._roots = list(roots.items())

    def read(self, k: int) -> tuple[str, bytes] | None:
        return self._roots[k] if k < len(self._roots) else None

    def keep(self, name: str) -> None:
        pass
