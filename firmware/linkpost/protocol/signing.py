"""What a device signs and how, and `POST /auth`. Source: the vendor's page, table 2.

HMAC (RFC 2104) is over MD5 or SHA-1, with the chip's digest where it has one. Loaded when a device
authenticates (`loader`).
"""

import hashlib
import json

from ..loader import load

_BLOCK = 64  # bytes, of both digests
_DIGEST_OF = {"hmacmd5": "md5", "hmacsha1": "sha1"}


def choose_method(wanted: str) -> str:
    """Return the signmethod to use: `wanted`, or for "auto" the first that this chip has natively.

    Where it has neither, hmacmd5: the platform's default, and the cheaper of our own two.
    """
    if wanted != "auto":
        return wanted
    for method in ("hmacmd5", "hmacsha1"):
        if hasattr(hashlib, _DIGEST_OF[method]):
            return method
    return "hmacmd5"


def sign(method: str, secret: str, content: str) -> str:
    """Return hex(HMAC(secret, content)) in capitals, as the vendor's page writes it.

    Args: content, key and value of each signed field, sorted by key.
    """
    digest = hmac(_DIGEST_OF[method], secret.encode(), content.encode())
    return "".join(["%02X" % byte for byte in digest])


def encode_auth_body(
    product_key: str, device_name: str, device_secret: str, client_id: str, method: str
) -> bytes:
    """Return the JSON body of `POST /auth`, compact and in the order of the vendor's page.

    There is no timestamp in it: a wrong clock would fail the authentication, and the vendor's own
    clients leave it out too (docs/protocol.md, "Signature").
    """
    content = "clientId%sdeviceName%sproductKey%s" % (client_id, device_name, product_key)
    return (
        '{"version":"default","clientId":%s,"signmethod":"%s","sign":"%s","productKey":"%s",'
        '"deviceName":"%s"}'
        % (
            json.dumps(client_id),
            method,
            sign(method, device_secret, content),
            product_key,
            device_name,
        )
    ).encode()


def encode_auth_request(config) -> bytes:
    """Return the whole request that authenticates the device of a checked `Config`."""
    body = encode_auth_body(
        config.product_key,
        config.device_name,
        config.device_secret,
        config.client_id,
        choose_method(config.sign_method),
    )
    head = (
        "POST /auth HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n"
        "Content-Length: %d\r\n\r\n" % (config.host_header, len(body))
    )
    return head.encode() + body


def digest_class(digest: str):
    """Return what makes a new hash object with `update` and `digest`: native, or ours."""
    if hasattr(hashlib, digest):
        return getattr(hashlib, digest)
    pure = load("protocol.digests")
    return pure.MD5 if digest == "md5" else pure.SHA1


def hmac(digest: str, key: bytes, message: bytes) -> bytes:
    """Return HMAC(key, message).

    Args: digest "md5" or "sha1"; key and message bytes of any length.
    Returns: 16 or 20 bytes. Source: RFC 2104 section 2.
    """
    new = digest_class(digest)
    if len(key) > _BLOCK:
        hashed = new()
        hashed.update(key)
        key = hashed.digest()
    pad = bytearray(b"\x36" * _BLOCK)
    for i in range(len(key)):
        pad[i] ^= key[i]
    # Two objects, one after the other: MicroPython's cannot be copied, and digest() ends them.
    inner = new()
    inner.update(pad)
    inner.update(message)
    for i in range(_BLOCK):
        pad[i] ^= 0x36 ^ 0x5C
    outer = new()
    outer.update(pad)
    outer.update(inner.digest())
    return outer.digest()
