"""One virtual board through its lives: sleep, reset, watchdog, power cuts, Ctrl-C.

The firmware here is a stub of a few lines with the real port contract, so that each test says what
its board does; the real firmware runs in system/test_board_run.py.
"""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tools import firmware
from tools.firmware.mpy import compile_mpy
from tools.terminal import failures
from tools.virtual_board import command, image, life, runtimes, supervisor
from tools.virtual_board.kinds import KINDS
from tools.virtual_board.supervisor import Setup, Supervisor

MAIN = b"""
from linkpost import App, Config
try:
    App(Config.load("config.json")).run()
except ValueError as error:  # as the real one: the reason is logged, the REPL comes
    print("cannot run:", error)
"""
INIT = b"from .app import App\nfrom .config import Config\n"
CONFIG = b"""
class Config:
    @classmethod
    def load(cls, path):
        return cls()
"""
APP = """
import os
from linkpost import ports

class AuthError(Exception):
    pass

class App:
    quarantined = pending = dropped = 0
    last_error = None

    def __init__(self, config):
        self.port = ports.detect()
        self.accepted = 0

    def run(self, reports=None):
        port = self.port
"""

micropython_only = pytest.mark.skipif(
    not runtimes.has_micropython(), reason="the MicroPython wheel is not installed here"
)
both_runtimes = pytest.mark.parametrize(
    "runtime", [pytest.param("micropython", marks=micropython_only), "cpython"]
)


class Board:
    """A virtual board whose App.run has the given body; keeps what it logged."""

    def __init__(self, folder, runtime, body, kind="ESP32_GENERIC", **wanted):
        self.log = []
        self.setup = Setup(runtime, KINDS[kind], Path(folder, "flash"), **wanted)
        self.program(body)
        self.supervisor = Supervisor(self.setup, self.log.append)

    def program(self, body):
        app = APP + "".join(f"        {line}\n" for line in body.strip().splitlines())
        library = {"__init__": INIT, "config": CONFIG, "app": app.encode()}
        ports = [f"ports/{name}" for name in ("__init__", "host", "host_rare", "chip_rare")]
        for name in ("errors", "loader", *ports):
            library[name] = (firmware.package_dir() / f"{name}.py").read_bytes()
        files = {"main.py": MAIN}
        if self.setup.runtime == "micropython":
            for name, source in library.items():
                files[f"lib/linkpost/{name}.mpy"] = compile_mpy(source, f"{name}.py")
            image.refresh_image(self.setup.flash, self.setup.kind, files)
        else:
            files.update({f"lib/linkpost/{name}.py": text for name, text in library.items()})
            image.refresh_folder(self.setup.flash, files)

    def run(self):
        return self.supervisor.run()


def after_log(board, text, action):
    """Do something when the board has logged that text."""
    log = board.supervisor._log
    board.supervisor._log = lambda line: (log(line), action() if line == text else None)


@both_runtimes
def test_run_with_reports_hands_the_number_to_the_app_and_counts(tmp_path, runtime):
    board = Board(
        tmp_path,
        runtime,
        "self.accepted = reports; self.pending = 4; self.dropped = 2; self.quarantined = 1",
        reports=3,
    )
    outcome = board.run()
    assert outcome.reason == supervisor.DONE
    assert str(outcome.counts) == "3 accepted, 1 quarantined, 4 pending, 2 dropped"
    assert command.exit_code(outcome) == failures.DONE


@both_runtimes
def test_run_without_reports_leaves_the_app_its_own_default(tmp_path, runtime):
    board = Board(tmp_path, runtime, "print('reports', reports, 'cause', port.reset_cause())")
    board.run()
    assert board.log == ["reports None cause power on"]


@both_runtimes
def test_run_with_an_error_that_main_only_logs_still_knows_it(tmp_path, runtime):
    outcome = Board(tmp_path, runtime, "raise ValueError('no such pin')").run()
    assert (outcome.reason, outcome.error, outcome.message) == (
        "done",
        "ValueError",
        "no such pin",
    )


@both_runtimes
def test_run_with_an_uncaught_error_shows_its_traceback(tmp_path, runtime):
    board = Board(tmp_path, runtime, "{}['missing']")
    outcome = board.run()
    assert outcome.error == "KeyError"
    assert any("app.py" in line for line in board.log)
    assert command.exit_code(outcome) == 1


@both_runtimes
def test_deep_sleep_ends_the_process_and_the_next_life_knows_why(tmp_path, runtime):
    body = """
print(port.reset_cause(), bytes(port.retained())[:2], reports)
port.retain(bytes([7, port.retained()[1] + 1]))
self.accepted = 1
if reports > 1:
    try:
        self.port.deep_sleep(30)
    finally:
        print("a chip that sleeps runs nothing")
"""
    board = Board(tmp_path, runtime, body, reports=3)
    outcome = board.run()
    assert board.log == [
        r"power on b'\x00\x00' 3",
        r"deep sleep b'\x07\x01' 2",
        r"deep sleep b'\x07\x02' 1",
    ]
    assert outcome.counts.accepted == 3
    assert len(outcome.causes) == 3


@both_runtimes
def test_reset_starts_the_next_life_at_once(tmp_path, runtime):
    body = """
print(port.reset_cause())
if port.reset_cause() == "power on":
    port.reset()
"""
    board = Board(tmp_path, runtime, body)
    assert board.run().causes == ["power on", "hard"]
    assert board.log == ["power on", "hard"]


@both_runtimes
def test_deep_sleep_after_the_last_report_ends_the_run(tmp_path, runtime):
    outcome = Board(
        tmp_path, runtime, "self.accepted = 2; port.deep_sleep(10**6)", reports=2
    ).run()
    assert (outcome.reason, outcome.counts.accepted) == (supervisor.DONE, 2)


@both_runtimes
def test_watchdog_not_fed_kills_a_busy_loop_and_keeps_the_counts(tmp_path, runtime):
    body = """
if port.reset_cause() == "watchdog":
    print("left", reports)
    self.accepted = reports
    return
port.start_watchdog(200)
self.accepted = 2
port.feed()
while True:
    pass
"""
    board = Board(tmp_path, runtime, body, reports=5)
    outcome = board.run()
    assert outcome.causes == ["power on", "watchdog"]
    assert board.log == ["linkpost: the watchdog was not fed in time: reset", "left 3"]
    assert outcome.counts.accepted == 5


@both_runtimes
def test_watchdog_that_is_fed_does_not_bite(tmp_path, runtime):
    body = """
port.start_watchdog(1000)
for _ in range(14):
    port.feed()
    port.sleep_ms(100)
"""
    assert Board(tmp_path, runtime, body).run().causes == ["power on"]


@both_runtimes
def test_timeout_stops_the_board_in_order(tmp_path, runtime):
    body = """
try:
    self.last_error = OSError(5)
    while True:
        port.sleep_ms(100)
finally:
    print("in order")
"""
    board = Board(tmp_path, runtime, body, timeout_s=0.8)
    outcome = board.run()
    assert board.log == ["in order"]
    assert outcome.reason == supervisor.TIMEOUT
    assert command.exit_code(outcome) == failures.TIMEOUT


@both_runtimes
def test_timeout_after_a_refused_authentication_says_so(tmp_path, runtime):
    body = """
self.last_error = AuthError("device_secret")
while True:
    port.sleep_ms(100)
"""
    outcome = Board(tmp_path, runtime, body, timeout_s=0.8).run()
    assert command.exit_code(outcome) == failures.AUTH_REFUSED
    assert outcome.message == "the timeout has passed; the board's latest failure: AuthError"


@both_runtimes
def test_timeout_in_deep_sleep_does_not_wake_the_board(tmp_path, runtime):
    outcome = Board(tmp_path, runtime, "port.deep_sleep(10**6)", timeout_s=0.8).run()
    assert (outcome.reason, len(outcome.causes)) == (supervisor.TIMEOUT, 1)


@both_runtimes
def test_stop_interrupts_the_board_and_keeps_its_counts(tmp_path, runtime):
    body = """
self.accepted = 2
self.pending = 1
print("ready")
while True:
    port.sleep_ms(100)
"""
    board = Board(tmp_path, runtime, body)
    after_log(board, "ready", board.supervisor.stop)
    outcome = board.run()
    assert str(outcome.counts) == "2 accepted, 0 quarantined, 1 pending, 0 dropped"
    assert command.exit_code(outcome) == failures.INTERRUPTED


STUBBORN = """
while True:
    try:
        print("ready")
        while True:
            port.sleep_ms(100)
    except KeyboardInterrupt:
        print("no")
"""


@both_runtimes
def test_stop_of_a_board_that_does_not_listen_cuts_its_power(tmp_path, runtime, monkeypatch):
    monkeypatch.setattr(life, "GRACE_S", 0.3)
    board = Board(tmp_path, runtime, STUBBORN)
    after_log(board, "ready", board.supervisor.stop)
    assert board.run().reason == supervisor.INTERRUPTED


def test_stop_twice_does_not_wait(tmp_path):
    board = Board(tmp_path, "cpython", STUBBORN)
    after_log(board, "no", board.supervisor.stop)
    after_log(board, "ready", board.supervisor.stop)
    assert board.run().reason == supervisor.INTERRUPTED


def test_stop_in_deep_sleep_ends_the_run(tmp_path):
    board = Board(tmp_path, "cpython", "self.accepted = 1; port.deep_sleep(10**6)")
    watched = board.supervisor._sleep
    board.supervisor._sleep = lambda s: (
        threading.Timer(0.05, board.supervisor.stop).start(),
        watched(s),
    )[1]
    outcome = board.run()
    assert (outcome.reason, outcome.counts.accepted) == (supervisor.INTERRUPTED, 1)


@both_runtimes
def test_process_that_vanishes_is_a_crash(tmp_path, runtime):
    body = {
        "micropython": "os.system('kill -9 $PPID')",
        "cpython": "os._exit(3)",
    }
    outcome = Board(tmp_path, runtime, body[runtime]).run()
    assert outcome.reason == supervisor.CRASHED
    assert "status" in outcome.message
    assert command.exit_code(outcome) == 1


@both_runtimes
def test_flash_keeps_closed_files_over_runs(tmp_path, runtime):
    body = """
print(sorted(os.listdir()))
kept = open("token", "wb")
kept.write(b"abc")
kept.close()
"""
    for expected in ("['lib', 'main.py']", "['lib', 'main.py', 'token']"):
        board = Board(tmp_path, runtime, body)
        board.run()
        assert board.log == [expected]


@micropython_only
@pytest.mark.parametrize("kind", KINDS)
def test_flash_of_each_kind_is_all_that_the_board_sees(tmp_path, kind):
    body = """
import sys, machine
print(sorted(os.listdir("/")), os.getcwd(), sys.path)
print(machine.WATCHDOG_MAX_MS, port.can_deep_sleep, len(port.retained()))
"""
    board = Board(tmp_path, "micropython", body, kind=kind)
    board.run()
    assert board.log[0] == "['lib', 'main.py'] / ['', '.frozen', '/lib']"
    limits = {"ESP32": "2147483647 True 2048", "RPI": "8388 False 12"}
    assert board.log[1] == limits[kind.partition("_")[0]]


@micropython_only
def test_file_that_was_not_closed_is_lost_with_the_power(tmp_path):
    body = """
global lost
lost = open("lost", "wb")
lost.write(b"abc")
print(os.stat("lost")[6] if "lost" in os.listdir() else 0)
"""
    for _ in range(2):
        board = Board(tmp_path, "micropython", body)
        board.run()
        assert board.log == ["0"]


@micropython_only
def test_power_cut_in_each_flash_operation_leaves_the_old_or_the_new_file(tmp_path):
    write = """
for name, content in (("a", b"new" * 30), ("b", b"new" * 400)):
    with open(name, "wb") as file:
        file.write(content)
"""
    read = """
for name in ("a", "b"):
    with open(name, "rb") as file:
        content = file.read()
    print(name, content[:3], len(content))
"""
    old = Board(tmp_path, "micropython", write.replace("new", "old"))
    old.run()
    before = old.setup.flash.read_bytes()
    cuts, seen = 0, set()
    while True:
        old.setup.flash.write_bytes(before)
        board = Board(tmp_path, "micropython", write, cut_at=cuts + 1)
        outcome = board.run()
        if outcome.reason == supervisor.DONE:
            break
        cuts += 1
        assert outcome.reason == supervisor.POWER_CUT
        assert outcome.message == f"power cut at flash operation {cuts}"
        assert command.exit_code(outcome) == failures.NO_BOARD
        reader = Board(tmp_path, "micropython", read)
        reader.run()
        assert len(reader.log) == 2, reader.log
        seen.add(tuple(reader.log))
    assert cuts == outcome.erases + outcome.programs >= 4
    versions = {line for lines in seen for line in lines}
    assert versions <= {
        "a b'old' 90",
        "a b'new' 90",
        "b b'old' 1200",
        "b b'new' 1200",
    }
    assert len(seen) >= 2, "no cut fell between the two files"


@micropython_only
def test_heap_is_as_large_as_asked_for(tmp_path):
    body = """
import gc
gc.collect()
print(gc.mem_free() + gc.mem_alloc())
"""
    for heap in (64 * 1024, runtimes.DEFAULT_HEAP_BYTES):
        board = Board(tmp_path, "micropython", body, heap_bytes=heap)
        board.run()
        assert 0.95 * heap < int(board.log[0]) <= heap


def test_runtime_that_is_not_installed_falls_back_and_says_so(monkeypatch, capsys):
    monkeypatch.setattr(runtimes, "has_micropython", lambda: False)
    assert runtimes.choose("micropython") == "cpython"
    assert "--runtime cpython" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of its parent")
def test_board_whose_supervisor_is_killed_ends_with_it(tmp_path):
    body = """
print("pid", os.getpid())
while True:
    port.sleep_ms(100)
"""
    board = Board(tmp_path, "cpython", body)
    script = (
        "import sys; from pathlib import Path; from tools.virtual_board.kinds import KINDS\n"
        "from tools.virtual_board.supervisor import Setup, Supervisor\n"
        f"setup = Setup('cpython', KINDS['ESP32_GENERIC'], Path({str(board.setup.flash)!r}))\n"
        "Supervisor(setup, lambda line: print(line, flush=True)).run()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        text=True,
        cwd=firmware.package_dir().parent.parent,
    )
    pid = parent.stdout.readline().split()[1]
    parent.kill()
    parent.wait()
    parent.stdout.close()
    state = Path("/proc", pid, "stat")
    deadline = time.monotonic() + 10
    while state.exists() and state.read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < deadline, "the board outlived its supervisor"
        time.sleep(0.01)


@both_runtimes
def test_message_that_the_end_cuts_short_is_not_taken(tmp_path, runtime):
    end = {"micropython": "os.system('kill -9 $PPID')", "cpython": "os._exit(3)"}
    body = f"""
import sys
sys.stderr.write('\\x01{{"what": "retain", "da')
getattr(sys.stderr, "flush", int)()
{end[runtime]}
"""
    assert Board(tmp_path, runtime, body).run().reason == supervisor.CRASHED


@both_runtimes
def test_stop_before_the_board_has_started_ends_the_run(tmp_path, runtime, monkeypatch):
    monkeypatch.setattr(life, "GRACE_S", 1.0)
    board = Board(tmp_path, runtime, "port.sleep_ms(100000)")
    board.supervisor.stop()
    assert board.run().reason == supervisor.INTERRUPTED


@micropython_only
def test_ctrl_c_comes_between_byte_codes_however_busy_the_collector_is(tmp_path):
    """The unix port's own Ctrl-C leaves a collection by a long jump, and the heap locked."""
    body = """
import gc
kept = [bytearray(40) for _ in range(1500)]
print("collecting")
try:
    while True:
        gc.collect()
except KeyboardInterrupt:
    print("whole", len([bytearray(40) for _ in range(100)]))
    raise
"""
    board = Board(tmp_path, "micropython", body)
    for _ in range(3):
        board.supervisor = Supervisor(board.setup, board.log.append)
        after_log(board, "collecting", board.supervisor.stop)
        assert board.run().reason == supervisor.INTERRUPTED
    assert board.log == ["collecting", "whole 100"] * 3
