"""Standard output and error that no character can stop."""

from __future__ import annotations

import io
import sys


def replace_what_they_lack() -> None:
    """Let a character that a stream's encoding lacks (an old code page) become a question mark.

    What a board prints, the name of a network and the words of a platform are anybody's; to
    Python, such a character is an error in the middle of a command that has done its work.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
