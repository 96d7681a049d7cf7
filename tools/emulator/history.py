"""What happened, request by request: messages, authentications, and what went over the wire."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .masking import KEEP_BYTES, mask_body, mask_form, mask_head, mask_text
from .request import Request
from .store import Device
from .tally import Tally

if TYPE_CHECKING:
    from .registration import Registration
    from .rules import AuthFields

_TEXT_MAX = 1000
REGISTRATION = "registration"  # in the place of a client id, which a registration has not
_TOPIC_MAX = 256  # a refused one may be longer than topics are


@dataclass(frozen=True)
class Happened:
    """One request and what became of it."""

    id: int
    time_ms: int
    request: Request = field(repr=False)
    device: Device | None
    code: int | None  # None: no reply of the platform
    reason: str | None  # why it was refused, in words without a secret
    fault: str | None
    reply: bytes = field(repr=False)  # masked
    secret: str = field(default="", repr=False)  # of the device that it names, to be masked


class History:
    """Keeps requests. Every call belongs into the transaction that decides the request."""

    def __init__(self, db: sqlite3.Connection):
        self._db = db
        self._tally = Tally(db)

    def keep_message(self, happened: Happened) -> str | None:
        """Keep a request on a topic, and count its readings where it was accepted.

        Returns the reason as it may be shown.
        """
        request, device = happened.request, happened.device
        topic = mask_text(request.topic, self._secrets(happened))[:_TOPIC_MAX]
        reason = self._reason(happened, self._secrets(happened))
        self._db.execute(
            "INSERT INTO message VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                happened.id,
                device.id if device else None,
                request.topic if happened.code == 0 else topic,
                happened.time_ms,
                happened.code,
                happened.fault,
                reason,
                request.body or b"",
            ),
        )
        self._keep_wire(happened, b"")
        if happened.code == 0 and device:
            self._tally.add(device.id, happened.id, request.body or b"", happened.time_ms)
        return reason

    def keep_authentication(self, happened: Happened, auth: AuthFields | None) -> str | None:
        """Keep a request on /auth; `auth` is None where its body could not be read.

        Returns the reason as it may be shown.
        """
        secrets = self._secrets(happened)
        if auth:
            secrets.append(auth.fields["sign"])
        reason = self._reason(happened, secrets)
        device = happened.device
        claimed = f"{auth.product_key}/{auth.device_name}"[:_TEXT_MAX] if auth else ""
        self._db.execute(
            "INSERT INTO authentication VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                happened.id,
                device.id if device else None,
                mask_text(claimed, secrets) if device is None else device.key,
                happened.time_ms,
                happened.code,
                happened.fault,
                auth.sign_method if auth else None,
                mask_text(auth.client_id, secrets) if auth else None,
                reason,
            ),
        )
        self._keep_wire(happened, mask_body(happened.request.body or b"", secrets)[:KEEP_BYTES])
        return reason

    def keep_registration(
        self, happened: Happened, form: Registration | None, product_secrets: list[str]
    ) -> None:
        """Keep a request on /auth/register/device, among the authentications.

        `form` is None where its body could not be read.
        """
        secrets = [*self._secrets(happened), *product_secrets, *([form.sign] if form else [])]
        device = happened.device
        claimed = f"{form.product_key}/{form.device_name}"[:_TEXT_MAX] if form else ""
        self._db.execute(
            "INSERT INTO authentication VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                happened.id,
                device.id if device else None,
                mask_text(claimed, secrets) if device is None else device.key,
                happened.time_ms,
                happened.code,
                happened.fault,
                form.sign_method if form else None,
                REGISTRATION,
                self._reason(happened, secrets),
            ),
        )
        body = mask_form(happened.request.body or b"", secrets)[:KEEP_BYTES]
        self._keep_wire(happened, body, product_secrets)

    def _keep_wire(
        self, happened: Happened, body: bytes, more_secrets: list[str] | None = None
    ) -> None:
        # Masked before it is cut: half a secret is not known as one.
        secrets = [*self._secrets(happened), *(more_secrets or [])]
        head = mask_head(happened.request.raw_head, secrets)[:KEEP_BYTES]
        self._db.execute(
            "INSERT INTO wire VALUES (?, ?, ?)",
            (happened.id, head + body, happened.reply[:KEEP_BYTES]),
        )

    def _reason(self, happened: Happened, secrets: list[str]) -> str | None:
        if happened.reason is None:
            return None
        return mask_text(happened.reason, secrets)[:_TEXT_MAX]

    def _secrets(self, happened: Happened) -> list[str]:
        """What of this request no person may see. The longest first: one may hold another."""
        found = [happened.request.headers.get("password", ""), happened.secret]
        return sorted(found, key=len, reverse=True)
