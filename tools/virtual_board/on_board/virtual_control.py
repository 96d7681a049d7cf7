"""What the virtual board says to its supervisor: one JSON object a line, on standard error.

Standard output belongs to the firmware's log. A line of ours starts with a byte that no text
starts with, so that tracebacks on standard error stay what they are. Each message is one write: a
power cut falls before or after it, never inside.
"""

import json
import os
import sys

MARK = "\x01"
_FED = MARK + '{"what": "fed"}\n'  # said between all steps: made once

# Called for what every message about an end carries: the counts so far.
counts = dict


def say(what: str, **more) -> None:
    """Write one message; return when the supervisor can read it."""
    more["what"] = what
    sys.stderr.write(MARK + json.dumps(more) + "\n")


def say_fed() -> None:
    """Tell that the watchdog was fed; costs no heap."""
    sys.stderr.write(_FED)


def end(what: str, **more) -> None:
    """Say why this life ends, with the counts, and end it as a cut of the power does.

    Nothing is closed and no finaliser runs: a file that was not closed is lost, as on a chip.
    """
    more.update(counts())
    say(what, **more)
    power_off()


def power_off() -> None:
    """End this process at once; does not return."""
    if sys.implementation.name == "micropython":
        os.system("kill -9 $PPID")  # noqa: S605, S607  the one way that port has
        while True:  # until the signal arrives
            pass
    sys.stdout.flush()
    os._exit(0)
