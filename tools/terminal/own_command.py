"""The `linkpost` command once more, as a process: from a checkout as where it is installed."""

from __future__ import annotations

import sys


def own_command(*arguments: str) -> list[str]:
    """Return what starts `linkpost` with these arguments, by this interpreter.

    Its working directory must be one from which this package is found, as it is for the caller.
    """
    return [sys.executable, "-m", __name__.partition(".")[0], *arguments]
