"""The console's JSON API: what happened on the platform, and what shall go wrong."""

from __future__ import annotations

import base64
import time
from typing import Annotated

from fastapi import FastAPI, HTTPException, Query, Response
from fastapi_offline import FastAPIOffline
from pydantic import BaseModel, ConfigDict, Field

from tools.emulator.desk import Desk
from tools.emulator.faults import Fault, FaultRequest
from tools.emulator.store import Device, DeviceState, Message

_ONLINE_MS = 300_000


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
    online: bool = Field(description="Heard of within the last five minutes.")
    last_seen_ms: int | None = Field(description="Unix ms of its last request.")
    authentications: int = Field(description="Tokens issued.")
    accepted: int = Field(description="Messages accepted.")
    requests: Requests
    refusals: dict[int, int] = Field(description="Replies with a code other than 0, by code.")


class MessageView(BaseModel):
    """An accepted message."""

    id: int = Field(description="The 19-digit messageId that the device was given.")
    device: str
    topic: str
    time_ms: int = Field(description="When it was accepted; Unix ms.")
    payload_b64: str
    text: str | None = Field(description="The payload, where it is UTF-8.")


class TotalsView(BaseModel):
    """Counted since the start, whoever asked."""

    connections: int
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
    """How many tokens expired."""

    expired: int


def make_api(desk: Desk) -> FastAPI:
    """Return the console's web application with the API in it; its page is `page.attach`'s."""
    store, service = desk.store, desk.service
    app: FastAPI = FastAPIOffline(title="linkpost emulator", redoc_url=None)

    # Every handler is `async`, so that it runs in the loop's own thread: the store's only one.

    def find(key: str) -> Device:
        product_key, _, device_name = key.partition("/")
        device = store.find_device(product_key, device_name)
        if device is None:
            raise HTTPException(404, f"no device {key}; write PRODUCT_KEY/DEVICE_NAME")
        return device

    @app.get("/api/devices")
    async def list_devices() -> list[DeviceView]:
        """Every device, in the order of registration."""
        now_ms = time.time_ns() // 1_000_000
        return [_view_device(state, now_ms) for state in store.device_states()]

    @app.post("/api/devices/{product_key}/{device_name}/expire-tokens")
    async def expire_tokens(product_key: str, device_name: str) -> Expired:
        """Let every token of the device be expired: its next message meets 20001."""
        device = find(f"{product_key}/{device_name}")
        with store.transaction():
            return Expired(expired=store.expire_tokens(device, time.time_ns() // 1_000_000))

    @app.post("/api/devices/{product_key}/{device_name}/disable", status_code=204)
    async def disable(product_key: str, device_name: str) -> None:
        """Refuse the device: 20000 on /auth, 20003 for its tokens."""
        with store.transaction():
            store.set_enabled(find(f"{product_key}/{device_name}"), False)

    @app.post("/api/devices/{product_key}/{device_name}/enable", status_code=204)
    async def enable(product_key: str, device_name: str) -> None:
        """Let the device in again."""
        with store.transaction():
            store.set_enabled(find(f"{product_key}/{device_name}"), True)

    @app.get("/api/messages")
    async def list_messages(
        device: Annotated[str | None, Query(description="`ProductKey/DeviceName`")] = None,
        topic: str | None = None,
        after: Annotated[int, Query(ge=0, lt=2**63, description="Only ids above this.")] = 0,
        limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
    ) -> list[MessageView]:
        """Messages, oldest first; the next page is asked for with `after` = the last id.

        A page holds at most `limit` messages, and fewer where they are large: only an empty page
        is the end.
        """
        wanted = find(device) if device is not None else None
        found = store.messages(device=wanted, topic=topic, after=after, limit=limit)
        return [_view_message(message) for message in found]

    @app.get("/api/faults")
    async def list_faults() -> list[Fault]:
        """The faults that are set, in the order in which they are tried."""
        return service.faults.waiting()

    @app.post("/api/faults", status_code=201)
    async def add_fault(fault: FaultRequest) -> Fault:
        """Let something go wrong; of several that fit a request, the first set happens."""
        if fault.device is not None:
            find(fault.device)
        return service.faults.add(fault)

    @app.delete("/api/faults", status_code=204)
    async def clear_faults() -> None:
        """Let everything go well again."""
        service.faults.clear()

    @app.delete("/api/faults/{fault_id}", status_code=204)
    async def remove_fault(fault_id: int) -> Response:
        """Forget one fault."""
        if not service.faults.remove(fault_id):
            raise HTTPException(404, f"no fault {fault_id}; it may have happened already")
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


def _view_device(state: DeviceState, now_ms: int) -> DeviceView:
    seen = state.last_seen_ms
    return DeviceView(
        device=state.device.key,
        product_key=state.device.product_key,
        device_name=state.device.device_name,
        enabled=state.device.enabled,
        online=seen is not None and now_ms - seen < _ONLINE_MS,
        last_seen_ms=seen,
        authentications=state.authentications,
        accepted=state.accepted,
        requests=Requests(auth=state.auth_requests, topic=state.topic_requests),
        refusals=state.refusals,
    )


def _view_message(message: Message) -> MessageView:
    try:
        text: str | None = message.payload.decode()
    except UnicodeDecodeError:
        text = None
    return MessageView(
        id=message.id,
        device=message.device,
        topic=message.topic,
        time_ms=message.time_ms,
        payload_b64=base64.b64encode(message.payload).decode(),
        text=text,
    )
