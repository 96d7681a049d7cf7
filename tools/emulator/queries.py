"""Every query of the page, the API and the export; none returns a secret.

A connection of its own, which can only read, so that a query never holds up the platform. Methods
may be called from any thread; those that can take more than a few milliseconds say so: call them
with `await asyncio.to_thread(...)`. None needs more than the index that
test_emulator_queries.py shows it to use.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from ..terminal.failures import CommandError
from . import sql
from .schema import VERSION

# The vendor's page says that the console shows devices over HTTPS as online and offline, and not
# when. We show one as online for five minutes after its last accepted request.
ONLINE_MS = 300_000
PREVIEW_BYTES = 512


@dataclass(frozen=True)
class DeviceRow:
    """A device as the console shows it. Times are Unix ms, None where there was none yet."""

    device: str  # "ProductKey/DeviceName"
    product_key: str
    device_name: str
    # "inactive" (not authenticated since it was made or reset), "online", "offline", "disabled"
    state: str
    enabled: bool
    last_seen_ms: int | None  # of any request that named it
    last_code: int | None  # of its last reply
    last_reason: str | None  # why that was refused
    token_issued_ms: int | None  # of the newest token that is still valid
    token_expires_ms: int | None
    authentications: int  # tokens issued
    accepted: int  # messages
    refused: dict[int, int]  # by code
    auth_requests: int
    topic_requests: int
    duplicates: int  # readings that came again, all streams
    missing: int  # readings that a gap in `seq` says there are, all streams


@dataclass(frozen=True)
class ProductRow:
    """A product whose secret can give its devices theirs, while `registration` is on."""

    product_key: str
    registration: bool
    devices: int
    activated: int  # of them


@dataclass(frozen=True)
class StreamRow:
    """One stream of readings of a device. `name` is "" for alink, where `id` is the seq."""

    name: str
    first: int
    last: int
    received: int  # different readings
    duplicates: int
    missing: int  # between first and last
    last_ms: int


@dataclass(frozen=True)
class MessageRow:
    """One request on a topic. `code` is 0 where it was accepted, None where a fault answered."""

    id: int
    device: str | None  # None: the token and the topic name no registered device
    topic: str
    time_ms: int
    code: int | None
    fault: str | None  # the kind that happened to it
    reason: str | None  # why it was refused
    size: int  # bytes of the payload
    payload: bytes  # the first PREVIEW_BYTES of it, in a list


@dataclass(frozen=True)
class MessagePage:
    """Messages newest first; `before` is what asks for the next page, None at the end."""

    rows: list[MessageRow]
    before: int | None


@dataclass(frozen=True)
class AuthenticationRow:
    """One request on /auth. `reason` names the field that was wrong; no secret is in it."""

    id: int
    device: str | None  # None: not a registered one
    claimed: str  # who it said it was
    time_ms: int
    code: int | None
    fault: str | None
    sign_method: str | None
    client_id: str | None
    reason: str | None


@dataclass(frozen=True)
class Wire:
    """A request's head (and the body of /auth) and its reply as they were sent.

    Token and signature are masked. A topic's body is the message's payload. Empty where nothing
    was sent, or the database is older than this.
    """

    request: bytes
    reply: bytes


@dataclass(frozen=True)
class Series:
    """One value of a device over time: (Unix ms, number), oldest first."""

    name: str
    points: list[tuple[int, float]]
    total: int  # points there are in that time, before thinning


class Queries:
    """Reads the database at `path`, which the emulator has made, also while it runs."""

    def __init__(self, path: Path):
        self._uri = f"{path.absolute().as_uri()}?mode=ro"
        self._local = threading.local()
        self._opened: list[sqlite3.Connection] = []

    @property
    def db(self) -> sqlite3.Connection:
        """This thread's connection."""
        db: sqlite3.Connection | None = getattr(self._local, "db", None)
        if db is None:
            # Closed by whoever ends the emulator, in another thread.
            db = sqlite3.connect(
                self._uri, uri=True, isolation_level=None, timeout=5, check_same_thread=False
            )
            self._local.db = db
            self._opened.append(db)
        return db

    def close(self) -> None:
        while self._opened:
            self._opened.pop().close()

    def check(self) -> None:
        """Raise CommandError where the database is not one of this version."""
        if self.db.execute("PRAGMA user_version").fetchone()[0] != VERSION:
            raise CommandError(
                "the database is of another version of linkpost; start `linkpost emulator` on it"
            )

    def devices(self, device: str | None = None) -> list[DeviceRow]:
        """Return every device, or the one of that key, in the order of registration."""
        now_ms = time.time_ns() // 1_000_000
        where, values = ("", ()) if device is None else (sql.IS_DEVICE, sql.split(device))
        refused: dict[int, dict[int, int]] = {}
        for device_id, code, count in self.db.execute(sql.REFUSALS + where, values):
            refused.setdefault(device_id, {})[code] = count
        rows = self.db.execute(sql.DEVICES + where, (now_ms, *values)).fetchall()
        rows.sort()  # by the device's id, which no two share
        return [_device_row(row, refused.get(row[0], {}), now_ms) for row in rows]

    def products(self) -> list[ProductRow]:
        """Return every product that has a secret here."""
        rows = self.db.execute(sql.PRODUCTS)
        return [ProductRow(key, bool(on), count, active) for key, on, count, active in rows]

    def streams(self, device: str, limit: int = 20) -> list[StreamRow]:
        """Return the device's streams, the one heard of last first."""
        rows = self.db.execute(sql.STREAMS, (*sql.split(device), limit))
        return [StreamRow(*row) for row in rows]

    def topics(self, limit: int = 50) -> list[str]:
        """Return topics that messages were sent to, in alphabetical order."""
        return [topic for (topic,) in self.db.execute(sql.TOPICS, (limit,)) if topic is not None]

    def messages(
        self,
        *,
        device: str | None = None,
        topic: str | None = None,
        code: int | None = None,
        text: str | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> MessagePage:
        """Return a page of messages, newest first, that meet every filter given.

        Args: device, "ProductKey/DeviceName"; topic, the whole of it; code, 0 for accepted;
        text, a part of the payload, without regard to the case of ASCII letters; before, only
        ids below it, from the page before.

        With `text` this reads payloads until it has found enough: call it in a thread.
        """
        query, values = sql.message_query(device, topic, code, text, before)
        found = self.db.execute(query, (PREVIEW_BYTES, *values, limit)).fetchall()
        rows = [MessageRow(*row) for row in found]
        return MessagePage(rows, rows[-1].id if len(rows) == limit else None)

    def messages_after(
        self,
        after: int,
        *,
        device: str | None = None,
        topic: str | None = None,
        refused: bool = False,
        limit: int = 100,
        limit_bytes: int = 16 * 1024 * 1024,
    ) -> list[MessageRow]:
        """Return accepted messages with an id above `after`, oldest first, payloads whole.

        With `refused`, those that were not accepted as well.
        At most `limit`, and no more once they carry `limit_bytes`, but one where there is one.
        """
        query, values = sql.message_query(
            device, topic, None if refused else 0, None, None, after=after
        )
        found: list[MessageRow] = []
        size = 0
        for row in self.db.execute(query, (sql.WHOLE, *values, limit)):
            found.append(MessageRow(*row))
            size += found[-1].size
            if size >= limit_bytes:
                break
        return found

    def message(self, message_id: int) -> MessageRow | None:
        """Return one message with its whole payload."""
        row = self.db.execute(sql.MESSAGE, (sql.WHOLE, message_id)).fetchone()
        return MessageRow(*row) if row else None

    def wire(self, request_id: int) -> Wire:
        """Return what went over the wire, of a message's or an authentication's id."""
        row = self.db.execute(sql.WIRE, (request_id,)).fetchone()
        return Wire(*row) if row else Wire(b"", b"")

    def authentications(
        self,
        *,
        device: str | None = None,
        code: int | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> list[AuthenticationRow]:
        """Return requests on /auth, newest first; None for `device` includes unknown ones."""
        query, values = sql.authentication_query(device, code, before)
        rows = self.db.execute(query, (*values, limit))
        return [AuthenticationRow(*row) for row in rows]

    def series(
        self, device: str, *, since_ms: int | None = None, points: int = 2000
    ) -> list[Series]:
        """Return the device's numbers over time, in order of name, thinned in SQL.

        Args: since_ms, only readings from then on; points, about how many at most, all series
        together: beyond that each stretch of time keeps its lowest and its highest, so that a
        spike stays to be seen.

        This can take 0.2 s where there are 100,000 values: call it in a thread.
        """
        since = since_ms if since_ms is not None else -sql.MAX_INT
        wanted = self.db.execute(sql.SERIES, sql.split(device)).fetchall()
        found: list[Series] = []
        for series_id, name in wanted:
            span = self.db.execute(sql.SERIES_SPAN, (series_id, since)).fetchone()
            if span[0]:
                found.append(self._thin(series_id, name, since, span, points // len(wanted)))
        return found

    def _thin(
        self, series_id: int, name: str, since: int, span: tuple[int, int, int], points: int
    ) -> Series:
        total, first, last = span
        if total <= points:
            rows = self.db.execute(sql.POINTS, (series_id, since))
        else:
            width = max(1, (last - first) // max(1, points // 2 - 1))
            rows = self.db.execute(sql.THINNED, {"id": series_id, "since": since, "width": width})
        return Series(name, [(time_ms, value) for time_ms, value, *_ in rows], total)


def _device_row(row: tuple, refused: dict[int, int], now_ms: int) -> DeviceRow:
    _, product_key, device_name, enabled, activated, proven_ms, authentications, *rest = row
    if not enabled:
        state = "disabled"
    elif not activated:
        state = "inactive"
    else:
        state = "online" if proven_ms and now_ms - proven_ms < ONLINE_MS else "offline"
    last_seen_ms, last_code, last_reason, issued_ms, expires_ms, accepted, *counts = rest
    auth_requests, topic_requests, duplicates, missing = counts
    return DeviceRow(
        f"{product_key}/{device_name}", product_key, device_name, state, bool(enabled),
        last_seen_ms, last_code, last_reason, issued_ms, expires_ms, authentications, accepted,
        refused, auth_requests, topic_requests, duplicates, missing,
    )  # fmt: skip
