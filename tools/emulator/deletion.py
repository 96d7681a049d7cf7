"""Deletes a device, with all that was stored of it."""

from __future__ import annotations

import asyncio

from .store import Device, Store

# As much as is deleted at once; between two steps the platform answers.
_STEP = 500


async def remove_device(store: Store, device: Device) -> None:
    """Refuse the device from now on, delete its history in small steps, then the device."""
    with store.transaction():
        store.set_enabled(device, False)
    for table in ("message", "authentication"):
        while _forget_requests(store, table, device.id, _STEP):
            await asyncio.sleep(0)
    while _forget_values(store, device.id, _STEP):
        await asyncio.sleep(0)
    with store.transaction():
        # What came in between: all or nothing from here on.
        for table in ("message", "authentication"):
            _delete_requests(store, table, device.id, -1)
        _delete_values(store, device.id, -1)
        for table in ("series", "stream", "refusal", "token"):
            store.db.execute(f"DELETE FROM {table} WHERE device_id = ?", (device.id,))  # noqa: S608
        store.db.execute("DELETE FROM device WHERE id = ?", (device.id,))


def _forget_requests(store: Store, table: str, device_id: int, limit: int) -> int:
    with store.transaction():
        return _delete_requests(store, table, device_id, limit)


def _delete_requests(store: Store, table: str, device_id: int, limit: int) -> int:
    gone = store.db.execute(
        f"DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE device_id = ?"  # noqa: S608
        " LIMIT ?) RETURNING id",
        (device_id, limit),
    ).fetchall()
    store.db.executemany("DELETE FROM wire WHERE id = ?", gone)
    return len(gone)


def _forget_values(store: Store, device_id: int, limit: int) -> int:
    with store.transaction():
        return _delete_values(store, device_id, limit)


def _delete_values(store: Store, device_id: int, limit: int) -> int:
    return store.db.execute(
        "DELETE FROM value WHERE (series_id, time_ms) IN (SELECT series_id, time_ms FROM value"
        " WHERE series_id IN (SELECT id FROM series WHERE device_id = ?) LIMIT ?)",
        (device_id, limit),
    ).rowcount
