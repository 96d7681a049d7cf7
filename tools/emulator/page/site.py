"""The views put together as one web application."""

from __future__ import annotations

from fastapi import FastAPI
from nicegui import ui

from ..desk import Desk
from . import device, devices, faults, messages, new_device, products
from .roster import Roster


def build(desk: Desk) -> FastAPI:
    """Return the page's application; its lifespan is the caller's to run. Once per process."""
    roster = Roster(desk)
    devices.register(desk, roster)
    device.register(desk, roster)
    messages.register(desk)
    faults.register(desk)
    new_device.register(desk)
    products.register(desk)
    app = FastAPI(openapi_url=None)
    ui.run_with(
        app,
        title="linkpost emulator",
        dark=None,
        tailwind=False,  # 300 KB of script that each view would run; theme.css is enough
        binding_refresh_interval=None,
        show_welcome_message=False,
        message_history_length=200,
    )
    return app
