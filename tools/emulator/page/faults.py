"""What shall go wrong: set with a click, visible while it lasts, taken back with a click."""

from __future__ import annotations

import functools
from typing import Any

from fastapi import Request
from nicegui import ui
from pydantic import ValidationError

from .. import rules
from ..desk import Desk, UnknownDeviceError
from ..faults import PARAMETERS, Fault, FaultRequest
from . import live, words
from .fault_words import ENDPOINTS, KINDS, OFTEN, PARAMETER_WORDS, QUICK
from .frame import action, frame, heading, panel, title

_EVERY = "every device"


def register(desk: Desk) -> None:
    """Serve the view."""

    @ui.page("/faults", title="Faults · linkpost emulator")
    async def view(request: Request, device: str = "") -> None:
        async with frame(desk, request, "/faults"):
            title("Faults")
            ui.label(
                "Let something go wrong on purpose and see the board cope: it may lose nothing."
            ).classes("soft")
            await _active(desk)
            with panel("Set a fault"):
                _Form(desk, device)


async def _active(desk: Desk) -> None:
    with panel("Set now"):
        place = ui.element("div").classes("stack")

    async def show() -> None:
        place.clear()
        with place:
            faults = desk.faults()
            if not faults:
                ui.label("None: everything goes well.").classes("soft")
            for fault in faults:
                with ui.element("div").classes("line spread row-line"):
                    with ui.element("div"):
                        ui.label(_name(fault))
                        ui.label(_scope(fault)).classes("soft")
                    action("Take back", functools.partial(_take_back, desk, fault.id, show))
            if len(faults) > 1:
                action("Take all back", functools.partial(_clear, desk, show)).classes("start")

    def version() -> list[tuple[int, int]]:
        return [(fault.id, fault.hits) for fault in desk.faults()]

    await live.follow(show, version, idle_s=3600)


async def _take_back(desk: Desk, fault_id: int, show) -> None:
    if not desk.remove_fault(fault_id):
        ui.notify("It had happened already.")
    await show()


async def _clear(desk: Desk, show) -> None:
    desk.clear_faults()
    await show()


def _name(fault: Fault) -> str:
    given = [
        f"{PARAMETER_WORDS[name]} {getattr(fault, name)}"
        for name in (parameter.rstrip("!") for parameter in PARAMETERS[fault.kind])
        if getattr(fault, name) is not None and getattr(fault, name) is not False
    ]
    return f"{KINDS[fault.kind][0]}{': ' if given else ''}{', '.join(given)}"


def _scope(fault: Fault) -> str:
    left = (
        "until taken back" if fault.times is None else f"{words.count(fault.times, 'time')} more"
    )
    return ", ".join(
        (ENDPOINTS[fault.endpoint or ""], fault.device or _EVERY, left,
         f"happened {words.count(fault.hits, 'time')}")
    )  # fmt: skip


class _Form:
    """Everything that `/api/faults` takes."""

    def __init__(self, desk: Desk, device: str):
        self._desk = desk
        keys = [row.device for row in desk.queries.devices()]
        devices = {"": _EVERY, **{key: key for key in keys}}
        with ui.element("div").classes("line filters"):
            self._device = ui.select(devices, label="For", with_input=len(keys) > 12,
                                     value=device if device in keys else "")  # fmt: skip
            self._endpoint = ui.select(ENDPOINTS, label="At", value="topic")
            self._often = ui.select(OFTEN, label="How often", value="once")
            self._times = ui.number("Times", value=3, precision=0)
            self._times.bind_visibility_from(self._often, "value", value="times")
        heading("h2", "With one click")
        with ui.element("div").classes("line"):
            for text, parameters in QUICK.items():
                action(text, functools.partial(self._add, parameters))
        heading("h2", "Or any")
        with ui.element("div").classes("line filters"):
            self._kind = ui.select(
                {kind: name for kind, (name, _) in KINDS.items()}, label="Fault", value="code"
            )
            self._inputs = self._make_inputs()
            ui.button("Set", on_click=self._add_chosen).props("no-caps")
        self._about = ui.label().classes("soft")
        self._wrong = ui.label().classes("wrong").props('role="alert"')
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
            "reset": ui.checkbox("Broken off (RST)"),
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
            self._desk.add_fault(request)
        except ValidationError as error:
            for problem in error.errors():
                self._show_error(str(problem["loc"][0]) if problem["loc"] else "", problem["msg"])
        except UnknownDeviceError as error:
            self._device.error = str(error)

    def _fields(self) -> dict[str, Any]:
        # A checkbox has nothing to be wrong.
        inputs = {name: field for name, field in self._inputs.items() if name != "reset"}
        return {"device": self._device, "times": self._times, **inputs}

    def _clear_errors(self) -> None:
        self._wrong.set_text("")
        for field in self._fields().values():
            field.error = None

    def _show_error(self, name: str, words: str) -> None:
        """Say at the field what is wrong; below the form where that is of no one field."""
        field = self._fields().get(name)
        if field is not None and field.visible:
            field.error = words
        else:
            self._wrong.set_text(f"{name}: {words}" if name else words)
