"""Secrets that are known again wherever they turn up, whole or in part, plain or encoded."""

from __future__ import annotations

import base64
import html
import json
import urllib.parse
from collections.abc import Iterable

# A part of that many characters is a leak; the ending of four that messages show is none. Of a
# token more: it is hex, and by chance something else has 8 of the same digits.
PART = 8
HEX_PART = 16

# No long runs of hex: those the emulator masks whatever they are. As many kinds of characters as
# each may have, so that what is quoted or escaped on its way looks different.
SECRET = "Qx7vKanariGn0gelGehe1mnisZ9-WXYZ"
WRONG_SECRET = "Hj4tKanariUbrAnd3resWortp5=TUVWS"
NEW_SECRET = "Mb2yKanariLdoNagelNeu3sq8.PQRST"
WIFI_PASSWORD = "w'F\\p8<Wlan\"&Kan%rienv0gel>+/=Zi"
PRODUCT_SECRET = "Pr0d%Ukt<vomW3rk>tisch&=/'m\\Yw+q\"K"
CONSOLE_PASSWORD = "Cons'le<Kan%ri>&+/=\"Passw0rd\\Zu"

_BASE64_HEAD = (0, 2, 3)  # characters that the bytes before have a part in, by their number % 3
_BASE64_TAIL = (0, 3, 2)


def find(data: bytes | str, secrets: Iterable[str]) -> list[str]:
    """Return which of the secrets the data shows, in whole or in part.

    Found as they are and with the quoting of JSON, Python, HTML, URLs, and as hex and base64.
    """
    if isinstance(data, str):
        data = data.encode(errors="replace")
    return [secret for secret in secrets if any(form in data for form in _forms(secret))]


_known: dict[str, frozenset[bytes]] = {}


def _forms(secret: str) -> frozenset[bytes]:
    if secret not in _known:
        size = HEX_PART if set(secret) <= set("0123456789abcdef") else PART
        parts = [secret[i : i + size] for i in range(len(secret) - size + 1)]
        _known[secret] = frozenset(form for part in parts for form in _forms_of_part(part))
    return _known[secret]


def _forms_of_part(part: str) -> Iterable[bytes]:
    plain = part.encode()
    for text in (
        part,
        json.dumps(part)[1:-1],
        repr(part)[1:-1],
        html.escape(part),
        html.escape(part, quote=False),
        urllib.parse.quote(part),
        urllib.parse.quote(part, safe=""),
        urllib.parse.quote_plus(part),
    ):
        yield text.encode()
        yield json.dumps(text)[1:-1].encode()
    yield plain.hex().encode()
    yield plain.hex().upper().encode()
    yield plain.hex(" ").encode()
    for before in range(3):
        whole = base64.b64encode(bytes(before) + plain)
        tail = _BASE64_TAIL[(before + len(plain)) % 3]
        yield whole[_BASE64_HEAD[before] : len(whole) - tail]
        yield base64.urlsafe_b64encode(bytes(before) + plain)[_BASE64_HEAD[before] : -tail or None]
