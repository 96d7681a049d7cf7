"""What the platform decides of `POST /auth/register/device` from the request alone.

A product's secret gives a device of it its own secret. Sources, and what is ours, stand in
docs/protocol.md, "Registration".
"""

from __future__ import annotations

import hashlib
import hmac
import re
import urllib.parse
from dataclasses import dataclass, field

FORM_TYPE = "application/x-www-form-urlencoded"

# The vendor's list of codes for devices has these.
REGISTERED = 200
THROTTLED = 429
PARAMETER_ERROR = 460
DEVICE_UNKNOWN = 6100
DEVICE_DISABLED = 6204
PRODUCT_UNKNOWN = 6250
# No source names the codes of these: the numbers are ours.
SWITCHED_OFF = 6288
ACTIVATED = 6289
WRONG_SIGN = 6600

MESSAGES = {
    REGISTERED: "success",
    THROTTLED: "too many requests",
    PARAMETER_ERROR: "request parameter error",
    DEVICE_UNKNOWN: "device not found",
    DEVICE_DISABLED: "device is disabled",
    PRODUCT_UNKNOWN: "product not found",
    SWITCHED_OFF: "dynamic registration is switched off",
    ACTIVATED: "device is activated already",
    WRONG_SIGN: "sign check error",
}

_FIELDS = ("productKey", "deviceName", "random", "sign", "signMethod")
_DIGESTS = {"hmacmd5": hashlib.md5, "hmacsha1": hashlib.sha1, "hmacsha256": hashlib.sha256}
_FIELD_MAX = 128


class RegistrationFlaw(Exception):
    """The form breaks a rule; the text names the field."""


@dataclass(frozen=True)
class Registration:
    """The fields of one request, as sent."""

    product_key: str
    device_name: str
    random: str
    sign: str = field(repr=False)
    sign_method: str

    @property
    def content(self) -> bytes:
        """Return what is signed."""
        return (
            f"deviceName{self.device_name}productKey{self.product_key}random{self.random}".encode()
        )

    def is_signed_by(self, product_secret: str) -> bool:
        """Tell whether the sign is that secret's, in hex of any case."""
        digest = _DIGESTS[self.sign_method]
        wanted = hmac.new(product_secret.encode(), self.content, digest).hexdigest()
        return hmac.compare_digest(wanted.encode(), self.sign.lower().encode())


def read_registration(body: bytes) -> Registration:
    """Return the fields of the form. Raises: RegistrationFlaw."""
    try:
        pairs = urllib.parse.parse_qsl(
            body.rstrip(b"\0").decode(),  # some C clients send the NUL that ends their string
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=20,
        )
    except ValueError as error:
        raise RegistrationFlaw("the body is no form: name=value&name=value") from error
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in found:
            raise RegistrationFlaw(f"{name[:40]!r} appears twice")
        found[name] = value
    for name in _FIELDS:
        if not found.get(name):
            raise RegistrationFlaw(f"{name} is {'empty' if name in found else 'missing'}")
        if len(found[name]) > _FIELD_MAX:
            raise RegistrationFlaw(f"{name} has {len(found[name])} characters")
    if found["signMethod"] not in _DIGESTS:
        known = ", ".join(_DIGESTS)
        raise RegistrationFlaw(f"signMethod {found['signMethod'][:40]!r} is none of {known}")
    if not re.fullmatch(r"[!-~]+", found["productKey"] + found["deviceName"] + found["random"]):
        raise RegistrationFlaw("a field has characters outside printable ASCII")
    return Registration(*(found[name] for name in _FIELDS))


def try_registration(body: bytes) -> Registration | None:
    """Return the fields of the form, or None where it breaks a rule."""
    try:
        return read_registration(body)
    except RegistrationFlaw:
        return None
