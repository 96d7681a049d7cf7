"""Run a command where there is no network but loopback, and count what it tried beyond:

    unshare -rmn python loopback_only.py FOLDER COMMAND...

The kernel counts there, for all processes and whatever they are written in, each packet and each
connection that had no route out, and a name server of ours each question for a name. Both numbers
go to FOLDER/counts.json. Exit code: the command's, or NOT_HERE where this machine forbids it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from own_network import NOT_HERE, bring_loopback_up, questions, silent_name_server


def main(folder: Path, command: list[str]) -> int:
    try:
        bring_loopback_up()
        server = silent_name_server(folder)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"no network of our own here: {error}", file=sys.stderr)
        return NOT_HERE
    code = subprocess.run(command).returncode
    counts = {"no_route": _without_route(), "questions": len(questions(server))}
    (folder / "counts.json").write_text(json.dumps(counts))
    return code


def _without_route() -> int:
    """Return how many packets and connections had no way out of this network."""
    names, values = (
        line.split()
        for line in Path("/proc/net/snmp").read_text().splitlines()
        if line.startswith("Ip:")
    )
    count = int(values[names.index("OutNoRoutes")])
    six = Path("/proc/net/snmp6")
    if six.exists():
        count += int(dict(map(str.split, six.read_text().splitlines()))["Ip6OutNoRoutes"])
    return count


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
