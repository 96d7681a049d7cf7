"""Read a JSON file that an option names."""

from __future__ import annotations

import codecs
import json
from pathlib import Path
from typing import Any

from ..terminal.failures import CommandError


def read_object(path: Path, option: str) -> tuple[bytes, dict[str, Any]]:
    """Return the file in UTF-8 without a mark, and the one JSON object in it.

    Args: option, its name ("--config"), for error messages.
    Raises: CommandError.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise CommandError(f"{option}: cannot read {path}: {error.strerror}") from error
    try:
        # As Windows' editors save it; a board would have to be told.
        if text.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            text = text.decode("utf-16").encode()
        text = text.removeprefix(codecs.BOM_UTF8)
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CommandError(f"{option}: {path} is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise CommandError(f"{option}: {path} must hold one JSON object")
    return text, found
