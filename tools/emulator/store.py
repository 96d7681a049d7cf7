"""What the emulator remembers: devices, tokens and counters, in one SQLite file.

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

from ..client.devices_csv import Triple
from ..terminal.failures import CommandError
from . import schema

# An expired token is still known as expired for that long; then it is one never heard of.
_KEEP_EXPIRED_MS = 30 * 24 * 3600 * 1000
# Why a disabled device is refused.
DISABLED = "the device is disabled"
_DEVICE_COLUMNS = "device.id, product_key, device_name, secret, enabled, activated"


@dataclass(frozen=True)
class Device:
    """One registered device. The secret is in no repr."""

    id: int
    product_key: str
    device_name: str
    secret: str = field(repr=False)
    enabled: bool
    activated: bool  # it has authenticated since it was made or reset

    @property
    def key(self) -> str:
        return f"{self.product_key}/{self.device_name}"


@dataclass(frozen=True)
class Product:
    """A product whose secret gives its devices theirs, while `registration` is on."""

    id: int
    product_key: str
    secret: str = field(repr=False)
    registration: bool


class Store:
    """The emulator's memory. Writes belong into a `transaction`."""

    def __init__(self, path: Path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            # The file holds device secrets: nobody else reads it.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            path.chmod(0o600)  # a file that was there; SQLite gives its others the same mode
            self.db = sqlite3.connect(path, isolation_level=None, timeout=5)
            self._open(path)
        except (OSError, sqlite3.Error) as error:
            raise CommandError(f"{path}: cannot be opened as database: {error}") from error

    def _open(self, path: Path) -> None:
        # NORMAL: the log is not synced at each commit, so a power cut of this machine may take
        # the newest; a killed process takes none, for what is written is the system's already.
        for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON"):
            self.db.execute(f"PRAGMA {pragma}")
        with self.transaction():
            schema.upgrade(self.db, path)

    def close(self) -> None:
        self.db.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All of the block's writes, or none; they are committed when the block has ended."""
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.db.execute("COMMIT")
        except BaseException:
            if self.db.in_transaction:  # some failures, a full disk's, have ended it already
                self.db.execute("ROLLBACK")
            raise

    def add_device(self, triple: Triple) -> None:
        """Register the device, or give a known one that secret."""
        self.db.execute(
            "INSERT INTO device (product_key, device_name, secret) VALUES (?, ?, ?)"
            " ON CONFLICT DO UPDATE SET secret = excluded.secret",
            (triple.product_key, triple.device_name, triple.device_secret),
        )

    def find_device(self, product_key: str, device_name: str) -> Device | None:
        row = self.db.execute(
            f"SELECT {_DEVICE_COLUMNS} FROM device WHERE product_key = ? AND device_name = ?",  # noqa: S608
            (product_key, device_name),
        ).fetchone()
        return _device(row) if row else None

    def has_devices(self) -> bool:
        return self.db.execute("SELECT 1 FROM device LIMIT 1").fetchone() is not None

    def knows_product(self, product_key: str) -> bool:
        """Tell whether a device of that product is registered."""
        return (
            self.db.execute(
                "SELECT 1 FROM device WHERE product_key = ? LIMIT 1", (product_key,)
            ).fetchone()
            is not None
        )

    def add_product(self, product_key: str, secret: str, registration: bool = True) -> None:
        """Register the product, or give a known one that secret and that switch."""
        self.db.execute(
            "INSERT INTO product (product_key, secret, registration) VALUES (?, ?, ?)"
            " ON CONFLICT DO UPDATE SET secret = excluded.secret,"
            " registration = excluded.registration",
            (product_key, secret, registration),
        )

    def find_product(self, product_key: str) -> Product | None:
        row = self.db.execute(
            "SELECT id, product_key, secret, registration FROM product WHERE product_key = ?",
            (product_key,),
        ).fetchone()
        return Product(row[0], row[1], row[2], bool(row[3])) if row else None

    def set_registration(self, product: Product, on: bool) -> None:
        self.db.execute("UPDATE product SET registration = ? WHERE id = ?", (on, product.id))

    def give_secret(self, device: Device) -> str:
        """Return a new secret of the device; its old one and its tokens are void."""
        secret = secrets.token_hex(16)
        self.db.execute("UPDATE device SET secret = ? WHERE id = ?", (secret, device.id))
        self.db.execute("DELETE FROM token WHERE device_id = ?", (device.id,))
        return secret

    def reset_device(self, device: Device) -> None:
        """Let the device be not activated: its product's secret may give it a new one."""
        self.db.execute("UPDATE device SET activated = 0 WHERE id = ?", (device.id,))

    def set_enabled(self, device: Device, enabled: bool) -> None:
        """Let the device in, or refuse it; that it was disabled is its last word no more then."""
        self.db.execute("UPDATE device SET enabled = ? WHERE id = ?", (enabled, device.id))
        if enabled:
            self.db.execute(
                "UPDATE device SET last_code = NULL, last_reason = NULL"
                " WHERE id = ? AND last_reason = ?",
                (device.id, DISABLED),
            )

    def count_request(self, device: Device, endpoint: str, now_ms: int) -> None:
        column = "auth_requests" if endpoint == "auth" else "topic_requests"
        self.db.execute(
            f"UPDATE device SET {column} = {column} + 1, last_seen_ms = ? WHERE id = ?",  # noqa: S608
            (now_ms, device.id),
        )

    def count_reply(self, device: Device, code: int, reason: str | None, now_ms: int) -> None:
        """Count the platform's reply to a request of the device; `reason` says why it refused."""
        self.db.execute(
            "UPDATE device SET last_code = ?, last_reason = ?,"
            " proven_ms = CASE WHEN ? = 0 THEN ? ELSE proven_ms END WHERE id = ?",
            (code, reason, code, now_ms, device.id),
        )
        if code:
            self.db.execute(
                "INSERT INTO refusal VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET count = count + 1",
                (device.id, code),
            )

    def count_accepted(self, device: Device) -> None:
        """Count a message that was accepted."""
        self.db.execute("UPDATE device SET accepted = accepted + 1 WHERE id = ?", (device.id,))

    def issue_token(
        self, device: Device, issued_ms: int, expires_ms: int, *, void_others: bool
    ) -> str:
        """Return a new token of 32 hex digits. Only its hash is kept."""
        token = secrets.token_hex(16)
        if void_others:
            self.db.execute("DELETE FROM token WHERE device_id = ?", (device.id,))
        self.db.execute(
            "INSERT INTO token (hash, device_id, expires_ms, issued_ms) VALUES (?, ?, ?, ?)",
            (_hash(token), device.id, expires_ms, issued_ms),
        )
        self.db.execute(
            "UPDATE device SET authentications = authentications + 1, activated = 1 WHERE id = ?",
            (device.id,),
        )
        return token

    def find_token(self, token: str) -> tuple[Device, int] | None:
        """Return whose token it is and when it expires (Unix ms), or None."""
        row = self.db.execute(
            f"SELECT {_DEVICE_COLUMNS}, expires_ms FROM token"  # noqa: S608
            " JOIN device ON device.id = device_id WHERE hash = ?",
            (_hash(token),),
        ).fetchone()
        return (_device(row[:6]), row[6]) if row else None

    def expire_tokens(self, device: Device, now_ms: int) -> int:
        """Let every valid token of the device be expired from now on; return how many."""
        return self.db.execute(
            "UPDATE token SET expires_ms = ? WHERE device_id = ? AND expires_ms > ?",
            (now_ms, device.id, now_ms),
        ).rowcount

    def forget_old_tokens(self, now_ms: int) -> None:
        self.db.execute("DELETE FROM token WHERE expires_ms < ?", (now_ms - _KEEP_EXPIRED_MS,))

    def next_id(self, now_ms: int) -> int:
        """Return an id of 19 digits, above that of every message and authentication."""
        newest = self.db.execute(
            "SELECT max(ifnull((SELECT max(id) FROM message), 0),"
            " ifnull((SELECT max(id) FROM authentication), 0))"
        ).fetchone()[0]
        return max(newest + 1, new_id(now_ms))


def new_id(now_ms: int) -> int:
    """Return an id as the platform's: 19 digits, the time in its upper bits."""
    return (now_ms << 20) | secrets.randbits(20)


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _device(row) -> Device:
    return Device(row[0], row[1], row[2], row[3], bool(row[4]), bool(row[5]))
