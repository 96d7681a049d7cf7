"""Newer and older: pages of what is too much for one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from nicegui import ui

from .frame import action


class Pager:
    """Two buttons under a table: newer, older.

    Args: `show_page` shows the page below an id (None: the newest) and returns the id to pass for
    the next page, None at the end.
    """

    def __init__(self, show_page: Callable[[int | None], Awaitable[int | None]]):
        self._show_page = show_page
        self._starts: list[int | None] = [None]
        self._next: int | None = None
        with ui.element("div").classes("flex-row"):
            self._newer = action("Newer", self._go_back, "chevron_left")
            self._older = action("Older", self._go_on, "chevron_right")
            self._position = ui.label().classes("muted")

    async def show(self) -> None:
        """Show the current page again: the newest one moves on, others stay."""
        self._next = await self._show_page(self._starts[-1])
        at = len(self._starts)
        self._newer.set_enabled(at > 1)
        self._older.set_enabled(self._next is not None)
        self._position.set_text("newest" if at == 1 else f"page {at}")

    async def restart(self) -> None:
        """Go to the newest page, as after another filter."""
        self._starts = [None]
        await self.show()

    async def _go_on(self) -> None:
        if self._next is not None:
            self._starts.append(self._next)
            await self.show()

    async def _go_back(self) -> None:
        if len(self._starts) > 1:
            self._starts.pop()
            await self.show()
