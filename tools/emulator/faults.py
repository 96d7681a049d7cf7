"""Faults on demand: what goes wrong, for which device, how often."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Kind = Literal[
    "code",
    "delay",
    "close_before",
    "close_after",
    "close_middle",
    "drip",
    "drip_record",
    "drip_handshake",
    "stall",
    "garbage",
    "chunked",
    "no_content_length",
    "oversize_head",
    "oversize_body",
    "redirect",
    "status",
]

# Which parameters a kind reads, beside endpoint, device and times. The first is needed where a
# name ends in "!".
PARAMETERS: dict[str, tuple[str, ...]] = {
    "code": ("code!",),
    "delay": ("ms!",),
    "close_before": ("reset",),
    "close_after": ("reset",),
    "close_middle": ("bytes", "reset"),
    "drip": ("interval_ms",),
    "drip_record": ("interval_ms",),
    "drip_handshake": ("interval_ms",),
    "stall": (),
    "garbage": ("bytes",),
    "chunked": (),
    "no_content_length": (),
    "oversize_head": ("bytes",),
    "oversize_body": ("bytes",),
    "redirect": ("status", "location"),
    "status": ("status!",),
}
_ALL_PARAMETERS = {name.rstrip("!") for names in PARAMETERS.values() for name in names}

KINDS_TEXT = """\
The request is accepted and stored as usual, and its reply goes wrong:

- `delay`: comes `ms` later
- `close_after`: never comes; the connection is closed
- `close_middle`: the connection is closed after `bytes` of it (default 20)
- `drip`: one byte at a time, each in its own TLS record, every `interval_ms`
- `drip_record`: in one TLS record, whose bytes leave one at a time, every `interval_ms`
- `chunked`: with chunked encoding
- `no_content_length`: no Content-Length; it ends with the connection
- `oversize_head`, `oversize_body`: filled up to `bytes` (default 65536)

The request is counted, and nothing else happens to it:

- `code`: refused with that `code` on HTTP 200
- `status`: refused with that HTTP `status` and an empty body
- `redirect`: HTTP `status` (default 302) with that `location`
- `close_before`: the connection is closed without a reply
- `stall`: no reply, until the peer closes
- `garbage`: `bytes` random bytes (default 512) where HTTP is expected

Before any request is known, so endpoint and device are ignored:

- `drip_handshake`: the server's bytes of the TLS handshake leave one at a time
"""


class FaultRequest(BaseModel):
    """One fault to set."""

    model_config = ConfigDict(extra="forbid")

    kind: Kind = Field(description=KINDS_TEXT)
    endpoint: Literal["auth", "topic", "register"] | None = Field(
        default=None, description="Which requests; null: all."
    )
    device: str | None = Field(
        default=None,
        pattern=r"^[^/]+/[^/]+$",
        description="`ProductKey/DeviceName`; null: every device.",
    )
    times: int | None = Field(
        default=None, ge=1, description="How often; null: until it is removed."
    )
    code: int | None = Field(default=None, ge=1, description="`code`: the platform's reply code.")
    ms: int | None = Field(default=None, ge=0, le=600_000, description="`delay`: milliseconds.")
    interval_ms: int | None = Field(
        default=None, ge=1, le=60_000, description="`drip*`: ms between bytes; default 100."
    )
    bytes: int | None = Field(default=None, ge=0, le=16 * 1024 * 1024, description="How many.")
    status: int | None = Field(
        default=None, ge=200, le=599, description="`status`, `redirect`: HTTP status."
    )
    location: str | None = Field(
        default=None, pattern=r"^[!-~]+$", description="`redirect`: where to; default this topic."
    )
    reset: bool = Field(
        default=False, description="`close_*`: TCP says that the connection broke (RST)."
    )

    @model_validator(mode="after")
    def _parameters_belong_to_the_kind(self) -> FaultRequest:
        known = {name.rstrip("!") for name in PARAMETERS[self.kind]}
        given = {name for name in _ALL_PARAMETERS if getattr(self, name) not in (None, False)}
        if given - known:
            raise ValueError(f"{self.kind} has no {', '.join(sorted(given - known))}")
        for name in PARAMETERS[self.kind]:
            if name.endswith("!") and getattr(self, name.rstrip("!")) is None:
                raise ValueError(f"{self.kind} needs {name.rstrip('!')}")
        return self


class Fault(FaultRequest):
    """An active fault; `times` is how often it will still happen."""

    id: int = Field(description="For DELETE /api/faults/{id}.")
    hits: int = Field(default=0, description="How often it happened.")

    @property
    def interval_s(self) -> float:
        return (self.interval_ms or 100) / 1000


class FaultList:
    """The active faults, in the order they were set; the first that matches a request happens."""

    def __init__(self) -> None:
        self._faults: dict[int, Fault] = {}
        self._last_id = 0

    def add(self, request: FaultRequest) -> Fault:
        self._last_id += 1
        fault = Fault(id=self._last_id, **request.model_dump())
        self._faults[fault.id] = fault
        return fault

    def active(self) -> list[Fault]:
        return list(self._faults.values())

    def clear(self) -> None:
        self._faults.clear()

    def remove(self, fault_id: int) -> bool:
        """Remove the fault; tell whether there was one."""
        return self._faults.pop(fault_id, None) is not None

    def take(self, endpoint: str, device: str | None) -> Fault | None:
        """Return the fault that happens to this request, and count it."""
        for fault in self._faults.values():
            if fault.kind == "drip_handshake" or fault.endpoint not in (None, endpoint):
                continue
            if fault.device in (None, device):
                return self._hit(fault)
        return None

    def take_handshake(self) -> Fault | None:
        """Return the fault that happens to this new connection, and count it."""
        for fault in self._faults.values():
            if fault.kind == "drip_handshake":
                return self._hit(fault)
        return None

    def _hit(self, fault: Fault) -> Fault:
        fault.hits += 1
        if fault.times is not None:
            fault.times -= 1
            if fault.times == 0:
                del self._faults[fault.id]
        return fault
