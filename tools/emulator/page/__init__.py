"""The console's page: the running emulator, live in a browser.

`attach` costs nothing by itself: NiceGUI, which takes half a second to import, is loaded when the
first browser asks. One file per view; `site` puts them together.

Rule: what devices sent is shown as text. It goes into labels, table cells and chart values, never
into `ui.html`, `ui.markdown`, a `.props("...")` string, or a *key* of a chart's or table's options
(NiceGUI evaluates keys that begin with a colon).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from ..admin import Admin


def attach(app: FastAPI, admin: Admin) -> None:
    """Serve the page at `/` of the console's web application; call it after every other route."""
    page = _PageOnDemand(admin)
    app.mount("/", page)
    inner = app.router.lifespan_context

    @contextlib.asynccontextmanager
    async def lifespan(of: FastAPI) -> AsyncIterator[Any]:
        async with inner(of) as state:
            try:
                yield state
            finally:
                await page.close()

    app.router.lifespan_context = lifespan


class _PageOnDemand:
    """An ASGI application that is built when it is first asked."""

    def __init__(self, admin: Admin):
        self._admin = admin
        self._app: ASGIApp | None = None
        self._building = asyncio.Lock()
        self._open = contextlib.AsyncExitStack()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/api/"):
            # For programs: a path that the API lacks is no reason to load a page.
            await JSONResponse({"detail": "Not Found"}, 404)(scope, receive, send)
            return
        if self._app is None:
            async with self._building:
                if self._app is None:
                    self._app = await self._build()
        await self._app(scope, receive, send)

    async def _build(self) -> ASGIApp:
        # In a thread, so that boards are answered meanwhile.
        site = await asyncio.to_thread(_load_site)
        app: FastAPI = site.build(self._admin)
        await self._open.enter_async_context(app.router.lifespan_context(app))
        return app

    async def close(self) -> None:
        """End what the page has running."""
        await self._open.aclose()


def _load_site() -> Any:
    from . import site

    return site
