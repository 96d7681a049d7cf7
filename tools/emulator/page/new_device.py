"""A new device: its triple, a config.json to download, and the commands to type next."""

from __future__ import annotations

import json
import secrets
import shlex
from typing import Any

from fastapi import Request
from nicegui import ui

from ...client.devices_csv import Triple
from ...provision.answers import problem_of
from ..admin import Admin
from . import live
from .devices import device_path
from .frame import code_box, frame, panel, title

_SENSORS = {
    "simulated": "simulated (any board)",
    "system": "system (any board)",
    "onchip": "onchip (real boards)",
}
# What a virtual board has: the chip's temperature is the one that it lacks.
VIRTUAL_BOARD_SENSORS = ("simulated", "system")


def register(admin: Admin) -> None:
    """Serve the view."""

    @ui.page("/new", title="New device · linkpost emulator")
    async def view(request: Request) -> None:
        async with frame(admin, request, "/new"):
            title("New device")
            with panel():
                ui.label(
                    "A device has a product key, a name and a secret. The secret is made here and "
                    "given out once, in the configuration file."
                ).classes("muted")
                form = _Form(admin)
                ui.button("Create device", on_click=lambda: create()).props("no-caps").classes(
                    "align-start"
                )
            result = ui.element("div").classes("stack")

        async def create() -> None:
            if not form.is_valid():
                return
            try:
                triple = admin.add_device(form.product_key.value.strip(), form.name.value.strip())
            except ValueError as error:
                form.name.error = str(error)
                return
            result.clear()
            with result:
                await _show(admin, triple, form.config(triple))
            form.name.set_value(_free_name())


class _Form:
    """What goes into the config.json."""

    def __init__(self, admin: Admin):
        devices = admin.queries.devices()
        product_key = devices[-1].product_key if devices else f"a1{secrets.token_hex(4)}"
        with ui.element("div").classes("flex-row filters"):
            self.product_key = ui.input("Product key", value=product_key)
            self.name = ui.input("Device name", value=_free_name())
            self.endpoint = ui.input("Endpoint", value=endpoint(admin))
            self.interval_s = ui.number("Seconds between readings", value=5)
            self.sensor = ui.select(_SENSORS, label="Sensor", value="simulated")
        for field in (self.product_key, self.name, self.endpoint, self.interval_s, self.sensor):
            field.props("dense outlined")

    def is_valid(self) -> bool:
        """Tell whether a board would take this; a field that is wrong shows why."""
        fields: dict[str, Any] = {
            "endpoint": self.endpoint,
            "product_key": self.product_key,
            "device_name": self.name,
            "interval_s": self.interval_s,
        }
        for key, field in fields.items():
            value = field.value.strip() if isinstance(field.value, str) else field.value
            problem = problem_of((key,), value, {}) if value is not None else "a number is needed"
            field.error = problem.removeprefix(f"{key}: ") or None
        return all(field.error is None for field in fields.values())

    def config(self, triple: Triple) -> dict[str, object]:
        """Return the config.json of this device."""
        return {
            "endpoint": self.endpoint.value.strip(),
            "product_key": triple.product_key,
            "device_name": triple.device_name,
            "device_secret": triple.device_secret,
            "interval_s": self.interval_s.value,
            "sensors": [{"type": self.sensor.value}],
        }


async def _show(admin: Admin, triple: Triple, config: dict[str, object]) -> None:
    text = json.dumps(config, indent=2) + "\n"
    file_name = f"{triple.device_name}.json".replace(":", "_")
    with panel("1. Download the configuration"), ui.element("div").classes("flex-row"):
        ui.button(
            "Download config.json", icon="download",
            on_click=lambda: ui.download.content(text, file_name, "application/json"),
        ).props("no-caps")  # fmt: skip
        ui.label("It holds the secret, which is not shown again: keep the file.").classes("muted")
    with panel("2. Try it on this machine"):
        ui.label("In the folder that you saved the file in:").classes("muted")
        sensors = config["sensors"]
        is_virtual = isinstance(sensors, list) and sensors[0]["type"] in VIRTUAL_BOARD_SENSORS
        for about, command in desktop_commands(admin, file_name)[: 2 if is_virtual else 1]:
            ui.label(about)
            code_box(command)
    with panel("3. Install it on a board"):
        ui.label(
            "A board reaches this machine by its address in your network, not as localhost: start "
            "the emulator with --host 0.0.0.0 --san ADDRESS, put ADDRESS:PORT into the file's "
            'endpoint, and your Wi-Fi beside it: "wifi": {"ssid": "...", "password": "..."}.'
        ).classes("muted")
        for about, command in board_commands(admin, file_name):
            ui.label(about)
            code_box(command)
    with panel("4. See it report"), ui.element("div").classes("flex-row"):
        result = ui.label().mark("result")
        ui.link(triple.key, device_path(triple.product_key, triple.device_name)).classes(
            "plain-link"
        )

    async def show() -> None:
        rows = admin.queries.devices(triple.key)
        accepted = rows[0].accepted if rows else 0
        refused = rows[0].last_reason if rows and rows[0].last_code else ""
        result.set_text(
            f"Accepted: {accepted}. It works." if accepted
            else f"Refused: {refused}" if refused
            else "No request from it yet."
        )  # fmt: skip

    await live.follow(show, lambda: admin.changes.of_device(triple.key))


def endpoint(admin: Admin) -> str:
    """Return where boards reach this platform, as their config.json says it."""
    return admin.about["platform"].removeprefix("https://")


def desktop_commands(admin: Admin, file_name: str) -> list[tuple[str, str]]:
    """Return commands for this machine, each after what it does."""
    config, ca = shlex.quote(file_name), shlex.quote(admin.about["CA"])
    return [
        ("Send one message, to check endpoint and secret:",
         f"linkpost send --config {config} --ca {ca} --data hello"),
        ("Run a virtual board that reports until Ctrl-C:",
         f"linkpost board run --config {config} --flash board.img --ca {ca}"),
    ]  # fmt: skip


def board_commands(admin: Admin, file_name: str) -> list[tuple[str, str]]:
    """Return commands for a board on USB, each after what it does."""
    config, ca = shlex.quote(file_name), shlex.quote(admin.about["CA"])
    return [
        ("Write the configuration:", f"linkpost provision --from {config}"),
        ("Install the firmware and this emulator's CA:", f"linkpost deploy --ca {ca}"),
    ]


def _free_name() -> str:
    return f"board-{secrets.token_hex(2)}"
