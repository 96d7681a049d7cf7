"""The console's JSON API: what happened on the platform, and faults."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from fastapi_offline import FastAPIOffline
from pydantic import BaseModel, ConfigDict, Field

from .. import firmware
from . import api_products
from .admin import Admin, UnknownDeviceError, UnknownProductError
from .export import MEDIA_TYPES, Format, export_pages
from .faults import Fault, FaultRequest
from .queries import DeviceRow, MessageRow


class Requests(BaseModel):
    """Requests that named this device, whatever became of them."""

    auth: int
    topic: int


class DeviceView(BaseModel):
    """A device as the console shows it. Its secret and tokens are shown nowhere."""

    device: str = Field(description="`ProductKey/DeviceName`")
    product_key: str
    device_name: str
    enabled: bool
    state: Literal["inactive", "online", "offline", "disabled"] = Field(
        description="`inactive`: not authenticated since it was made or reset."
    )
    online: bool = Field(description="A request was accepted within the last five minutes.")
    last_seen_ms: int | None = Field(description="Unix ms of its last request.")
    last_code: int | None = Field(description="Of its last reply.")
    last_reason: str | None = Field(description="Why that was refused.")
    token_issued_ms: int | None = Field(description="Of its newest valid token.")
    token_expires_ms: int | None
    authentications: int = Field(description="Tokens issued.")
    accepted: int = Field(description="Messages accepted.")
    duplicates: int = Field(description="Readings that came again, by (stream, seq).")
    missing: int = Field(description="Readings that gaps in `seq` say there are.")
    requests: Requests
    refusals: dict[int, int] = Field(description="Replies with a code other than 0, by code.")


class AboutView(BaseModel):
    """The emulator itself."""

    platform: str = Field(description="`host:port`, as in a config's `endpoint`.")
    ca: str = Field(description="The certificate of its CA, PEM.")
    version: str


class NewDevice(BaseModel):
    """A device to register."""

    model_config = ConfigDict(extra="forbid")
    product_key: str
    device_name: str
    device_secret: str = Field(default="", description="Empty: a new one of 32 hex digits.")


class NewDeviceView(BaseModel):
    """A new device's triple."""

    device: str
    product_key: str
    device_name: str
    device_secret: str


class StreamView(BaseModel):
    """One stream of readings: what arrived of its `seq`, and what did not."""

    name: str = Field(description="Empty for alink, where `id` is the seq.")
    first: int
    last: int
    received: int = Field(description="Different readings.")
    duplicates: int
    missing: int = Field(description="Between first and last.")
    last_ms: int


class MessageView(BaseModel):
    """An accepted message."""

    id: int = Field(description="The 19-digit messageId that the device was given.")
    device: str
    topic: str
    time_ms: int = Field(description="When it was accepted; Unix ms.")
    payload_b64: str
    text: str | None = Field(description="The payload, where it is UTF-8.")


class TotalsView(BaseModel):
    """Counted since the start, of all clients."""

    connections: int
    evicted: int = Field(description="Closed while idle, to make room for another.")
    handshakes: int
    handshakes_failed: int
    requests: int
    malformed: int = Field(description="Not HTTP, or not in time.")
    refusals: dict[int, int]


class Settings(BaseModel):
    """What can be changed while the emulator runs."""

    model_config = ConfigDict(extra="forbid")
    keep_alive: bool = Field(description="Connections are kept, unless the client closes.")


class Expired(BaseModel):
    """How many tokens were expired."""

    expired: int


def make_api(admin: Admin) -> FastAPI:
    """Return the console's web application with the API in it; its page is `page.attach`'s."""
    service, queries = admin.service, admin.queries
    app: FastAPI = FastAPIOffline(title="linkpost emulator", redoc_url=None)

    def known(key: str) -> str:
        if not queries.devices(key):
            raise UnknownDeviceError(key)
        return key

    # Every handler is `async`, so that it runs in the loop's own thread, as `Admin` requires.

    @app.exception_handler(UnknownDeviceError)
    @app.exception_handler(UnknownProductError)
    async def say_unknown(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 404)

    @app.exception_handler(RequestValidationError)
    async def say_invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        # FastAPI's own answer repeats the input, a device's secret included.
        shown = [{key: flaw[key] for key in ("type", "loc", "msg")} for flaw in error.errors()]
        return JSONResponse({"detail": shown}, 422)

    @app.get("/api/about")
    async def about() -> AboutView:
        """The endpoint for devices, and the CA that they have to trust."""
        return AboutView(
            platform=admin.about["platform"].removeprefix("https://"),
            ca=Path(admin.about["CA"]).read_text(),
            version=firmware.version(),
        )

    @app.get("/api/devices")
    async def list_devices() -> list[DeviceView]:
        """Every device, in the order of registration."""
        return [_view_device(row) for row in queries.devices()]

    @app.post("/api/devices", status_code=201)
    async def add_device(device: NewDevice) -> NewDeviceView:
        """Register a device. The only call whose answer holds a secret, the new one's."""
        try:
            triple = admin.add_device(device.product_key, device.device_name, device.device_secret)
        except ValueError as error:
            raise HTTPException(409 if "already" in str(error) else 422, str(error)) from error
        return NewDeviceView(device=triple.key, **vars(triple))

    @app.delete("/api/devices/{product_key}/{device_name}", status_code=204)
    async def remove_device(product_key: str, device_name: str) -> None:
        """Delete the device, and all that was kept of it: messages, values, tokens."""
        await admin.remove_device(f"{product_key}/{device_name}")

    @app.post("/api/devices/{product_key}/{device_name}/reset", status_code=204)
    async def reset(product_key: str, device_name: str) -> None:
        """Make the device not activated, so that it can register for a new secret."""
        admin.reset_device(f"{product_key}/{device_name}")

    @app.get("/api/devices/{product_key}/{device_name}/streams")
    async def list_streams(product_key: str, device_name: str) -> list[StreamView]:
        """Duplicates and gaps in `seq`, by stream, the one heard of last first."""
        key = known(f"{product_key}/{device_name}")
        return [StreamView(**vars(row)) for row in queries.streams(key)]

    @app.post("/api/devices/{product_key}/{device_name}/expire-tokens")
    async def expire_tokens(product_key: str, device_name: str) -> Expired:
        """Expire every token of the device: its next message gets 20001."""
        return Expired(expired=admin.expire_tokens(f"{product_key}/{device_name}"))

    @app.post("/api/devices/{product_key}/{device_name}/disable", status_code=204)
    async def disable(product_key: str, device_name: str) -> None:
        """Disable the device: 20000 on /auth, 20003 for its tokens."""
        admin.set_enabled(f"{product_key}/{device_name}", False)

    @app.post("/api/devices/{product_key}/{device_name}/enable", status_code=204)
    async def enable(product_key: str, device_name: str) -> None:
        """Enable the device."""
        admin.set_enabled(f"{product_key}/{device_name}", True)

    @app.get(
        "/api/messages",
        response_model=list[MessageView],
        responses={200: {"content": {kind: {} for kind in MEDIA_TYPES}}},
    )
    async def list_messages(
        request: Request,
        device: Annotated[str | None, Query(description="`ProductKey/DeviceName`")] = None,
        topic: str | None = None,
        after: Annotated[int, Query(ge=0, lt=2**63, description="Only ids above this.")] = 0,
        limit: Annotated[
            int | None, Query(ge=1, le=10_000, description="Default: 1000; csv, ndjson: all.")
        ] = None,
        format: Annotated[
            Format | None, Query(description="Instead of JSON; or Accept: text/csv, ...")
        ] = None,
        refused: Annotated[bool, Query(description="csv, ndjson: refused messages too.")] = False,
    ) -> Any:
        """Messages that were accepted, oldest first; the next page is `after` = the last id.

        A page holds at most `limit` messages, and fewer where they are large: only an empty page
        is the end. As CSV or NDJSON all of them stream in one reply. In CSV a cell that a
        spreadsheet would take for a formula has a `'` before it; `payload_b64` is exact.
        """
        if device is not None:
            known(device)
        accepted = request.headers.get("accept", "").lower()
        chosen = format if format else MEDIA_TYPES.get(accepted)
        if chosen is None:
            found = queries.messages_after(after, device=device, topic=topic, limit=limit or 1000)
            return [_view_message(message) for message in found]
        # Starlette draws from a plain iterator in threads of its own.
        pages = export_pages(
            queries, chosen, device=device, topic=topic, refused=refused, after=after, limit=limit
        )
        return StreamingResponse(
            pages,
            media_type=next(kind for kind, name in MEDIA_TYPES.items() if name == chosen),
            headers={"Content-Disposition": f"attachment; filename=messages.{chosen}"},
        )

    api_products.add_routes(app, admin)

    @app.get("/api/faults")
    async def list_faults() -> list[Fault]:
        """The faults that are set, in the order in which they are tried."""
        return admin.faults()

    @app.post("/api/faults", status_code=201)
    async def add_fault(fault: FaultRequest) -> Fault:
        """Set a fault; of several that match a request, the one set first happens."""
        return admin.add_fault(fault)

    @app.delete("/api/faults", status_code=204)
    async def clear_faults() -> None:
        """Remove every fault."""
        admin.clear_faults()

    @app.delete("/api/faults/{fault_id}", status_code=204)
    async def remove_fault(fault_id: int) -> Response:
        """Remove one fault."""
        if not admin.remove_fault(fault_id):
            raise HTTPException(404, f"no fault {fault_id}; it may be over already")
        return Response(status_code=204)

    @app.get("/api/totals")
    async def totals() -> TotalsView:
        """Connections, handshakes and requests since the start."""
        return TotalsView(**vars(service.platform.totals))

    @app.get("/api/settings")
    async def get_settings() -> Settings:
        return Settings(keep_alive=service.keep_alive)

    @app.put("/api/settings")
    async def put_settings(settings: Settings) -> Settings:
        """Change how the platform behaves, from the next request on."""
        service.keep_alive = settings.keep_alive
        return settings

    return app


def _view_device(row: DeviceRow) -> DeviceView:
    return DeviceView(
        online=row.state == "online",
        requests=Requests(auth=row.auth_requests, topic=row.topic_requests),
        refusals=row.refused,
        **{name: value for name, value in vars(row).items() if name in DeviceView.model_fields},
    )


def _view_message(message: MessageRow) -> MessageView:
    try:
        text: str | None = message.payload.decode()
    except UnicodeDecodeError:
        text = None
    return MessageView(
        id=message.id,
        device=message.device or "",
        topic=message.topic,
        time_ms=message.time_ms,
        payload_b64=base64.b64encode(message.payload).decode(),
        text=text,
    )
