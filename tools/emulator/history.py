"""What happened, request by request: messages, authentications, and what went over the wire."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .counters import Counters
from .masking import KEEP_BYTES, mask_body, mask_form, mask_head, mask_text
from .request import Request
from .store import Device

if TYPE_CHECKING:
    from .registration import Registration
    from .rules import AuthFields

_TEXT_MAX = 1000
REGISTRATION = "registration"  # in the place of a client id, which a registration has not
_TOPIC_MAX = 256  # a refused one may be longer than topics are


@dataclass(frozen=True)
class RequestRecord:
    """One request and what became of it."""

    id: int
    time_ms: int
    request: Request = field(repr=False)
    device: Device | None
    code: int | None  # None: no reply of the platform
    reason: str | None  # why it was refused, without a secret
    fault: str | None
    reply: bytes = field(repr=False)  # masked
    secret: str = field(default="", repr=False)  # of the device that it names, to be masked


class History:
    """Stores requests. Each call belongs in the transaction that decides the request."""

    def __init__(self, db: sqlite3.Connection):
        self._db = db
        self._counters = Counters(db)

    def keep_message(self, record: RequestRecord) -> str | None:
        """Keep a request on a topic, and count its readings where it was accepted.

        Returns the reason as it may be shown.
        """
        request, device = record.request, record.device
        topic = mask_text(request.topic, self._secrets(record))[:_TOPIC_MAX]
        reason = self._reason(record, self._secrets(record))
        self._db.execute(
            "INSERT INTO message VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                record.id,
                device.id if device else None,
                request.topic if record.code == 0 else topic,
                record.time_ms,
                record.code,
                record.fault,
                reason,
                request.body or b"",
            ),
        )
        self._keep_wire(record, b"")
        if record.code == 0 and device:
            self._counters.add(device.id, record.id, request.body or b"", record.time_ms)
        return reason

    def keep_authentication(self, record: RequestRecord, auth: AuthFields | None) -> str | None:
        """Keep a request on /auth; `auth` is None where its body could not be read.

        Returns the reason as it may be shown.
        """
        secrets = self._secrets(record)
        if auth:
            secrets.append(auth.fields["sign"])
        client_id = mask_text(auth.client_id, secrets) if auth else None
        reason = self._keep_attempt(record, auth, client_id, secrets)
        self._keep_wire(record, mask_body(record.request.body or b"", secrets)[:KEEP_BYTES])
        return reason

    def keep_registration(
        self, record: RequestRecord, form: Registration | None, product_secrets: list[str]
    ) -> None:
        """Keep a request on /auth/register/device, among the authentications.

        `form` is None where its body could not be read.
        """
        secrets = [*self._secrets(record), *product_secrets, *([form.sign] if form else [])]
        self._keep_attempt(record, form, REGISTRATION, secrets)
        body = mask_form(record.request.body or b"", secrets)[:KEEP_BYTES]
        self._keep_wire(record, body, product_secrets)

    def _keep_attempt(
        self,
        record: RequestRecord,
        sent: AuthFields | Registration | None,
        client_id: str | None,
        secrets: list[str],
    ) -> str | None:
        """Keep who wanted to be let in, and how that ended. Returns the reason as it is shown."""
        reason = self._reason(record, secrets)
        device = record.device
        claimed = f"{sent.product_key}/{sent.device_name}"[:_TEXT_MAX] if sent else ""
        self._db.execute(
            "INSERT INTO authentication VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                record.id,
                device.id if device else None,
                mask_text(claimed, secrets) if device is None else device.key,
                record.time_ms,
                record.code,
                record.fault,
                sent.sign_method if sent else None,
                client_id,
                reason,
            ),
        )
        return reason

    def _keep_wire(
        self, record: RequestRecord, body: bytes, more_secrets: list[str] | None = None
    ) -> None:
        # Masked before it is cut: half a secret is not known as one.
        secrets = [*self._secrets(record), *(more_secrets or [])]
        head = mask_head(record.request.raw_head, secrets)[:KEEP_BYTES]
        self._db.execute(
            "INSERT INTO wire VALUES (?, ?, ?)",
            (record.id, head + body, record.reply[:KEEP_BYTES]),
        )

    def _reason(self, record: RequestRecord, secrets: list[str]) -> str | None:
        if record.reason is None:
            return None
        return mask_text(record.reason, secrets)[:_TEXT_MAX]

    def _secrets(self, record: RequestRecord) -> list[str]:
        """Return the secrets to mask in this request, the longest first: one may hold another."""
        found = [record.request.headers.get("password", ""), record.secret]
        return sorted(found, key=len, reverse=True)
