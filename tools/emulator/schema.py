"""The emulator's database: its tables, and how a file of an earlier version becomes this one's."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from ..terminal.failures import CommandError

VERSION = 3

# Ids of messages and authentications are of 19 digits with the time in their upper bits
# (`store.new_id`), so an index that ends in the id is in the order of time as well.
_DEVICE = """
CREATE TABLE device (
    id INTEGER PRIMARY KEY,
    product_key TEXT NOT NULL,
    device_name TEXT NOT NULL,
    secret TEXT NOT NULL,
    enabled INTEGER NOT NULL DEFAULT 1,
    last_seen_ms INTEGER,                     -- of a request that named it, proven or not
    auth_requests INTEGER NOT NULL DEFAULT 0,
    topic_requests INTEGER NOT NULL DEFAULT 0,
    authentications INTEGER NOT NULL DEFAULT 0,
    accepted INTEGER NOT NULL DEFAULT 0,
    proven_ms INTEGER,                        -- of its last request that was accepted
    last_code INTEGER,                        -- of its last reply
    last_reason TEXT,                         -- why that was a refusal
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
    expires_ms INTEGER NOT NULL,
    issued_ms INTEGER
) WITHOUT ROWID;
CREATE INDEX token_of_device ON token (device_id)
"""

_HISTORY = """
CREATE TABLE message (                        -- every request on a topic, refused ones too
    id INTEGER PRIMARY KEY,
    device_id INTEGER REFERENCES device (id), -- null: a device that nobody registered
    topic TEXT NOT NULL,
    time_ms INTEGER NOT NULL,
    code INTEGER,                             -- null: no reply of the platform
    fault TEXT,                               -- the kind that happened to it
    reason TEXT,                              -- why it was refused
    payload BLOB NOT NULL
);
CREATE INDEX message_by_device ON message (device_id, id);
CREATE INDEX message_by_device_code ON message (device_id, code, id);
CREATE INDEX message_by_topic ON message (topic, id);
CREATE INDEX message_by_code ON message (code, id);
CREATE TABLE authentication (
    id INTEGER PRIMARY KEY,
    device_id INTEGER REFERENCES device (id),
    claimed TEXT NOT NULL,                    -- who it said it was
    time_ms INTEGER NOT NULL,
    code INTEGER,
    fault TEXT,
    sign_method TEXT,
    client_id TEXT,
    reason TEXT
);
CREATE INDEX authentication_by_device ON authentication (device_id, id);
CREATE INDEX authentication_by_device_code ON authentication (device_id, code, id);
CREATE TABLE wire (                           -- of a message or an authentication
    id INTEGER PRIMARY KEY,
    request BLOB NOT NULL,                    -- the head, and the body of /auth; masked
    reply BLOB NOT NULL                       -- masked
);
CREATE TABLE stream (
    id INTEGER PRIMARY KEY,
    device_id INTEGER NOT NULL REFERENCES device (id),
    name TEXT NOT NULL,
    first INTEGER NOT NULL,                   -- lowest seq
    last INTEGER NOT NULL,                    -- highest seq
    received INTEGER NOT NULL,                -- different ones
    duplicates INTEGER NOT NULL,
    last_ms INTEGER NOT NULL,
    UNIQUE (device_id, name)
);
CREATE TABLE span (                           -- runs of seq without a gap
    stream_id INTEGER NOT NULL REFERENCES stream (id) ON DELETE CASCADE,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (stream_id, first)
) WITHOUT ROWID;
CREATE TABLE series (
    id INTEGER PRIMARY KEY,
    device_id INTEGER NOT NULL REFERENCES device (id),
    name TEXT NOT NULL,
    UNIQUE (device_id, name)
);
CREATE TABLE value (
    series_id INTEGER NOT NULL REFERENCES series (id),
    time_ms INTEGER NOT NULL,                 -- of the reading
    value REAL NOT NULL,
    message_id INTEGER NOT NULL,
    PRIMARY KEY (series_id, time_ms)
) WITHOUT ROWID
"""

# Version 1 kept accepted messages only.
_FROM_1 = """
ALTER TABLE device ADD COLUMN proven_ms INTEGER;
ALTER TABLE device ADD COLUMN last_code INTEGER;
ALTER TABLE device ADD COLUMN last_reason TEXT;
ALTER TABLE token ADD COLUMN issued_ms INTEGER;
ALTER TABLE message RENAME TO message_1
"""
_COPY_1 = """
INSERT INTO message SELECT id, device_id, topic, time_ms, 0, NULL, NULL, payload FROM message_1;
DROP TABLE message_1
"""
# Version 2 knew nothing of products: each device came with its secret.
_FROM_2 = """
CREATE TABLE product (
    id INTEGER PRIMARY KEY,
    product_key TEXT NOT NULL UNIQUE,
    secret TEXT NOT NULL,
    registration INTEGER NOT NULL             -- 1: the secret gives devices theirs
);
ALTER TABLE device ADD COLUMN activated INTEGER NOT NULL DEFAULT 0;
UPDATE device SET activated = authentications > 0
"""
_STEPS = {
    0: (_DEVICE, _HISTORY, _FROM_2),
    1: (_FROM_1, _HISTORY, _COPY_1, _FROM_2),
    2: (_FROM_2,),
    VERSION: (),
}


def upgrade(db: sqlite3.Connection, path: Path) -> None:
    """Make the tables, or bring those of an earlier version up to this one, in a transaction.

    Raises CommandError where a later version made the file.
    """
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version not in _STEPS:
        raise CommandError(f"{path}: made by another version of linkpost; give another --db")
    for step in _STEPS[version]:
        for statement in step.split(";\n"):
            db.execute(statement)
    db.execute(f"PRAGMA user_version = {VERSION}")
