"""Requests on `/auth/register/device` for tests of the emulator, right ones and wrong ones."""

from __future__ import annotations

import hmac
import urllib.parse

from emulator_client import encode_request, exchange

PRODUCT = "a1B2c3D4e5F"
PRODUCT_SECRET = "PpQqRrSsTtUuVvWw"
TYPE = b"application/x-www-form-urlencoded"
METHODS = {"hmacmd5": "md5", "hmacsha1": "sha1", "hmacsha256": "sha256"}


def form(name, secret=PRODUCT_SECRET, method="hmacsha256", product=PRODUCT, **changes):
    """Return the signed fields of a registration; `changes` come after the signature."""
    content = f"deviceName{name}productKey{product}random5Yz8"
    sign = hmac.new(secret.encode(), content.encode(), METHODS[method]).hexdigest()
    fields = {"productKey": product, "deviceName": name, "random": "5Yz8", "sign": sign}
    return {**fields, "signMethod": method, **changes}


def register(emulator, fields, content_type=TYPE):
    body = fields if isinstance(fields, bytes) else urllib.parse.urlencode(fields).encode()
    headers = {b"Content-Type": content_type, b"Connection": b"close"}
    request = encode_request(b"/auth/register/device", headers, body)
    return exchange(emulator, request)


def triple_of(reply):
    data = reply.json["data"]
    return data["productKey"], data["deviceName"], data["deviceSecret"]
