"""`make setup`: pip with a line that moves, instead of a silent minute. Any Python, nothing else.

python tools/install.py PIP-COMMAND...
"""

from __future__ import annotations

import re
import subprocess
import sys
import time

_EVERY_S = 5.0
_BEGUN = re.compile(r"^(Collecting|Installing collected packages)\b:?\s*([\w.-]*)")


def main(command: list[str]) -> int:
    """Run pip; show how far it is, and of a failure all that it said. Return its exit code."""
    process = subprocess.Popen(  # noqa: S603  the Makefile's command
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    said, count, shown_at = [], 0, time.monotonic()
    is_terminal = sys.stderr.isatty()
    for line in process.stdout or ():
        said.append(line)
        found = _BEGUN.match(line)
        if found is None:
            continue
        count += found[1] == "Collecting"
        what = f"{count} packages: {found[2]}" if found[1] == "Collecting" else "writing them"
        if is_terminal:
            print(f"\r\x1b[K  {what}", end="", file=sys.stderr, flush=True)
        elif time.monotonic() - shown_at > _EVERY_S or found[1] != "Collecting":
            shown_at = time.monotonic()
            print(f"  {what}", file=sys.stderr, flush=True)
    if is_terminal:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
    code = process.wait()
    if code:
        print("".join(said), file=sys.stderr)
    return code


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
