"""One device: its health, its values over time, its messages and authentications."""

from __future__ import annotations

import asyncio
import time

from fastapi import HTTPException, Request
from nicegui import ui

from ..admin import Admin
from . import formatting, live, request_table
from .chart import POINTS, Chart
from .device_table import DeviceTable, Entry
from .facts import Facts
from .frame import Badge, action, frame, heading, panel, title
from .pager import Pager

_SPANS_MS = {"Last hour": 3_600_000, "Last day": 86_400_000, "All": None}
_PER_PAGE = 20


def register(admin: Admin, device_table: DeviceTable) -> None:
    """Serve the view."""

    @ui.page("/device/{product_key}/{device_name}")
    async def view(request: Request, product_key: str, device_name: str) -> None:
        key = f"{product_key}/{device_name}"
        entry = await device_table.entry(key)
        if entry is None:
            raise HTTPException(404, "no such device")
        ui.page_title(f"{device_name} · linkpost emulator")
        async with frame(admin, request, "/device"):
            await _state(admin, device_table, key)
            await _chart(admin, key)
            with panel(), ui.element("div"):
                with ui.tabs().props("dense align=left no-caps") as tabs:
                    first = ui.tab("Messages")
                    ui.tab("Authentications")
                with ui.tab_panels(tabs, value=first).classes("plain-panels"):
                    with ui.tab_panel("Messages"):
                        await _messages(admin, key)
                    with ui.tab_panel("Authentications"):
                        await _authentications(admin, key)


async def _state(admin: Admin, device_table: DeviceTable, key: str) -> None:
    with ui.element("div").classes("flex-row"):
        title(key)
        badge = Badge()
    explanation = ui.label().mark("explanation")
    with panel():
        facts = Facts()
        with ui.element("div").classes("flex-row"):
            switch = action("Disable", lambda: toggle_enabled())
            action("Expire tokens", lambda: expire())
            reset = action("Reset", lambda: reset_device())
            action("Set a fault", lambda: ui.navigate.to(f"/faults?device={key}"))
            action("All messages", lambda: ui.navigate.to(f"/messages?device={key}"))
            action("Delete", lambda: _ask_to_delete(admin, key))

    enabled = True

    async def show() -> None:
        nonlocal enabled
        entry = await device_table.entry(key)
        if entry is None:
            return
        enabled = entry.row.enabled
        badge.show(entry.health.status, entry.health.label)
        explanation.set_text(entry.health.explanation)
        switch.set_text("Disable" if enabled else "Enable")
        # Without its product here it cannot register again, so a reset would be of no use.
        products = {row.product_key for row in admin.queries.products()}
        reset.set_visibility(entry.row.product_key in products)
        facts.show(_facts(admin, entry))

    async def toggle_enabled() -> None:
        admin.set_enabled(key, not enabled)
        ui.notify("Disabled: its requests are refused with 20000." if enabled else "Enabled.")
        await show()

    async def reset_device() -> None:
        admin.reset_device(key)
        ui.notify("Reset: linkpost register can get a new secret for it.")
        await show()

    async def expire() -> None:
        expired = admin.expire_tokens(key)
        ui.notify(
            f"{formatting.count(expired, 'token')} expired: the next message is refused, 20001."
        )
        await show()

    await live.follow(show, lambda: admin.changes.of_device(key))


def _ask_to_delete(admin: Admin, key: str) -> None:
    async def delete() -> None:
        await admin.remove_device(key)
        ui.navigate.to("/")

    with ui.dialog() as dialog, ui.card().classes("panel"):
        heading("h2", f"Delete {key}?")
        ui.label("Deletes its messages, values and tokens too. Its board is refused from then on.")
        with ui.element("div").classes("flex-row"):
            ui.button("Delete device", on_click=delete).props("no-caps color=negative")
            action("Cancel", dialog.close)
    dialog.on("hide", dialog.delete)
    dialog.open()


def _facts(admin: Admin, entry: Entry) -> dict[str, str]:
    row = entry.row
    now_ms = time.time_ns() // 1_000_000
    validity = "none valid"
    if row.token_issued_ms and row.token_expires_ms:
        old, left = now_ms - row.token_issued_ms, row.token_expires_ms - now_ms
        validity = f"{formatting.duration(old)} old, {formatting.duration(left)} left"
    facts = {
        "Platform state": row.state,
        "Last seen": formatting.ago(row.last_seen_ms, now_ms),
        "Last report": formatting.ago(entry.last_report_ms, now_ms),
        "Token": validity,
        "Accepted": f"{row.accepted:,}",
        "Refused": formatting.codes(row.refused),
        "Authentications": f"{row.authentications:,}",
        "Duplicates": f"{row.duplicates:,}",
        "Gaps": f"{row.missing:,}",
    }
    streams = admin.queries.streams(row.device, limit=1)
    if streams and streams[0].name:
        newest = streams[0]
        facts["Outbox id"] = f"{newest.name}, seq {newest.first:,}–{newest.last:,}"
    return facts


async def _chart(admin: Admin, key: str) -> None:
    with panel("Values"):
        span = ui.toggle(list(_SPANS_MS), value="Last hour").props("no-caps dense unelevated")
        chart = Chart()

    async def show() -> None:
        span_ms = _SPANS_MS[span.value]
        since_ms = None if span_ms is None else time.time_ns() // 1_000_000 - span_ms
        chart.show(
            await asyncio.to_thread(admin.queries.series, key, since_ms=since_ms, points=POINTS)
        )

    span.on_value_change(show)
    # Up to 2,000 points travel each time: less often than the rest.
    await live.follow(show, lambda: admin.changes.of_device(key), least_s=1.5, idle_s=30)


async def _messages(admin: Admin, key: str) -> None:
    table = request_table.message_table(admin, with_device=False)

    async def show_page(before: int | None) -> int | None:
        page = admin.queries.messages(device=key, before=before, limit=_PER_PAGE)
        table.show([request_table.message_cells(row, with_device=False) for row in page.rows])
        return page.before

    await live.follow(Pager(show_page).show, lambda: admin.changes.of_device(key), idle_s=3600)


async def _authentications(admin: Admin, key: str) -> None:
    table = request_table.authentication_table(admin)

    async def show_page(before: int | None) -> int | None:
        rows = admin.queries.authentications(device=key, before=before, limit=_PER_PAGE)
        table.show([request_table.authentication_cells(row) for row in rows])
        return rows[-1].id if len(rows) == _PER_PAGE else None

    await live.follow(Pager(show_page).show, lambda: admin.changes.of_device(key), idle_s=3600)
