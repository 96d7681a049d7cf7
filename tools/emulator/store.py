"""What the emulator remembers: devices, tokens, messages and counters, in one SQLite file.

Written ahead (WAL): once `transaction` has ended, a killed emulator has lost nothing of it. All
calls come from the one event loop, and each takes well under a millisecond.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tools.devices_csv import Triple
from tools.failures import CommandError

_SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE device (
    id INTEGER PRIMARY KEY,
    product_key TEXT NOT NULL,
    device_name TEXT NOT NULL,
    secret TEXT NOT NULL,
    enabled INTEGER NOT NULL DEFAULT 1,
    last_seen_ms INTEGER,
    auth_requests INTEGER NOT NULL DEFAULT 0,
    topic_requests INTEGER NOT NULL DEFAULT 0,
    authentications INTEGER NOT NULL DEFAULT 0,
    accepted INTEGER NOT NULL DEFAULT 0,
    UNIQUE (product_key, device_name)
);
CREATE TABLE refusal (
    device_id INTEGER NOT NULL REFERENCES device (id),
    code INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (device_id, code)
) WITHOUT ROWID;
CREATE TABLE token (
    hash BLOB PRIMARY KEY,
    device_id INTEGER NOT NULL REFERENCES device (id),
    expires_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX token_of_device ON token (device_id);
CREATE TABLE message (
    id INTEGER PRIMARY KEY,
    device_id INTEGER NOT NULL REFERENCES device (id),
    topic TEXT NOT NULL,
    time_ms INTEGER NOT NULL,
    payload BLOB NOT NULL
);
CREATE INDEX message_of_device ON message (device_id, id);
CREATE INDEX message_of_topic ON message (topic, id);
"""
# An expired token is still known as expired for that long; then it is one never heard of.
_KEEP_EXPIRED_MS = 30 * 24 * 3600 * 1000
_DEVICE_COLUMNS = "device.id, product_key, device_name, secret, enabled"


@dataclass(frozen=True)
class Device:
    """One registered device. The secret is in no repr."""

    id: int
    product_key: str
    device_name: str
    secret: str = field(repr=False)
    enabled: bool

    @property
    def key(self) -> str:
        return f"{self.product_key}/{self.device_name}"


@dataclass(frozen=True)
class DeviceState:
    """A device and its counters."""

    device: Device
    last_seen_ms: int | None
    auth_requests: int
    topic_requests: int
    authentications: int
    accepted: int
    refusals: dict[int, int]


@dataclass(frozen=True)
class Message:
    """One accepted message; `id` is the 19-digit number the device was given."""

    id: int
    device: str
    topic: str
    time_ms: int
    payload: bytes


class Store:
    """The emulator's memory. Writes belong into a `transaction`."""

    def __init__(self, path: Path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            # The file holds device secrets: nobody else reads it.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            self._db = sqlite3.connect(path, isolation_level=None, timeout=5)
            self._open(path)
        except (OSError, sqlite3.Error) as error:
            raise CommandError(f"{path}: cannot be opened as database: {error}") from error

    def _open(self, path: Path) -> None:
        # NORMAL: the log is not synced at each commit, so a power cut of this machine may take
        # the newest; a killed process takes none, for what is written is the system's already.
        for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON"):
            self._db.execute(f"PRAGMA {pragma}")
        with self.transaction():
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                for statement in _SCHEMA.split(";"):
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
            elif version != _SCHEMA_VERSION:
                raise CommandError(
                    f"{path}: made by another version of linkpost; give another --db"
                )

    def close(self) -> None:
        self._db.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All of the block's writes, or none; they are committed when the block has ended."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:  # some failures, a full disk's, have ended it already
                self._db.execute("ROLLBACK")
            raise

    def add_device(self, triple: Triple) -> None:
        """Register the device, or give a known one that secret."""
        self._db.execute(
            "INSERT INTO device (product_key, device_name, secret) VALUES (?, ?, ?)"
            " ON CONFLICT DO UPDATE SET secret = excluded.secret",
            (triple.product_key, triple.device_name, triple.device_secret),
        )

    def find_device(self, product_key: str, device_name: str) -> Device | None:
        row = self._db.execute(
            f"SELECT {_DEVICE_COLUMNS} FROM device WHERE product_key = ? AND device_name = ?",  # noqa: S608
            (product_key, device_name),
        ).fetchone()
        return _device(row) if row else None

    def device_states(self) -> list[DeviceState]:
        """Return every device with its counters, in the order of registration."""
        refusals: dict[int, dict[int, int]] = {}
        for device_id, code, count in self._db.execute("SELECT * FROM refusal ORDER BY code"):
            refusals.setdefault(device_id, {})[code] = count
        rows = self._db.execute(
            f"SELECT {_DEVICE_COLUMNS}, last_seen_ms, auth_requests, topic_requests,"  # noqa: S608
            " authentications, accepted FROM device ORDER BY id"
        )
        return [
            DeviceState(
                _device(row[:5]), row[5], row[6], row[7], row[8], row[9], refusals.get(row[0], {})
            )
            for row in rows
        ]

    def set_enabled(self, device: Device, enabled: bool) -> None:
        self._db.execute("UPDATE device SET enabled = ? WHERE id = ?", (enabled, device.id))

    def count_request(self, device: Device, endpoint: str, now_ms: int) -> None:
        column = "auth_requests" if endpoint == "auth" else "topic_requests"
        self._db.execute(
            f"UPDATE device SET {column} = {column} + 1, last_seen_ms = ? WHERE id = ?",  # noqa: S608
            (now_ms, device.id),
        )

    def count_refusal(self, device: Device, code: int) -> None:
        self._db.execute(
            "INSERT INTO refusal VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET count = count + 1",
            (device.id, code),
        )

    def issue_token(self, device: Device, expires_ms: int, *, void_others: bool) -> str:
        """Return a new token of 32 hex digits. Only its hash is kept."""
        token = secrets.token_hex(16)
        if void_others:
            self._db.execute("DELETE FROM token WHERE device_id = ?", (device.id,))
        self._db.execute(
            "INSERT INTO token VALUES (?, ?, ?)", (_hash(token), device.id, expires_ms)
        )
        self._db.execute(
            "UPDATE device SET authentications = authentications + 1 WHERE id = ?", (device.id,)
        )
        return token

    def find_token(self, token: str) -> tuple[Device, int] | None:
        """Return whose token it is and when it expires (Unix ms), or None."""
        row = self._db.execute(
            f"SELECT {_DEVICE_COLUMNS}, expires_ms FROM token"  # noqa: S608
            " JOIN device ON device.id = device_id WHERE hash = ?",
            (_hash(token),),
        ).fetchone()
        return (_device(row[:5]), row[5]) if row else None

    def expire_tokens(self, device: Device, now_ms: int) -> int:
        """Let every valid token of the device be expired from now on; return how many."""
        return self._db.execute(
            "UPDATE token SET expires_ms = ? WHERE device_id = ? AND expires_ms > ?",
            (now_ms, device.id, now_ms),
        ).rowcount

    def forget_old_tokens(self, now_ms: int) -> None:
        self._db.execute("DELETE FROM token WHERE expires_ms < ?", (now_ms - _KEEP_EXPIRED_MS,))

    def add_message(self, device: Device, topic: str, payload: bytes, now_ms: int) -> int:
        """Keep the message; return its id, of 19 digits and above every earlier one."""
        newest = self._db.execute("SELECT max(id) FROM message").fetchone()[0] or 0
        message_id = max(newest + 1, new_id(now_ms))
        self._db.execute(
            "INSERT INTO message VALUES (?, ?, ?, ?, ?)",
            (message_id, device.id, topic, now_ms, payload),
        )
        self._db.execute("UPDATE device SET accepted = accepted + 1 WHERE id = ?", (device.id,))
        return message_id

    def messages(
        self,
        *,
        device: Device | None = None,
        topic: str | None = None,
        after: int = 0,
        limit: int = 1000,
        limit_bytes: int = 16 * 1024 * 1024,
    ) -> list[Message]:
        """Return messages with an id above `after`, oldest first.

        At most `limit`, and no more once they carry `limit_bytes`, but one where there is one.
        """
        where = ["message.id > ?"]
        values: list[object] = [after]
        if device is not None:
            where.append("device_id = ?")
            values.append(device.id)
        if topic is not None:
            where.append("topic = ?")
            values.append(topic)
        rows = self._db.execute(
            "SELECT message.id, product_key || '/' || device_name, topic, time_ms, payload"  # noqa: S608
            f" FROM message JOIN device ON device.id = device_id WHERE {' AND '.join(where)}"
            " ORDER BY message.id LIMIT ?",
            (*values, limit),
        )
        found: list[Message] = []
        size = 0
        for row in rows:
            found.append(Message(*row))
            size += len(row[4])
            if size >= limit_bytes:
                break
        return found


def new_id(now_ms: int) -> int:
    """Return an id as the platform's: 19 digits, the time in its upper bits."""
    return (now_ms << 20) | secrets.randbits(20)


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _device(row) -> Device:
    return Device(row[0], row[1], row[2], row[3], bool(row[4]))
