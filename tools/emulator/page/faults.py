"""Faults: set with a click, listed while they are active, removed with a click."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import Request
from nicegui import ui
from pydantic import ValidationError

from .. import rules
from ..admin import Admin, UnknownDeviceError
from ..faults import PARAMETERS, Fault, FaultRequest
from . import formatting, live
from .fault_labels import ENDPOINTS, KINDS, OFTEN, PARAMETER_LABELS, QUICK
from .frame import action, frame, heading, panel, title

_EVERY = "every device"
# After its own button has gone, a keyboard's focus moves to the next one; Vue removes it later.
_FOCUS_NEXT = """setTimeout(() => {
  if (document.activeElement === document.body)
    document.querySelector('.list-item button')?.focus();
}, 100)"""


def register(admin: Admin) -> None:
    """Serve the view."""

    @ui.page("/faults", title="Faults · linkpost emulator")
    async def view(request: Request, device: str = "") -> None:
        async with frame(admin, request, "/faults"):
            title("Faults")
            ui.label(
                "Break something on purpose and watch the board recover: no reading may get lost."
            ).classes("muted")
            await _active(admin)
            with panel("Set a fault"):
                _Form(admin, device)


async def _active(admin: Admin) -> None:
    with panel("Active faults"):
        none = ui.label("None.").classes("muted")
        place = ui.element("div").classes("stack")
        remove_all = action("Remove all", lambda: clear()).classes("align-start")
    rows: dict[int, _Row] = {}
    client = ui.context.client

    async def show() -> None:
        # A row stays the same element for as long as its fault is there, so that it keeps the
        # focus while other faults come and go.
        faults = {fault.id: fault for fault in admin.faults()}
        for fault_id in rows.keys() - faults.keys():
            rows.pop(fault_id).delete()
        for fault in faults.values():
            if fault.id not in rows:
                with place:
                    rows[fault.id] = _Row(fault, functools.partial(remove, fault.id))
            rows[fault.id].show(fault)
        none.set_visibility(not faults)
        remove_all.set_visibility(len(faults) > 1)

    async def remove(fault_id: int) -> None:
        if not admin.remove_fault(fault_id):
            ui.notify("This fault was over already.")
        await show()
        # Not `ui.run_javascript`: the clicked button, whose context this is, has been deleted.
        client.run_javascript(_FOCUS_NEXT)

    async def clear() -> None:
        admin.clear_faults()
        await show()

    def version() -> list[tuple[int, int]]:
        return [(fault.id, fault.hits) for fault in admin.faults()]

    await live.follow(show, version, idle_s=3600)


class _Row:
    """One active fault, and the button that removes it."""

    def __init__(self, fault: Fault, remove: Callable[[], Awaitable[None]]):
        self._row = ui.element("div").classes("flex-row space-between list-item")
        with self._row:
            with ui.element("div"):
                ui.label(_name(fault))
                self._scope = ui.label().classes("muted")
            action("Remove fault", remove)

    def show(self, fault: Fault) -> None:
        self._scope.set_text(_scope(fault))

    def delete(self) -> None:
        self._row.delete()


def _name(fault: Fault) -> str:
    given = [
        f"{PARAMETER_LABELS[name]} {getattr(fault, name)}"
        for name in (parameter.rstrip("!") for parameter in PARAMETERS[fault.kind])
        if getattr(fault, name) is not None and getattr(fault, name) is not False
    ]
    return f"{KINDS[fault.kind][0]}{': ' if given else ''}{', '.join(given)}"


def _scope(fault: Fault) -> str:
    left = (
        "until removed" if fault.times is None else f"{formatting.count(fault.times, 'time')} more"
    )
    return ", ".join(
        (ENDPOINTS[fault.endpoint or ""], fault.device or _EVERY, left,
         f"happened {formatting.count(fault.hits, 'time')}")
    )  # fmt: skip


def _text_of(problem: Any) -> str:
    """Return what pydantic found wrong, without its jargon."""
    if problem["type"] == "string_pattern_mismatch":
        return "Printable ASCII characters only, no spaces."
    text: str = problem["msg"]
    return text.removeprefix("Value error, ")


class _Form:
    """Everything that `/api/faults` takes."""

    def __init__(self, admin: Admin, device: str):
        self._admin = admin
        keys = [row.device for row in admin.queries.devices()]
        devices = {"": _EVERY, **{key: key for key in keys}}
        with ui.element("div").classes("flex-row filters"):
            self._device = ui.select(devices, label="Device", with_input=len(keys) > 12,
                                     value=device if device in keys else "")  # fmt: skip
            self._endpoint = ui.select(ENDPOINTS, label="Endpoint", value="topic")
            self._often = ui.select(OFTEN, label="How often", value="once")
            self._times = ui.number("Times", value=3, precision=0)
            self._times.bind_visibility_from(self._often, "value", value="times")
        heading("h2", "Common faults")
        with ui.element("div").classes("flex-row"):
            for text, parameters in QUICK.items():
                action(text, functools.partial(self._add, parameters))
        heading("h2", "Any fault")
        with ui.element("div").classes("flex-row filters"):
            self._kind = ui.select(
                {kind: name for kind, (name, _) in KINDS.items()}, label="Fault", value="code"
            )
            self._inputs = self._make_inputs()
            ui.button("Set fault", on_click=self._add_chosen).props("no-caps")
        self._about = ui.label().classes("muted")
        self._error = ui.label().classes("form-error").props('role="alert"')
        for field in (self._device, self._endpoint, self._often, self._times, self._kind,
                      *self._inputs.values()):  # fmt: skip
            field.props("dense outlined")
        self._kind.on_value_change(self._show_kind)
        self._show_kind()

    def _make_inputs(self) -> dict[str, Any]:
        codes = {code: f"{code} {text}" for code, text in rules.MESSAGES.items() if code}
        return {
            "code": ui.select(codes, label="Code", value=rules.THROTTLED),
            "ms": ui.number("Milliseconds", value=3000, min=0, precision=0),
            "interval_ms": ui.number("Milliseconds between bytes", value=100, min=1, precision=0),
            "bytes": ui.number("Bytes", min=0, precision=0),
            "status": ui.number("HTTP status", min=200, max=599, precision=0),
            "location": ui.input("Location"),
            "reset": ui.checkbox("Reset the connection (RST)"),
        }

    def _names(self) -> list[str]:
        return [name.rstrip("!") for name in PARAMETERS[self._kind.value]]

    def _show_kind(self) -> None:
        names = self._names()
        for name, field in self._inputs.items():
            field.set_visibility(name in names)
        if "status" in names:
            self._inputs["status"].set_value(302 if self._kind.value == "redirect" else 500)
        self._about.set_text(KINDS[self._kind.value][1])

    def _add_chosen(self) -> None:
        given = {name: self._inputs[name].value for name in self._names()}
        self._add({"kind": self._kind.value, **given})

    def _add(self, parameters: dict[str, object]) -> None:
        self._clear_errors()
        times = {"once": 1, "times": self._times.value}.get(self._often.value)
        given = {name: value for name, value in parameters.items() if value not in (None, "")}
        try:
            request = FaultRequest.model_validate(
                {"endpoint": self._endpoint.value or None, "device": self._device.value or None,
                 "times": times, **given}
            )  # fmt: skip
            self._admin.add_fault(request)
        except ValidationError as error:
            for problem in error.errors():
                self._show_error(
                    str(problem["loc"][0]) if problem["loc"] else "", _text_of(problem)
                )
        except UnknownDeviceError as error:
            self._device.error = str(error)

    def _fields(self) -> dict[str, Any]:
        # A checkbox cannot be wrong.
        inputs = {name: field for name, field in self._inputs.items() if name != "reset"}
        return {"device": self._device, "times": self._times, **inputs}

    def _clear_errors(self) -> None:
        self._error.set_text("")
        for field in self._fields().values():
            field.error = None

    def _show_error(self, name: str, problem: str) -> None:
        """Show a problem at its field; below the form where it belongs to no single field."""
        field = self._fields().get(name)
        if field is not None and field.visible:
            field.error = problem
        else:
            self._error.set_text(f"{name}: {problem}" if name else problem)
