"""Names and values in a grid, as text."""

from __future__ import annotations

from nicegui import ui


class Facts:
    """A grid whose values change; its names are the page's own texts."""

    def __init__(self, *, wide: bool = False) -> None:
        self._grid = ui.element("div").classes("facts wide" if wide else "facts")
        self._values: dict[str, ui.label] = {}

    def show(self, facts: dict[str, str]) -> None:
        """Show these names and values."""
        for name, value in facts.items():
            if name not in self._values:
                with self._grid, ui.element("div").classes("fact"):
                    ui.label(name).classes("name")
                    self._values[name] = ui.label().classes("value").mark(name)
            self._values[name].set_text(value)
