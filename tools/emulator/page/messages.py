"""Every message, newest first: filtered, paged, exported."""

from __future__ import annotations

import asyncio
import functools
from typing import Any
from urllib.parse import urlencode

from fastapi import Request
from nicegui import ui

from .. import rules
from ..admin import Admin
from . import live, request_table
from .frame import action, frame, panel, title
from .pager import Pager

_PER_PAGE = 50


def register(admin: Admin) -> None:
    """Serve the view."""

    @ui.page("/messages", title="Messages · linkpost emulator")
    async def view(request: Request, device: str = "") -> None:
        async with frame(admin, request, "/messages"):
            title("Messages")
            with panel():
                filters = _Filters(admin, device)
                table = request_table.message_table(admin, with_device=True)

                async def show_page(before: int | None) -> int | None:
                    page = await asyncio.to_thread(
                        admin.queries.messages, before=before, limit=_PER_PAGE, **filters.chosen()
                    )
                    cells = [
                        request_table.message_cells(row, with_device=True) for row in page.rows
                    ]
                    table.show(cells)
                    return page.before

                pager = Pager(show_page)
                with ui.element("div").classes("flex-row"):
                    for name, kind in (("CSV", "csv"), ("NDJSON", "ndjson")):
                        action(
                            f"Export as {name}",
                            functools.partial(filters.export, kind),
                            "download",
                        )
                filters.on_change(pager.restart)
            await live.follow(pager.show, lambda: admin.changes.version, least_s=1, idle_s=3600)


class _Filters:
    """Device, topic, reply code and text."""

    def __init__(self, admin: Admin, device: str):
        keys = [row.device for row in admin.queries.devices()]
        topics = admin.queries.topics()
        replies = {code: f"{code} {text}" for code, text in rules.MESSAGES.items()}
        with ui.element("div").classes("flex-row filters"):
            self._device = ui.select(keys, label="Device", with_input=True, clearable=True,
                                     value=device if device in keys else None)  # fmt: skip
            self._topic = ui.select(topics, label="Topic", with_input=True, clearable=True)
            self._code = ui.select(replies, label="Reply", clearable=True)
            self._text = ui.input("Text in the payload").props("clearable debounce=400")
        for field in (self._device, self._topic, self._code, self._text):
            field.props("dense outlined")

    def on_change(self, then) -> None:
        """Call `then` when a filter changed."""
        for field in (self._device, self._topic, self._code, self._text):
            field.on_value_change(then)

    def chosen(self) -> dict[str, Any]:
        """Return the filters as `Queries.messages` takes them."""
        return {
            "device": self._device.value or None,
            "topic": self._topic.value or None,
            "code": self._code.value,
            "text": self._text.value or None,
        }

    def export(self, kind: str) -> None:
        """Let the browser download from the API what device and topic choose, refused messages
        included unless the reply chosen is "accepted"."""
        given = {"format": kind, "device": self._device.value, "topic": self._topic.value}
        query = {name: value for name, value in given.items() if value}
        refused = str(self._code.value != rules.SUCCESS).lower()
        ui.download.from_url(f"/api/messages?{urlencode({**query, 'refused': refused})}")
