"""Read a JSON file that a person gave with an option."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tools.failures import CommandError


def read_object(path: Path, option: str) -> tuple[bytes, dict[str, Any]]:
    """Return the file as it is, and the one JSON object in it.

    Args: option, what the person gave it with ("--config"), for the words of an error.
    Raises: CommandError.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise CommandError(f"{option}: cannot read {path}: {error.strerror}") from error
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CommandError(f"{option}: {path} is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise CommandError(f"{option}: {path} must hold one JSON object")
    return text, found
