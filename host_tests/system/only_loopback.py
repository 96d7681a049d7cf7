"""The tools in a network of their own, where whoever asks for anything outside is noticed.

unshare -rmn python only_loopback.py FOLDER     exit code 77: this machine does not allow it

Prints {"codes": {command: exit code}, "errors": {command: text}, "addresses": [...] that Python
connected or sent to or looked up, "questions": how many came to the name server}.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from own_network import NOT_HERE, bring_loopback_up, questions, silent_name_server

# In every Python process of the tools. (MicroPython has no such hook: names that it looks up come
# to the name server, and addresses outside have no route.)
_WATCH = """
import os, sys

def watch(event, args):
    if event in ("socket.connect", "socket.sendto") and isinstance(args[1], tuple):
        target = args[1][0]
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        target = args[0]
    else:
        return
    log = os.open(os.environ["ADDRESSES_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(log, ("%s\\n" % (target,)).encode())
    os.close(log)

sys.addaudithook(watch)
"""
_LINKPOST = (sys.executable, "-m", "tools")
_CONFIG = {
    "endpoint": "localhost:9",
    "product_key": "a1B2c3D4e5F",
    "device_name": "sensor01",
    "device_secret": "canary0123456789abcdef0123456789",
}


def main(folder: Path) -> int:
    folder.mkdir(parents=True)
    try:
        bring_loopback_up()
        server = silent_name_server(folder)
    except (OSError, subprocess.CalledProcessError) as error:
        print(error, file=sys.stderr)
        return NOT_HERE
    watch = folder / "watch"
    watch.mkdir()
    (watch / "sitecustomize.py").write_text(_WATCH)
    log = folder / "addresses"
    config = folder / "config.json"
    config.write_text(json.dumps(_CONFIG))
    environment = {
        **os.environ,
        "HOME": str(folder),
        "PYTHONPATH": str(watch),
        "ADDRESSES_LOG": str(log),
        "REPORTS": "3",
        "BROWSER": "true",
    }
    commands = {
        "demo": (sys.executable, "-m", "tools.demo"),
        "fleet": (*_LINKPOST, "fleet", "--boards", "3", "--interval", "1", "--duration", "3"),
        "image": (*_LINKPOST, "image", "RPI_PICO_W", "--config", config, "--out", folder / "out"),
        "certs": (*_LINKPOST, "certs"),
        "boards": (*_LINKPOST, "boards"),
    }
    codes, errors = {}, {}
    for name, command in commands.items():
        done = subprocess.run(
            [str(word) for word in command],
            env=environment,
            cwd=Path(__file__).parent.parent.parent,
            capture_output=True,
            text=True,
            timeout=120,
            stdin=subprocess.DEVNULL,
        )
        codes[name], errors[name] = done.returncode, done.stderr[-2000:]
    asked = len(questions(server))
    # That the watch and the server notice what they are there for:
    subprocess.run(
        [sys.executable, "-c", "import socket; socket.getaddrinfo('outside.example', 1)"],
        env=environment,
        capture_output=True,
        timeout=60,
    )
    found = {
        "codes": codes,
        "errors": errors,
        "addresses": sorted(set(log.read_text().split())),
        "questions": asked,
        "questions of the control": len(questions(server)),
    }
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
