"""The first view: which device works, which does not, and why."""

from __future__ import annotations

import time
from urllib.parse import quote

from fastapi import Request
from nicegui import ui

from ..admin import Admin
from . import formatting, live
from .device_table import DeviceTable, Entry
from .facts import Facts
from .frame import frame, panel, title

_PER_PAGE = 50
_COLUMNS = [
    {"name": "status", "label": "Status", "field": "explanation", "align": "left"},
    {"name": "device", "label": "Device", "field": "device", "align": "left", "classes": "nowrap"},
    {"name": "state", "label": "Platform state", "field": "state", "align": "left",
     "classes": "nowrap"},
    {"name": "seen", "label": "Last seen", "field": "seen", "align": "left", "classes": "nowrap"},
    {"name": "token", "label": "Token", "field": "token", "align": "left", "classes": "nowrap"},
    {"name": "accepted", "label": "Accepted", "field": "accepted"},
    {"name": "refused", "label": "Refused", "field": "refused", "align": "left"},
    {"name": "duplicates", "label": "Duplicates", "field": "duplicates"},
    {"name": "missing", "label": "Gaps", "field": "missing"},
]  # fmt: skip
# Vue's {{ }} is text, and every href begins with /device/.
_STATUS = """
<q-td :props="props"><span :class="'badge is-' + props.row.status">{{ props.row.label }}</span>
<div class="explanation">{{ props.row.explanation }}</div></q-td>
"""
_DEVICE = """
<q-td :props="props"><a :href="props.row.href" :data-focus="props.row.href">
{{ props.row.name }}</a>
<div class="muted">{{ props.row.product }}</div></q-td>
"""
_CARD = """
<div class="q-table__grid-item col-12"><div class="q-table__grid-item-card q-pa-md">
<div class="flex-row space-between"><a :href="props.row.href" :data-focus="props.row.href">
{{ props.row.device }}</a>
<span :class="'badge is-' + props.row.status">{{ props.row.label }}</span></div>
<div class="q-mt-xs">{{ props.row.explanation }}</div>
<div class="facts q-mt-sm">
<div v-for="column in props.cols.slice(2)" :key="column.name" class="fact">
<span class="name">{{ column.label }}</span><span>{{ column.value }}</span></div></div>
</div></div>
"""


def register(admin: Admin, device_table: DeviceTable) -> None:
    """Serve the view."""

    @ui.page("/", title="Devices · linkpost emulator")
    async def view(request: Request) -> None:
        async with frame(admin, request, "/"):
            with ui.element("div").classes("flex-row space-between"):
                title("Devices")
                summary = ui.label().classes("muted")
            nothing = ui.element("div")
            with nothing, panel("No device yet"):
                ui.label("A device has a name and a secret. Create one, put its configuration on "
                         "a board, and its reports appear here.")  # fmt: skip
                ui.button("New device", on_click=lambda: ui.navigate.to("/new"))
            with panel() as rest:
                find = ui.input("Find a device").props("dense outlined clearable")
                table = ui.table(rows=[], columns=_COLUMNS, row_key="device")
                table.props('flat :grid="Quasar.Screen.lt.md"')
                for name, template in (
                    ("body-cell-status", _STATUS), ("body-cell-device", _DEVICE), ("item", _CARD)
                ):  # fmt: skip
                    table.add_slot(name, template)
                pager = ui.pagination(1, 1, direction_links=True)
            with panel("This emulator"):
                about = Facts(wide=True)
                about.show(admin.about)
                ui.link("JSON API for programs", "/docs").classes("plain-link align-start")

        async def show() -> None:
            entries = await device_table.entries()
            nothing.set_visibility(not entries)
            rest.set_visibility(bool(entries))
            summary.set_text(_summary(entries))
            find.set_visibility(len(entries) > 10)
            text = (find.value or "").lower()
            entries = [entry for entry in entries if text in entry.row.device.lower()]
            pager.max = max(1, -(-len(entries) // _PER_PAGE))
            pager.set_visibility(pager.max > 1)
            start = (min(pager.value or 1, pager.max) - 1) * _PER_PAGE
            now_ms = time.time_ns() // 1_000_000
            rows = [_row(entry, now_ms) for entry in entries[start : start + _PER_PAGE]]
            if rows != table.rows:
                table.rows = rows

        find.on_value_change(show)
        pager.on_value_change(show)
        await live.follow(show, lambda: admin.changes.version)


def device_path(product_key: str, device_name: str) -> str:
    """Return the path of a device's own view."""
    return f"/device/{quote(product_key, safe='')}/{quote(device_name, safe='')}"


def _summary(entries: list[Entry]) -> str:
    numbers: dict[str, int] = {}
    for entry in entries:
        label = entry.health.label
        numbers[label] = numbers.get(label, 0) + 1
    return ", ".join(f"{label}: {number}" for label, number in numbers.items())


def _row(entry: Entry, now_ms: int) -> dict[str, object]:
    row = entry.row
    issued_ms = row.token_issued_ms
    return {
        "device": row.device,
        "name": row.device_name,
        "product": row.product_key,
        "href": device_path(row.product_key, row.device_name),
        "status": entry.health.status,
        "label": entry.health.label,
        "explanation": entry.health.explanation,
        "state": row.state,
        "seen": formatting.ago(row.last_seen_ms, now_ms),
        "token": f"{formatting.duration(now_ms - issued_ms)} old" if issued_ms else "none valid",
        "accepted": f"{row.accepted:,}",
        "refused": formatting.codes(row.refused),
        "duplicates": f"{row.duplicates:,}",
        "missing": f"{row.missing:,}",
    }
