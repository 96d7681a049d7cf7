"""Live views: what changed is shown within a second, and nobody pays for more.

Each part of a view polls on a timer of its own browser tab, at most twice a second, however many
messages arrive, and only when there is something new. A tab whose connection is lost does not
poll, and NiceGUI ends its timers when it has gone.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from nicegui import ui

_POLL_S = 0.5


async def follow(
    show: Callable[[], Awaitable[None]],
    version: Callable[[], object],
    *,
    least_s: float = 0.0,
    idle_s: float = 2.0,
) -> None:
    """Call `show` now, and again when `version` has changed, never twice at once.

    `version` must never return an earlier value: a switch that somebody turned on the page, and a
    program turned back before the next poll, has its old state again, but the page does not.

    Args: least_s, seconds between two calls at least; idle_s, seconds after which it is called
    though nothing changed, as "5 s ago" becomes untrue by itself.
    """
    client = ui.context.client
    seen, shown_s = version(), time.monotonic()
    await show()

    async def poll() -> None:
        nonlocal seen, shown_s
        if not client.has_socket_connection:
            return
        newest, now_s = version(), time.monotonic()
        passed_s = now_s - shown_s
        if (newest != seen and passed_s >= least_s) or passed_s >= idle_s:
            seen, shown_s = newest, now_s
            await show()

    ui.timer(_POLL_S, poll, immediate=False)
