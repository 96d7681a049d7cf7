"""Products: a secret that gives each device of a product its own, and the devices made for it."""

from __future__ import annotations

import re
import secrets
import shlex

from fastapi import Request
from nicegui import ui

from ..desk import Desk
from ..queries import ProductRow
from . import live, words
from .frame import action, code_box, frame, heading, panel, title
from .new_device import endpoint


def register(desk: Desk) -> None:
    """Serve the view."""

    @ui.page("/products", title="Products · linkpost emulator")
    async def view(request: Request) -> None:
        async with frame(desk, request, "/products"):
            title("Products")
            ui.label(
                "A product's secret stays at the bench and gives each of its devices a secret of "
                "its own: linkpost register asks for it. The devices are made here beforehand."
            ).classes("soft")
            await _list(desk)
            _new(desk)


async def _list(desk: Desk) -> None:
    with panel() as nothing:
        ui.label("No product yet: make one below.").classes("soft")
    place = ui.element("div").classes("stack")
    shown: dict[str, _Product] = {}

    async def show() -> None:
        rows = desk.queries.products()
        nothing.set_visibility(not rows)
        place.set_visibility(bool(rows))
        for row in rows:
            if row.product_key not in shown:
                with place:
                    shown[row.product_key] = _Product(desk, row)
            shown[row.product_key].show(row)

    await live.follow(show, lambda: desk.changes.version, idle_s=3600)


class _Product:
    """One product's panel. What a person is typing there stays while the numbers change."""

    def __init__(self, desk: Desk, row: ProductRow):
        self._desk = desk
        self._key = row.product_key
        with panel():
            with ui.element("div").classes("line spread"):
                heading("h2", row.product_key)
                self._switch = ui.switch("Dynamic registration", value=row.registration)
                self._switch.on_value_change(lambda event: self._turn(event.value))
            self._counts = ui.label().classes("soft").mark("counts")
            with ui.element("div").classes("line filters"):
                self._names = ui.textarea("Names to make, one per line")
                self._names.props("dense outlined autogrow")
                action("Make them", self._add).classes("start")

    def show(self, row: ProductRow) -> None:
        left = row.devices - row.activated
        self._counts.set_text(
            f"{words.count(row.devices, 'device')}: {row.activated:,} activated, {left:,} may be "
            "registered."
        )
        self._switch.set_value(row.registration)

    def _turn(self, on: bool) -> None:
        rows = {row.product_key: row for row in self._desk.queries.products()}
        if rows[self._key].registration == on:  # it was set here, not by the person
            return
        self._desk.set_registration(self._key, on)
        ui.notify("Its secret gives secrets out." if on else "Its secret gives nothing out now.")

    def _add(self) -> None:
        names = [name for name in re.split(r"[\s,;]+", self._names.value or "") if name]
        self._names.error = None
        if not names:
            self._names.error = "Type a name first, 4 to 32 characters."
            return
        try:
            added = self._desk.add_names(self._key, names)
        except ValueError as error:
            self._names.error = str(error)
            return
        self._names.set_value("")
        known = len(names) - added
        more = f"; there already: {known:,}" if known else ""
        ui.notify(f"Made {words.count(added, 'device')}{more}.")


def _new(desk: Desk) -> None:
    with panel("New product"):
        ui.label("Its secret is made here and given out once, in a file.").classes("soft")
        with ui.element("div").classes("line filters"):
            key = ui.input("Product key", value=_free_key()).props("dense outlined")
            ui.button("Make it", on_click=lambda: make()).props("no-caps")
    result = ui.element("div").classes("stack")

    def make() -> None:
        product_key = key.value.strip()
        key.error = None
        try:
            secret = desk.add_product(product_key)
        except ValueError as error:
            key.error = str(error)
            return
        result.clear()
        with result:
            _show_made(desk, product_key, secret)
        key.set_value(_free_key())


def _show_made(desk: Desk, product_key: str, secret: str) -> None:
    name = f"{product_key}.secret".replace("*", "_")
    with panel(f"{product_key} is made"):
        with ui.element("div").classes("line"):
            ui.button(
                "Download its secret", icon="download",
                on_click=lambda: ui.download.content(f"{secret}\n", name, "text/plain"),
            ).props("no-caps")  # fmt: skip
            ui.label("It is shown nowhere: keep the file, at the bench only.").classes("soft")
        ui.label("Then, where names.csv has a line DeviceName and the names below it:").classes(
            "soft"
        )
        code_box(register_command(desk, product_key, name))


def register_command(desk: Desk, product_key: str, secret_file: str) -> str:
    """Return what to type for the secrets of a list of names."""
    return (
        f"linkpost register --product-key {shlex.quote(product_key)}"
        f" --product-secret-file {shlex.quote(secret_file)}"
        f" --csv names.csv --out devices.csv --host {endpoint(desk)}"
        f" --ca {shlex.quote(desk.about['CA'])}"
    )


def _free_key() -> str:
    return f"a1{secrets.token_hex(4)}"
