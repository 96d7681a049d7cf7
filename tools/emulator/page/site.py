"""The views put together as one web application."""

from __future__ import annotations

from fastapi import FastAPI
from nicegui import ui

from ..admin import Admin
from . import device, devices, faults, messages, new_device, products
from .device_table import DeviceTable


def build(admin: Admin) -> FastAPI:
    """Return the page's application; its lifespan is the caller's to run. Once per process."""
    device_table = DeviceTable(admin)
    devices.register(admin, device_table)
    device.register(admin, device_table)
    messages.register(admin)
    faults.register(admin)
    new_device.register(admin)
    products.register(admin)
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
