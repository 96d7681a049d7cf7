"""A board in a network of its own, where the name server takes questions and answers none.

unshare -rmn python silent_names.py FOLDER      exit code 77: this machine does not allow it
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "shared"))

from client_process import ClientProcess
from own_network import NOT_HERE, bring_loopback_up, questions, silent_name_server


def main(folder: Path) -> int:
    folder.mkdir(parents=True)
    try:
        bring_loopback_up()
        server = silent_name_server(folder)
    except (OSError, subprocess.CalledProcessError) as error:
        print(error, file=sys.stderr)
        return NOT_HERE
    config = {
        "endpoint": "nowhere.example",
        "product_key": "a1B2c3D4e5F",
        "device_name": "sensor01",
        "device_secret": "canary0123456789abcdef0123456789",
        "ntp": [],
    }
    anchor = folder.parent / "ca.pem"
    driver = Path(__file__).parent / "hostile_driver.py"
    with ClientProcess("micropython", folder, config, anchor, driver) as board:
        board.ask("send", deadline_ms=10_000)  # loads what is loaded when needed
        before = board.ask("rest")
        answer = board.ask("drain", deadline_ms=10_000)
        after = board.ask("rest")
    asked = len(questions(server))
    if not asked:
        print("names do not come from resolv.conf (nsswitch.conf)", file=sys.stderr)
        return NOT_HERE
    found = {"questions": asked, "answer": answer, "before": before, "after": after}
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
