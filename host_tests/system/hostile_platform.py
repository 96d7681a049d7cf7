"""A platform that follows one row of the table after the other, and a board that meets it.

The board is real MicroPython with the real App (hostile_driver.py), on real TLS.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path

from client_process import ClientProcess
from hostile_scenarios import Scenario
from tls_forger import Forger, forgeable
from tls_server import Authority, Connection, Peer, reply

DRIVER = Path(__file__).parent / "hostile_driver.py"
PK, DN, SECRET = "a1B2c3D4e5F", "sensor01", "canary0123456789abcdef0123456789"
# How far a deadline may be passed: two cores shared with other tests.
LATE_MS = 3000
# It is 0 as a rule; a lost connection would be 20 KB and more.
HEAP_BYTES = 500
_WAIT_S = 30
TOKEN = b'{"code":0,"info":{"token":"6944e5bfb92e4d4ea3918d1eda391234"}}'


class Platform:
    """A peer that follows one scenario, or none."""

    def __init__(self, key_log: Path):
        self.port = 0
        self.scenario: Scenario | None = None
        self.seqs: list[int] = []  # of readings that were answered with code 0
        self.requests: list[bytes] = []
        self._key_log = key_log
        self._dead_token = False
        self._open = 0
        self._changed = threading.Condition()

    def begin(self, scenario: Scenario | None) -> None:
        self.scenario = scenario
        self._dead_token = scenario is not None and scenario.at == "auth"

    def wait_until_closed(self) -> None:
        """Wait until the board has closed every connection."""
        with self._changed:
            assert self._changed.wait_for(lambda: not self._open, _WAIT_S), "still open"

    def script(self, connection: Connection) -> None:
        with self._changed:
            self._open += 1
        try:
            self._serve(connection)
        finally:
            with self._changed:
                self._open -= 1
                self._changed.notify_all()

    def _serve(self, connection: Connection) -> None:
        scenario = self.scenario
        if scenario is not None and scenario.forged:
            forger = Forger(connection, self._key_log)
            while self._read(connection).startswith(b"POST /auth"):
                forger.reply(reply(TOKEN))
            scenario.attack(forger)
            self._accept(connection, scenario)
            connection.wait_for_close()
        connection.handshake()
        if scenario is not None and scenario.early:
            scenario.attack(connection)
            connection.wait_for_close()
        while True:
            request = self._read(connection)
            path = request.split(b" ", 2)[1]
            at = "auth" if path == b"/auth" else "topic"
            if at == "topic" and self._dead_token:
                self._dead_token = False
                connection.send(reply(b'{"code":20001}'))
            elif (scenario := self.scenario) is not None and scenario.at == at:
                scenario.attack(connection)
                self._accept(connection, scenario)
                # A kept connection goes on to serve; the driver closes it.
            else:
                self.note(request)
                body = TOKEN if at == "auth" else b'{"code":0}'
                connection.send(reply(body, b"Date: " + formatdate(usegmt=True).encode()))

    def _read(self, connection: Connection) -> bytes:
        connection.read_request()
        self.requests.append(connection.requests[-1])
        return connection.requests[-1]

    def _accept(self, connection: Connection, scenario: Scenario) -> None:
        if scenario.error is None:
            self.note(connection.requests[-1])

    def note(self, request: bytes) -> None:
        if request.startswith(b"POST /topic/"):
            self.seqs.append(json.loads(request.partition(b"\r\n\r\n")[2])["seq"])


@dataclass
class Outcome:
    """What came of one scenario."""

    answer: dict
    healed: dict
    before: dict
    after: dict
    requests: list[bytes]
    arrived: bool

    @property
    def grown(self) -> int:
        return self.after["heap"] - self.before["heap"]


class Bench:
    """The board, the platform, and what both say about a scenario."""

    def __init__(self, board: ClientProcess, platform: Platform):
        self.board = board
        self.platform = platform

    def run(self, scenario: Scenario, **order) -> Outcome:
        """Run it; where it left something behind, once more, up to three times.

        The first of its kind loads what is loaded when needed, and a conservative collector may
        take a number for a pointer. What leaks, leaks each time.
        """
        for _ in range(3):
            outcome = self._run(scenario, order)
            if outcome.grown <= 0:
                break
        return outcome

    def _run(self, scenario: Scenario, order: dict) -> Outcome:
        self.board.ask("clock", offset_ms=0)
        before = self.board.ask("rest")
        self.platform.begin(scenario)
        self.platform.requests = []
        answer = self.board.ask("send", deadline_ms=scenario.deadline_ms, **order)
        requests = list(self.platform.requests)
        if scenario.error is not None and not scenario.keeps:
            # Before anybody tidies up: the error itself has to have closed everything.
            self.platform.wait_until_closed()
        healed = self.heal()
        after = self.board.ask("rest")
        self.platform.wait_until_closed()
        arrived = answer["seq"] in self.platform.seqs
        return Outcome(answer, healed, before, after, requests, arrived)

    def heal(self) -> dict:
        """Let the platform behave; return what comes of sending all that waits."""
        self.platform.begin(None)
        return self.board.ask("drain", deadline_ms=30_000)


def config_for(port: int, **more) -> dict:
    return {
        "endpoint": f"localhost:{port}",
        "product_key": PK,
        "device_name": DN,
        "device_secret": SECRET,
        "ntp": [],
        **more,
    }


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Platform]:
    """Serve as the platform, with its CA in folder/ca.pem."""
    authority = Authority()
    authority.ca.cert_pem.write_to_path(str(folder / "ca.pem"))
    platform = Platform(folder / "keys")
    with Peer(forgeable(authority.context(), folder / "keys"), platform.script) as peer:
        platform.port = peer.port
        yield platform


def board_in(folder: Path, config: dict) -> ClientProcess:
    """Start a board in that folder, beside the platform's CA."""
    return ClientProcess("micropython", folder, config, folder.parent / "ca.pem", DRIVER)


def check(scenario: Scenario, outcome: Outcome) -> None:
    answer = outcome.answer
    assert answer["error"] == scenario.error, answer
    assert answer["ours"], answer
    assert scenario.words in answer["words"], answer
    assert SECRET not in answer["words"]
    if scenario.error is not None:
        assert answer["open"] == scenario.keeps, answer
        assert answer["pending"] == 1
        assert answer["retry"] == ("long" if scenario.error == "ThrottledError" else "backoff")
    if scenario.error == "DeadlineError":
        assert scenario.deadline_ms <= answer["ms"] < scenario.deadline_ms + LATE_MS, answer
    else:
        assert answer["ms"] < scenario.deadline_ms
    assert answer["longest_ms"] < LATE_MS, "the watchdog was left alone"
    assert outcome.healed["error"] is None, outcome.healed
    assert outcome.healed["pending"] == 0
    assert outcome.healed["lost"] == 0
    assert outcome.arrived, "the reading is lost"
    assert outcome.after["files"] == outcome.before["files"]
    assert outcome.grown < HEAP_BYTES, outcome
