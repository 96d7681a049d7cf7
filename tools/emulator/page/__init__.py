"""The console's page: what a person sees of the running emulator."""

from __future__ import annotations

import html

from fastapi import FastAPI
from fastapi.responses import HTMLResponse

from tools.emulator.desk import Desk


def attach(app: FastAPI, desk: Desk) -> None:
    """Serve the page at `/` of the console's web application."""

    @app.get("/", response_class=HTMLResponse, include_in_schema=False)
    async def index() -> str:
        rows = "".join(
            f"<dt>{html.escape(label)}</dt><dd><code>{html.escape(text)}</code></dd>"
            for label, text in desk.about.items()
        )
        links = "".join(
            f'<li><a href="{path}">{path}</a>: {text}</li>'
            for path, text in (
                ("/api/devices", "devices and their counters"),
                ("/api/messages", "messages, oldest first"),
                ("/api/faults", "faults that are set"),
                ("/api/totals", "connections and requests since the start"),
                ("/docs", "the whole API"),
            )
        )
        return (
            "<!doctype html><html lang=en><meta charset=utf-8><title>linkpost emulator</title>"
            f"<h1>linkpost emulator</h1><dl>{rows}</dl><ul>{links}</ul></html>"
        )
