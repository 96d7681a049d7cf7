"""Tables of requests, messages and authentications, and one of them in full."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from .. import registration
from ..admin import Admin
from ..queries import AuthenticationRow, MessageRow
from . import formatting
from .frame import code_box, heading

_TIME = {"name": "time", "label": "Time", "field": "time", "align": "left", "classes": "nowrap"}
_DEVICE = {"name": "device", "label": "Device", "field": "device", "align": "left"}
_RESULT = {"name": "result", "label": "Reply", "field": "result", "align": "left",
           "classes": "reply"}  # fmt: skip
_MESSAGES: list[dict[str, Any]] = [
    _TIME,
    _DEVICE,
    {"name": "topic", "label": "Topic", "field": "topic", "align": "left",
     "classes": "topic"},
    _RESULT,
    {"name": "payload", "label": "Payload", "field": "payload", "align": "left",
     "classes": "mono"},
]  # fmt: skip
_AUTHENTICATIONS: list[dict[str, Any]] = [
    _TIME,
    _RESULT,
    {"name": "method", "label": "Signed with", "field": "method", "align": "left"},
    {"name": "client", "label": "Client id", "field": "client", "align": "left"},
]
# A button, so that a row opens from the keyboard too.
_TIME_CELL = """
<q-td :props="props"><button class="link-button" :data-focus="props.row.id"
@click.stop="$parent.$emit('open', props.row.id)">{{ props.row.time }}</button></q-td>
"""
# A topic breaks before its slashes.
_TOPIC_CELL = """
<q-td :props="props"><span v-for="(level, place) in props.row.topic.split('/').slice(1)"
:key="place" class="topic-level">/{{ level }}</span></q-td>
"""
_RESULT_CELL = """
<q-td :props="props"><span :class="'badge is-' + props.row.status">{{ props.row.result }}</span>
<div v-if="props.row.reason" class="explanation q-mt-xs">{{ props.row.reason }}</div></q-td>
"""
_CARD = """
<div class="q-table__grid-item col-12">
<div class="q-table__grid-item-card q-pa-sm cursor-pointer"
@click="$parent.$emit('open', props.row.id)">
<div class="flex-row space-between"><button class="link-button muted" :data-focus="props.row.id"
@click.stop="$parent.$emit('open', props.row.id)">{{ props.row.time }}</button>
<span :class="'badge is-' + props.row.status">{{ props.row.result }}</span></div>
<div v-if="props.row.reason">{{ props.row.reason }}</div>
<div v-if="props.row.device" class="muted">{{ props.row.device }}</div>
<div v-if="props.row.topic" class="muted">{{ props.row.topic }}</div>
<div v-if="props.row.payload" class="mono">{{ props.row.payload }}</div>
<div v-if="props.row.method">{{ props.row.method }}, {{ props.row.client }}</div>
</div></div>
"""


class RequestTable:
    """A table whose rows open to show the request in full."""

    def __init__(self, admin: Admin, of: str, columns: list[dict[str, Any]]):
        self._admin = admin
        self.table = ui.table(rows=[], columns=columns, row_key="id").classes("clickable-rows")
        self.table.props('flat dense :grid="Quasar.Screen.lt.md"')
        self.table.props["no-data-label"] = f"No {of}"
        self.table.add_slot("body-cell-time", _TIME_CELL)
        self.table.add_slot("body-cell-topic", _TOPIC_CELL)
        self.table.add_slot("body-cell-result", _RESULT_CELL)
        self.table.add_slot("item", _CARD)
        self.table.on(
            "rowClick", lambda event: self._open(event.args[1]["id"]), [[], ["id"], None]
        )
        self.table.on("open", lambda event: self._open(event.args))

    def show(self, rows: list[dict[str, str]]) -> None:
        """Replace the rows, where they differ."""
        if rows != self.table.rows:
            self.table.rows = rows

    def _open(self, request_id: object) -> None:
        if str(request_id).isdigit():  # from the browser
            show_request(self._admin, int(str(request_id)))


def message_table(admin: Admin, *, with_device: bool) -> RequestTable:
    """Return an empty table of messages."""
    return RequestTable(
        admin, "messages", [c for c in _MESSAGES if with_device or c is not _DEVICE]
    )


def authentication_table(admin: Admin) -> RequestTable:
    """Return an empty table of one device's authentications."""
    return RequestTable(admin, "authentications", _AUTHENTICATIONS)


def message_cells(row: MessageRow, *, with_device: bool) -> dict[str, str]:
    """Return a message as cells of the table: all of them text."""
    return {
        "id": str(row.id),  # 19 digits: more than a browser's number holds
        "time": formatting.local_time(row.time_ms),
        "device": (row.device or "not registered") if with_device else "",
        "topic": row.topic,
        "payload": formatting.preview(row.payload, row.size),
        **_result(row.code, row.fault, row.reason),
    }


def authentication_cells(row: AuthenticationRow) -> dict[str, str]:
    """Return an authentication as cells of the table."""
    return {
        "id": str(row.id),
        "time": formatting.local_time(row.time_ms),
        "method": row.sign_method or "",
        "client": row.client_id or "",
        **_result(row.code, row.fault, row.reason),
    }


def _result(code: int | None, fault: str | None, reason: str | None) -> dict[str, str]:
    if code in (0, registration.REGISTERED):
        result, status = f"{code} accepted", "ok"
    elif code is None:
        result, status = "no reply", "problem"
    else:
        result, status = f"{code} refused", "problem"
    if fault and status == "ok":
        status = "warning"
    cause = f"Fault: {fault}." if fault else ""
    return {"result": result, "status": status, "reason": " ".join(filter(None, (reason, cause)))}


def show_request(admin: Admin, request_id: int) -> None:
    """Open a dialog with one message or authentication: payload, and what went over the wire."""
    message = admin.queries.message(request_id)
    wire = admin.queries.wire(request_id)
    with ui.dialog() as dialog, ui.card().classes("panel request-dialog"):
        with ui.element("div").classes("flex-row space-between"):
            heading("h2", "Message" if message else "Authentication")
            ui.button(icon="close", on_click=dialog.close).props(
                'flat round dense aria-label="Close"'
            )
        if message:
            for text in (
                formatting.local_time(message.time_ms),
                message.topic,
                message.reason or "",
            ):
                if text:
                    ui.label(text).classes("muted")
            heading("h2", f"Payload, {formatting.count(message.size, 'byte')}")
            _show_payload(message.payload)
        heading("h2", "Request")
        code_box(formatting.wire_text(wire.request) or "not kept")
        heading("h2", "Reply")
        code_box(formatting.wire_text(wire.reply) or "none was sent")
    # New rows may have replaced the row's element: look for it by its id.
    dialog.on("hide", lambda: _close(dialog, request_id))
    dialog.open()


def _close(dialog: ui.dialog, request_id: int) -> None:
    dialog.delete()
    ui.run_javascript(f"document.querySelector('[data-focus=\"{request_id}\"]')?.focus()")


def _show_payload(payload: bytes) -> None:
    views = formatting.payload_views(payload)
    with ui.tabs().props("dense align=left no-caps") as tabs:
        names = [ui.tab(name) for name in views]
    with ui.tab_panels(tabs, value=names[0]).classes("full-width").props("keep-alive"):
        for name, text in views.items():
            with ui.tab_panel(name).classes("q-pa-none"):
                code_box(text)
