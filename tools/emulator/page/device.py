"""One device: how it is, its numbers over time, its messages and authentications."""

from __future__ import annotations

import asyncio
import time

from fastapi import HTTPException, Request
from nicegui import ui

from ..desk import Desk
from . import live, request_table, words
from .chart import POINTS, Chart
from .facts import Facts
from .frame import Badge, action, frame, heading, panel, title
from .pager import Pager
from .roster import Entry, Roster

_SPANS_MS = {"Last hour": 3_600_000, "Last day": 86_400_000, "All": None}
_PER_PAGE = 20


def register(desk: Desk, roster: Roster) -> None:
    """Serve the view."""

    @ui.page("/device/{product_key}/{device_name}")
    async def view(request: Request, product_key: str, device_name: str) -> None:
        key = f"{product_key}/{device_name}"
        entry = await roster.entry(key)
        if entry is None:
            raise HTTPException(404, "no such device")
        ui.page_title(f"{device_name} · linkpost emulator")
        async with frame(desk, request, "/device"):
            await _state(desk, roster, key)
            await _chart(desk, key)
            with panel(), ui.element("div"):
                with ui.tabs().props("dense align=left no-caps") as tabs:
                    first = ui.tab("Messages")
                    ui.tab("Authentications")
                with ui.tab_panels(tabs, value=first).classes("bare-panels"):
                    with ui.tab_panel("Messages"):
                        await _messages(desk, key)
                    with ui.tab_panel("Authentications"):
                        await _authentications(desk, key)


async def _state(desk: Desk, roster: Roster, key: str) -> None:
    with ui.element("div").classes("line"):
        title(key)
        badge = Badge()
    sentence = ui.label().mark("sentence")
    with panel():
        facts = Facts()
        with ui.element("div").classes("line"):
            switch = action("Disable", lambda: turn())
            action("Expire its tokens", lambda: expire())
            reset = action("Reset", lambda: let_register())
            action("Set a fault", lambda: ui.navigate.to(f"/faults?device={key}"))
            action("Its messages as a list", lambda: ui.navigate.to(f"/messages?device={key}"))
            action("Delete", lambda: _ask_to_delete(desk, key))

    enabled = True

    async def show() -> None:
        nonlocal enabled
        entry = await roster.entry(key)
        if entry is None:
            return
        enabled = entry.row.enabled
        badge.show(entry.verdict.mood, entry.verdict.word)
        sentence.set_text(entry.verdict.sentence)
        switch.set_text("Disable" if enabled else "Enable")
        # Only a product's secret gives a new one; without, there is nothing to reset for.
        products = {row.product_key for row in desk.queries.products()}
        reset.set_visibility(entry.row.product_key in products)
        facts.show(_facts(desk, entry))

    async def turn() -> None:
        desk.set_enabled(key, not enabled)
        ui.notify("Refused from now on: 20000." if enabled else "Let in again.")
        await show()

    async def let_register() -> None:
        desk.reset_device(key)
        ui.notify("Not activated any more: linkpost register may give it a new secret.")
        await show()

    async def expire() -> None:
        expired = desk.expire_tokens(key)
        ui.notify(f"{words.count(expired, 'token')} expired: its next message meets 20001.")
        await show()

    await live.follow(show, lambda: desk.changes.of_device(key))


def _ask_to_delete(desk: Desk, key: str) -> None:
    async def delete() -> None:
        await desk.remove_device(key)
        ui.navigate.to("/")

    with ui.dialog() as dialog, ui.card().classes("panel"):
        heading("h2", f"Delete {key}?")
        ui.label("Its messages, values and tokens go too. A board that has its secret is refused.")
        with ui.element("div").classes("line"):
            ui.button("Delete it", on_click=delete).props("no-caps color=negative")
            action("Keep it", dialog.close)
    dialog.on("hide", dialog.delete)
    dialog.open()


def _facts(desk: Desk, entry: Entry) -> dict[str, str]:
    row = entry.row
    now_ms = time.time_ns() // 1_000_000
    validity = "none valid"
    if row.token_issued_ms and row.token_expires_ms:
        old, left = now_ms - row.token_issued_ms, row.token_expires_ms - now_ms
        validity = f"{words.duration(old)} old, {words.duration(left)} left"
    facts = {
        "Platform shows": row.state,
        "Last seen": words.ago(row.last_seen_ms, now_ms),
        "Last report": words.ago(entry.last_report_ms, now_ms),
        "Token": validity,
        "Accepted": f"{row.accepted:,}",
        "Refused": words.codes(row.refused),
        "Authenticated": words.count(row.authentications, "time"),
        "Came twice": f"{row.duplicates:,}",
        "Missing (gaps in seq)": f"{row.missing:,}",
    }
    streams = desk.queries.streams(row.device, limit=1)
    if streams and streams[0].name:
        newest = streams[0]
        facts["Stream"] = f"{newest.name}, seq {newest.first:,}–{newest.last:,}"
    return facts


async def _chart(desk: Desk, key: str) -> None:
    with panel("Values"):
        span = ui.toggle(list(_SPANS_MS), value="Last hour").props("no-caps dense unelevated")
        chart = Chart()

    async def show() -> None:
        wanted = _SPANS_MS[span.value]
        since_ms = None if wanted is None else time.time_ns() // 1_000_000 - wanted
        chart.show(
            await asyncio.to_thread(desk.queries.series, key, since_ms=since_ms, points=POINTS)
        )

    span.on_value_change(show)
    # Up to 2,000 points travel each time: less often than the rest.
    await live.follow(show, lambda: desk.changes.of_device(key), least_s=1.5, idle_s=30)


async def _messages(desk: Desk, key: str) -> None:
    table = request_table.message_table(desk, with_device=False)

    async def look(before: int | None) -> int | None:
        page = desk.queries.messages(device=key, before=before, limit=_PER_PAGE)
        table.show([request_table.message_cells(row, with_device=False) for row in page.rows])
        return page.before

    await live.follow(Pager(look).show, lambda: desk.changes.of_device(key), idle_s=3600)


async def _authentications(desk: Desk, key: str) -> None:
    table = request_table.authentication_table(desk)

    async def look(before: int | None) -> int | None:
        rows = desk.queries.authentications(device=key, before=before, limit=_PER_PAGE)
        table.show([request_table.authentication_cells(row) for row in rows])
        return rows[-1].id if len(rows) == _PER_PAGE else None

    await live.follow(Pager(look).show, lambda: desk.changes.of_device(key), idle_s=3600)
