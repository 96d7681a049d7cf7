"""Live views: what changed is shown within a second, and nobody pays for more.

Each part of a view looks on a timer of its own browser tab, at most twice a second, however many
messages arrive, and only when there is something new. A tab whose connection is lost does not
look, and NiceGUI ends its timers when it has gone.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from nicegui import ui

_TICK_S = 0.5


async def follow(
    show: Callable[[], Awaitable[None]],
    version: Callable[[], object],
    *,
    least_s: float = 0.0,
    idle_s: float = 2.0,
) -> None:
    """Call `show` now, and again when `version` has changed, never twice at once.

    What `version` returns must never come back: a switch that a person turned and a program turned
    back between two looks has the state that was seen before, but not on the page.

    Args: least_s, seconds between two calls at least; idle_s, seconds after which it is called
    though nothing changed, as "5 s ago" becomes untrue by itself.
    """
    client = ui.context.client
    seen, shown_s = version(), time.monotonic()
    await show()

    async def look() -> None:
        nonlocal seen, shown_s
        if not client.has_socket_connection:
            return
        newest, now_s = version(), time.monotonic()
        passed_s = now_s - shown_s
        if (newest != seen and passed_s >= least_s) or passed_s >= idle_s:
            seen, shown_s = newest, now_s
            await show()

    ui.timer(_TICK_S, look, immediate=False)
