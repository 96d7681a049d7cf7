"""Products: dynamic registration, and the devices created for it."""

from __future__ import annotations

import re
import secrets
import shlex

from fastapi import Request
from nicegui import ui

from ..admin import Admin
from ..queries import ProductRow
from . import formatting, live
from .frame import action, code_box, frame, heading, panel, title
from .new_device import endpoint


def register(admin: Admin) -> None:
    """Serve the view."""

    @ui.page("/products", title="Products · linkpost emulator")
    async def view(request: Request) -> None:
        async with frame(admin, request, "/products"):
            title("Products")
            ui.label(
                "With a product's secret, linkpost register gets each device of the product a "
                "secret of its own. Create the devices here first."
            ).classes("muted")
            await _list(admin)
            _new(admin)


async def _list(admin: Admin) -> None:
    with panel() as nothing:
        ui.label("No product yet: create one below.").classes("muted")
    place = ui.element("div").classes("stack")
    shown: dict[str, _Product] = {}

    async def show() -> None:
        rows = admin.queries.products()
        nothing.set_visibility(not rows)
        place.set_visibility(bool(rows))
        for row in rows:
            if row.product_key not in shown:
                with place:
                    shown[row.product_key] = _Product(admin, row)
            shown[row.product_key].show(row)

    await live.follow(show, lambda: admin.changes.version, idle_s=3600)


class _Product:
    """One product's panel. What somebody is typing there stays while the numbers change."""

    def __init__(self, admin: Admin, row: ProductRow):
        self._admin = admin
        self._key = row.product_key
        with panel():
            with ui.element("div").classes("flex-row space-between"):
                heading("h2", row.product_key)
                self._switch = ui.switch("Dynamic registration", value=row.registration)
                self._switch.on_value_change(lambda event: self._set_registration(event.value))
            self._counts = ui.label().classes("muted").mark("counts")
            with ui.element("div").classes("flex-row filters"):
                self._names = ui.textarea("Device names, one per line")
                self._names.props("dense outlined autogrow")
                action("Create devices", self._add).classes("align-start")

    def show(self, row: ProductRow) -> None:
        left = row.devices - row.activated
        self._counts.set_text(
            f"{formatting.count(row.devices, 'device')}: {row.activated:,} activated,"
            f" {left:,} not yet."
        )
        self._switch.set_value(row.registration)

    def _set_registration(self, on: bool) -> None:
        rows = {row.product_key: row for row in self._admin.queries.products()}
        if rows[self._key].registration == on:  # `show` has set it, not somebody's click
            return
        self._admin.set_registration(self._key, on)
        ui.notify(f"Dynamic registration is {'on' if on else 'off'}.")

    def _add(self) -> None:
        names = [name for name in re.split(r"[\s,;]+", self._names.value or "") if name]
        self._names.error = None
        if not names:
            self._names.error = "Type a name first, 4 to 32 characters."
            return
        try:
            added = self._admin.add_names(self._key, names)
        except ValueError as error:
            self._names.error = str(error)
            return
        self._names.set_value("")
        known = len(names) - added
        more = f"; already there: {known:,}" if known else ""
        ui.notify(f"Created {formatting.count(added, 'device')}{more}.")


def _new(admin: Admin) -> None:
    with panel("New product"):
        ui.label("Its secret is made here and given out once, in a file.").classes("muted")
        with ui.element("div").classes("flex-row filters"):
            key = ui.input("Product key", value=_free_key()).props("dense outlined")
            ui.button("Create product", on_click=lambda: create()).props("no-caps")
    result = ui.element("div").classes("stack")

    def create() -> None:
        product_key = key.value.strip()
        key.error = None
        try:
            secret = admin.add_product(product_key)
        except ValueError as error:
            key.error = str(error)
            return
        result.clear()
        with result:
            _show_created(admin, product_key, secret)
        key.set_value(_free_key())


def _show_created(admin: Admin, product_key: str, secret: str) -> None:
    name = f"{product_key}.secret".replace("*", "_")
    with panel(f"Product {product_key} created"):
        with ui.element("div").classes("flex-row"):
            ui.button(
                "Download secret", icon="download",
                on_click=lambda: ui.download.content(f"{secret}\n", name, "text/plain"),
            ).props("no-caps")  # fmt: skip
            ui.label("It is not shown again: keep the file, and keep it secret.").classes("muted")
        ui.label("Next, with names.csv: a line DeviceName, then one name per line:").classes(
            "muted"
        )
        code_box(register_command(admin, product_key, name))


def register_command(admin: Admin, product_key: str, secret_file: str) -> str:
    """Return the command that gets the secrets of a list of names."""
    return (
        f"linkpost register --product-key {shlex.quote(product_key)}"
        f" --product-secret-file {shlex.quote(secret_file)}"
        f" --csv names.csv --out devices.csv --host {endpoint(admin)}"
        f" --ca {shlex.quote(admin.about['CA'])}"
    )


def _free_key() -> str:
    return f"a1{secrets.token_hex(4)}"
