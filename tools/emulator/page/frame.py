"""What every view has around it: title, navigation, light or dark, the faults that are set."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

from fastapi import Request
from nicegui import ui
from nicegui.element import Element

from ..admin import Admin
from . import formatting, live
from .device_health import Status
from .fault_labels import KINDS

_COOKIE = "linkpost-appearance"
_APPEARANCES = {"light": False, "dark": True}  # no cookie: the system's choice
_VIEWS = (
    ("Devices", "/"),
    ("Messages", "/messages"),
    ("Faults", "/faults"),
    ("New device", "/new"),
    ("Products", "/products"),
)

# New rows make all rows of a table anew in the browser: what has the focus, by its `data-focus`,
# keeps it.
_KEEP_FOCUS = """<script>(() => {
  if (window.keepsFocus) return;
  window.keepsFocus = true;
  let focused = null;
  document.addEventListener('focusin', event => { focused = event.target.dataset.focus ?? null; });
  document.addEventListener('pointerdown', () => { focused = null; });
  new MutationObserver(() => {
    if (focused !== null && document.activeElement === document.body)
      document.querySelector(`[data-focus="${focused}"]`)?.focus({preventScroll: true});
  }).observe(document, {childList: true, subtree: true});
})();</script>"""


@functools.cache
def _theme() -> str:
    return Path(__file__).with_name("theme.css").read_text(encoding="utf-8")


@contextlib.asynccontextmanager
async def frame(admin: Admin, request: Request, here: str) -> AsyncIterator[None]:
    """Put the block's elements into a page; `here` is the path of the view in the navigation."""
    ui.add_css(_theme())
    ui.add_head_html(_KEEP_FOCUS)
    ui.colors(primary="#1f6f9f", accent="#8a5300", positive="#11763b", negative="#b3261e")
    dark = ui.dark_mode(_APPEARANCES.get(request.cookies.get(_COOKIE, "")))
    with ui.header().classes("frame-header"):
        ui.link("linkpost emulator", "/").classes("brand")
        for name, path in _VIEWS:
            ui.link(name, path).classes("current" if path == here else "")
        ui.space()
        _appearance_switch(dark)
    with ui.column().classes("page-body"):
        await _fault_bar(admin)
        yield


def _appearance_switch(dark: ui.dark_mode) -> None:
    """Light, dark, or the system's choice; kept in a cookie, for the next view."""

    def choose(name: str) -> None:
        dark.value = _APPEARANCES.get(name)
        age_s = 365 * 24 * 3600 if name in _APPEARANCES else 0
        ui.run_javascript(
            f"document.cookie = '{_COOKIE}={name}; path=/; max-age={age_s}; samesite=strict'"
        )

    with ui.button(icon="contrast").props("flat round dense color=white"):
        ui.tooltip("Light or dark")
        with ui.menu():
            for name, text in (("light", "Light"), ("dark", "Dark"), ("system", "System")):
                ui.menu_item(text, functools.partial(choose, name))


async def _fault_bar(admin: Admin) -> None:
    """One line on every view while a fault is set."""
    with ui.element("div").classes("fault-bar flex-row") as bar:
        label = ui.label()
        ui.link("Show and remove", "/faults")

    async def show() -> None:
        faults = admin.faults()
        bar.set_visibility(bool(faults))
        if faults:
            kinds = ", ".join(sorted({KINDS[fault.kind][0] for fault in faults}))
            label.set_text(f"{formatting.count(len(faults), 'active fault')}: {kinds}.")

    await live.follow(show, lambda: [(fault.id, fault.times) for fault in admin.faults()])


def title(text: str) -> Element:
    """A view's heading."""
    return heading("h1", text)


def heading(tag: str, text: str) -> Element:
    """Text in an HTML element of that name."""
    return _Text(tag, text)


class _Text(ui.label):
    """Text, shown as text, in an element of any name."""

    def __init__(self, tag: str, text: str):
        super().__init__(text)
        self.tag = tag


def code_box(text: str) -> Element:
    """Text as it is, with its line breaks."""
    return _Text("pre", text).classes("code-box mono")


def action(text: str, on_click: Callable[..., Any], icon: str | None = None) -> ui.button:
    """A secondary button."""
    button = ui.button(text, on_click=on_click, icon=icon, color=None)
    return button.props("outline no-caps").classes("action")


@contextlib.contextmanager
def panel(name: str = "") -> Iterator[Element]:
    """A part of a view, with a heading where it has a name."""
    with ui.card().classes("panel") as card:
        if name:
            heading("h2", name)
        yield card


class Badge:
    """A coloured label with a status."""

    def __init__(self) -> None:
        self._label = ui.label().classes("badge").mark("badge")
        self._status = ""

    def show(self, status: Status, label: str) -> None:
        """Show the label in the status' colour."""
        self._label.classes(add=f"is-{status}", remove=f"is-{self._status}")
        self._status = status
        self._label.set_text(label)
