"""The command to run next, with the options that belong to this board."""

from __future__ import annotations

import shlex
from pathlib import Path


def command(words: str, port: str | None = None, ca: Path | None = None) -> str:
    """Return "linkpost WORDS --port PORT --ca CA", as a shell takes it; what is None is left out.

    Following it must not undo what was done: the same board, the same CA.
    """
    text = f"linkpost {words}"
    if port is not None:
        text += f" --port {shlex.quote(port)}"
    if ca is not None:
        text += f" --ca {shlex.quote(str(ca))}"
    return text
