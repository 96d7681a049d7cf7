"""Nothing asks for a network but where the user points it: virtual boards, emulator and tools run
where there is only loopback, and do not even try.

Three witnesses. The kernel counts what had no route and a name server what it is asked, by all
processes, MicroPython's too; Python's own audit hooks say which addresses and names our programs
asked for. What is pointed elsewhere by its nature is not run here: `flash` and `factory` without
--firmware download MicroPython once, `bench` its webassembly build once, `certs --endpoint` and a
config's `endpoint` name a host.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from audit import Audit
from own_network import NOT_HERE

from tools.virtual_board import runtimes, unix_port

HERE = Path(__file__).parent
DRIVER = HERE / "loopback_driver.py"
REFUSED_S = 20
ERRAND_S = 240  # about 20 on two busy cores

pytestmark = pytest.mark.skipif(shutil.which("unshare") is None, reason="no unshare: Linux only")


def run_alone(folder, *command, timeout_s):
    """Run a command without a network; return how it went, what was counted, the events."""
    runner = [
        "unshare",
        "-rmn",
        sys.executable,
        HERE.parent / "shared" / "loopback_only.py",
        folder,
    ]
    with Audit(folder / "audit.jsonl") as audit:
        done = subprocess.run(
            [*runner, *command],
            capture_output=True,
            text=True,
            timeout=timeout_s,
            stdin=subprocess.DEVNULL,
        )
    if done.returncode == NOT_HERE or done.stderr.startswith("unshare:"):
        pytest.skip(f"no network of our own here: {done.stderr.strip()}")
    return done, json.loads((folder / "counts.json").read_text()), audit.events()


def went_out(events):
    return [(one.name, one.value) for one in events if one.is_network and not one.stays_here]


@pytest.mark.timeout(ERRAND_S + 20)
def test_boards_emulator_and_tools_need_loopback_alone_and_try_nothing_else(tmp_path):
    done, counts, events = run_alone(tmp_path, sys.executable, DRIVER, timeout_s=ERRAND_S)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line for line in lines if line["code"]] == []
    assert done.returncode == 0, done.stderr
    assert lines[-1]["what"] == "demo"
    assert len(lines) > 12
    assert went_out(events) == []
    assert counts == {"no_route": 0, "questions": 0}
    # The witness was there: the emulator is heard to listen, and the tools to connect to it.
    programs = {one.program[-1] for one in events if one.is_network}
    assert len(programs) > 4, programs


@pytest.mark.parametrize(
    ("attempt", "seen", "counted"),
    [
        ("create_connection(('192.0.2.1', 443))", "socket.connect", "no_route"),
        ("getaddrinfo('iot.example.com', 443)", "socket.getaddrinfo", "questions"),
        ("socket(type=SOCK_DGRAM).sendto(b'', ('192.0.2.1', 9))", "socket.sendto", "no_route"),
    ],
)
def test_program_that_asks_for_a_network_is_noticed_twice(tmp_path, attempt, seen, counted):
    source = f"from socket import *\ntry:\n    {attempt}\nexcept OSError as error:\n    pass\n"
    done, counts, events = run_alone(tmp_path, sys.executable, "-c", source, timeout_s=REFUSED_S)
    assert done.returncode == 0, done.stderr
    assert seen in [name for name, _ in went_out(events)]
    assert counts[counted] > 0


@pytest.mark.skipif(not runtimes.has_micropython(), reason="the MicroPython wheel is not here")
@pytest.mark.parametrize(
    ("place", "counted"), [("192.0.2.1", "no_route"), ("iot.example.com", "questions")]
)
def test_board_that_asks_for_a_network_is_noticed(tmp_path, place, counted):
    source = (
        "import socket\n"
        "try:\n"
        f"    socket.socket().connect(socket.getaddrinfo('{place}', 443)[0][-1])\n"
        "except OSError as error:\n"
        "    pass\n"
    )
    micropython = [sys.executable, "-I", unix_port.__file__, "-c", source]
    done, counts, _ = run_alone(tmp_path, *micropython, timeout_s=REFUSED_S)
    assert done.returncode == 0, done.stderr
    assert counts[counted] > 0
