"""The rows of the hostile platform's table that are below HTTP: TLS records, whole and broken.

Most are made by a `Forger`, because no TLS library would send them.
"""

from __future__ import annotations

from collections.abc import Callable

from hostile_scenarios import STALL_MS, Scenario, and_closes, raw
from tls_forger import (
    ALERT,
    CLOSE_NOTIFY,
    FATAL,
    HANDSHAKE,
    HELLO_REQUEST,
    INTERNAL_ERROR,
    NO_RENEGOTIATION,
    USER_CANCELED,
    WARNING,
    Forger,
)
from tls_server import APPLICATION_DATA, reply


def _flood_records(kind: int, content: bytes) -> Callable[[Forger], None]:
    def attack(forger: Forger) -> None:
        forger.connection.raw.settimeout(30)
        while True:
            records = b"".join([forger.record(kind, content) for _ in range(200)])
            forger.connection.send_tcp(records)

    return attack


def _in_the_middle(kind: int, content: bytes) -> Callable[[Forger], None]:
    def attack(forger: Forger) -> None:
        whole = reply()
        forger.reply(whole[:40])
        forger.send(kind, content)
        forger.reply(whole[40:])

    return attack


def _of_version(version: bytes) -> Callable[[Forger], None]:
    def attack(forger: Forger) -> None:
        record = forger.record(APPLICATION_DATA, reply())
        forger.connection.send_tcp(record[:1] + version + record[3:])

    return attack


def _damaged(forger: Forger) -> None:
    record = bytearray(forger.record(APPLICATION_DATA, reply()))
    record[-1] ^= 1
    forger.connection.send_tcp(bytes(record))


def _replayed(forger: Forger) -> None:
    record = forger.record(APPLICATION_DATA, reply()[:40])
    forger.connection.send_tcp(record + record)


def _forged(name, attack, error=None, words="", deadline_ms=15_000) -> Scenario:
    return Scenario(name, attack, error, words, deadline_ms=deadline_ms, forged=True)


RECORDS = [
    _forged("records of our own making", lambda forger: forger.reply(reply())),
    # mbedTLS refuses with a warning of its own, and goes on.
    _forged("renegotiation in the middle", _in_the_middle(HANDSHAKE, HELLO_REQUEST)),
    _forged(
        "renegotiation asked for without end",
        _flood_records(HANDSHAKE, HELLO_REQUEST),
        "DeadlineError",
        deadline_ms=STALL_MS,
    ),
    _forged(
        "a ServerHello in the middle",
        _in_the_middle(HANDSHAKE, b"\x02\x00\x00\x26\x03\x03" + bytes(36)),
        "NetworkError",
    ),
    _forged("warning in the middle", _in_the_middle(ALERT, bytes([WARNING, USER_CANCELED]))),
    _forged("no_renegotiation unasked", _in_the_middle(ALERT, bytes([WARNING, NO_RENEGOTIATION]))),
    _forged(
        "warnings without end",
        _flood_records(ALERT, bytes([WARNING, USER_CANCELED])),
        "DeadlineError",
        deadline_ms=STALL_MS,
    ),
    _forged(
        "fatal alert in the middle",
        _in_the_middle(ALERT, bytes([FATAL, INTERNAL_ERROR])),
        "NetworkError",
    ),
    _forged(
        "close_notify in the middle, and more",
        _in_the_middle(ALERT, bytes([WARNING, CLOSE_NOTIFY])),
        "ProtocolError",
        "ends too early",
    ),
    _forged("alert of one byte", _in_the_middle(ALERT, b"\x02"), "NetworkError"),
    _forged("empty record in the middle", _in_the_middle(APPLICATION_DATA, b"")),
    _forged("empty records without end", _flood_records(APPLICATION_DATA, b""), "NetworkError"),
    _forged("record of an unknown type", _in_the_middle(99, b"x"), "NetworkError"),
    _forged("record of SSL 3.0", _of_version(b"\x03\x00"), "NetworkError"),
    _forged("record of TLS 3.1", _of_version(b"\x04\x01"), "NetworkError"),
    _forged("damaged record", _damaged, "NetworkError"),
    _forged("replayed record", _replayed, "NetworkError"),
    Scenario(
        "alert from somebody on the way",
        raw(b"\x15\x03\x03\x00\x02\x02\x28"),
        "NetworkError",
    ),
    Scenario("reply without TLS", raw(reply()), "NetworkError"),
    Scenario(
        "record of 65,535 bytes", raw(b"\x17\x03\x03\xff\xff" + bytes(65535)), "NetworkError"
    ),
    Scenario("close_notify half-way", and_closes(reply()[:40]), words="ends too early"),
]
