"""One request as it came over the wire, and the platform's answer to it."""

from __future__ import annotations

from dataclasses import dataclass, field

AUTH = "auth"
TOPIC = "topic"
REGISTER = "register"


@dataclass(frozen=True)
class Request:
    """One request as it came over the wire. Header names are in lower case.

    `body` is None where the peer sent less than its Content-Length, or more than the limit.
    """

    method: str
    target: str
    headers: dict[str, str] = field(repr=False)
    body: bytes | None = field(repr=False)
    raw_head: bytes = field(default=b"", repr=False)  # as it was on the wire
    flaw: str = ""  # why there is no body

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def endpoint(self) -> str | None:
        if self.path == "/auth":
            return AUTH
        if self.path == "/auth/register/device":
            return REGISTER
        return TOPIC if self.path.startswith("/topic/") else None

    @property
    def topic(self) -> str:
        return self.path.removeprefix("/topic")


@dataclass(frozen=True)
class Answer:
    """HTTP status, and the JSON reply's code and info; no code where the body is empty.

    A registration's reply has `data` in the place of `info`.
    """

    status: int = 200
    code: int | None = None
    info: dict[str, object] | None = field(default=None, repr=False)
    data: dict[str, str] | None = field(default=None, repr=False)
    reason: str | None = None  # why it is a refusal; not sent

    @property
    def given_out(self) -> str | None:
        """Return the secret that the reply gives out, if any: a token, a device's secret."""
        token = (self.info or {}).get("token") or (self.data or {}).get("deviceSecret")
        return token if isinstance(token, str) else None
