"""Nothing asks for a network but where the user points it: virtual boards, emulator and tools run
where there is only loopback, and do not even try.

Two witnesses. The kernel counts what had no route, in all processes, MicroPython's too; Python's
own audit hooks say which names and addresses our programs asked for. What is pointed elsewhere by
its nature is not run here: `flash` and `factory` without --firmware download MicroPython once,
`bench` its webassembly build once, `certs --endpoint` and a config's `endpoint` name a host.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from audit import Audit
from loopback_only import FORBIDDEN

HERE = Path(__file__).parent
ERRAND = HERE / "loopback_errand.py"
REFUSED_S = 20
ERRAND_S = 240  # about 20 on two busy cores

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="network namespaces are Linux's")


def run_alone(folder, *command, timeout_s):
    """Run a command without a network; return how it went, what the kernel counted, the events."""
    counts = folder / "counts.json"
    runner = [sys.executable, HERE.parent / "loopback_only.py", counts]
    with Audit(folder / "audit.jsonl") as audit:
        done = subprocess.run(
            [*runner, *command],
            capture_output=True,
            text=True,
            timeout=timeout_s,
            stdin=subprocess.DEVNULL,
        )
    if done.returncode == FORBIDDEN:
        pytest.skip(done.stderr.strip())
    return done, json.loads(counts.read_text()), audit.events()


def went_out(events):
    return [(one.name, one.value) for one in events if one.is_network and not one.stays_here]


@pytest.mark.timeout(ERRAND_S + 20)
def test_boards_emulator_and_tools_need_loopback_alone_and_try_nothing_else(tmp_path):
    done, counts, events = run_alone(tmp_path, sys.executable, ERRAND, timeout_s=ERRAND_S)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line for line in lines if line["code"]] == []
    assert done.returncode == 0, done.stderr
    assert lines[-1]["what"] == "demo"
    assert len(lines) > 12
    assert went_out(events) == []
    assert counts == {"no_route": 0, "no_port": 0}
    # The witness was there: the emulator is heard to listen, and the tools to connect to it.
    programs = {one.program[-1] for one in events if one.is_network}
    assert len(programs) > 4, programs


@pytest.mark.parametrize(
    ("attempt", "seen"),
    [
        ("socket.create_connection(('192.0.2.1', 443))", "socket.connect"),
        ("socket.getaddrinfo('iot.example.com', 443)", "socket.getaddrinfo"),
        (
            "socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 123))",
            "socket.sendto",
        ),
    ],
)
def test_program_that_asks_for_a_network_is_noticed_by_both(tmp_path, attempt, seen):
    source = f"import socket\ntry:\n    {attempt}\nexcept OSError as error:\n    print(error)\n"
    done, counts, events = run_alone(tmp_path, sys.executable, "-c", source, timeout_s=REFUSED_S)
    assert done.returncode == 0, done.stderr
    assert seen in [name for name, _ in went_out(events)]
    if "getaddrinfo" not in attempt:  # a host's own resolver may be asked through a local socket
        assert counts["no_route"] > 0


def test_process_that_is_not_python_is_noticed_by_the_kernel(tmp_path):
    micropython = Path(sys.executable).with_name("micropython")
    if not micropython.exists():
        pytest.skip("the MicroPython wheel is not here")
    source = (
        "import socket\n"
        "try:\n"
        "    socket.socket().connect(socket.getaddrinfo('192.0.2.1', 443)[0][-1])\n"
        "except OSError as error:\n"
        "    print(error)\n"
    )
    done, counts, _ = run_alone(tmp_path, micropython, "-c", source, timeout_s=REFUSED_S)
    assert done.returncode == 0, done.stderr
    assert counts["no_route"] > 0
