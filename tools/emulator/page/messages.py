"""Every message, newest first: filtered, paged, exported."""

from __future__ import annotations

import asyncio
import functools
from typing import Any
from urllib.parse import urlencode

from fastapi import Request
from nicegui import ui

from .. import rules
from ..desk import Desk
from . import live, request_table
from .frame import action, frame, panel, title
from .pager import Pager

_PER_PAGE = 50


def register(desk: Desk) -> None:
    """Serve the view."""

    @ui.page("/messages", title="Messages · linkpost emulator")
    async def view(request: Request, device: str = "") -> None:
        async with frame(desk, request, "/messages"):
            title("Messages")
            with panel():
                filters = _Filters(desk, device)
                table = request_table.message_table(desk, with_device=True)

                async def look(before: int | None) -> int | None:
                    page = await asyncio.to_thread(
                        desk.queries.messages, before=before, limit=_PER_PAGE, **filters.wanted()
                    )
                    cells = [
                        request_table.message_cells(row, with_device=True) for row in page.rows
                    ]
                    table.show(cells)
                    return page.before

                pager = Pager(look)
                with ui.element("div").classes("line"):
                    for name, kind in (("CSV", "csv"), ("NDJSON", "ndjson")):
                        action(
                            f"Export as {name}",
                            functools.partial(filters.export, kind),
                            "download",
                        )
                filters.on_change(pager.restart)
            await live.follow(pager.show, lambda: desk.changes.version, least_s=1, idle_s=3600)


class _Filters:
    """Device, topic, reply code and text."""

    def __init__(self, desk: Desk, device: str):
        keys = [row.device for row in desk.queries.devices()]
        topics = desk.queries.topics()
        words = {code: f"{code} {text}" for code, text in rules.MESSAGES.items()}
        with ui.element("div").classes("line filters"):
            self._device = ui.select(keys, label="Device", with_input=True, clearable=True,
                                     value=device if device in keys else None)  # fmt: skip
            self._topic = ui.select(topics, label="Topic", with_input=True, clearable=True)
            self._code = ui.select(words, label="Reply", clearable=True)
            self._text = ui.input("Text in the payload").props("clearable debounce=400")
        for field in (self._device, self._topic, self._code, self._text):
            field.props("dense outlined")

    def on_change(self, then) -> None:
        """Call `then` when a filter changed."""
        for field in (self._device, self._topic, self._code, self._text):
            field.on_value_change(then)

    def wanted(self) -> dict[str, Any]:
        """Return the filters as `Queries.messages` takes them."""
        return {
            "device": self._device.value or None,
            "topic": self._topic.value or None,
            "code": self._code.value,
            "text": self._text.value or None,
        }

    def export(self, kind: str) -> None:
        """Let the browser fetch the file from the API: of this device and topic, and refused
        messages too, unless accepted ones were asked for."""
        given = {"format": kind, "device": self._device.value, "topic": self._topic.value}
        wanted = {name: value for name, value in given.items() if value}
        refused = str(self._code.value != rules.SUCCESS).lower()
        ui.download.from_url(f"/api/messages?{urlencode({**wanted, 'refused': refused})}")
