"""What a device signs and how, and `POST /auth`. Source: the vendor's page, table 2.

HMAC (RFC 2104) is over MD5 or SHA-1, with the chip's digest where it has one. Loaded when a device
authenticates (`loader`).
"""

import hashlib
import json

from ..loader import load

_BLOCK = 64  # bytes, of both digests


def choose_method(wanted: str) -> str:
    """Return the signmethod to use: `wanted`, or for "auto" the first that this chip has natively.

    Where it has neither, hmacmd5: the platform's default, and the cheaper of our own two.
    """
    if wanted != "auto":
        return wanted
    only_sha1 = hasattr(hashlib, "sha1") and not hasattr(hashlib, "md5")
    return "hmacsha1" if only_sha1 else "hmacmd5"


def sign(method: str, secret: str, content: str) -> str:
    """Return hex(HMAC(secret, content)) in capitals, as the vendor's page writes it.

    Args: content, key and value of each signed field, sorted by key.
    """
    digest = hmac(method[4:], secret.encode(), content.encode())
    return "".join(["%02X" % byte for byte in digest])


def encode_auth_body(config) -> bytes:
    """Return the JSON body of `POST /auth`, compact and in the order of the vendor's page.

    Args: a checked `Config`. There is no timestamp in it: a wrong clock would fail the
    authentication, and the vendor's own clients leave it out too (docs/protocol.md, "Signature").
    """
    names = config.client_id, config.device_name, config.product_key
    method = choose_method(config.sign_method)
    signed = sign(method, config.device_secret, "clientId%sdeviceName%sproductKey%s" % names)
    return (
        '{"version":"default","clientId":%s,"signmethod":"%s","sign":"%s","productKey":"%s",'
        '"deviceName":"%s"}' % (json.dumps(names[0]), method, signed, names[2], names[1])
    ).encode()


def digest_class(digest: str):
    """Return what makes a new hash object with `update` and `digest`: native, or ours."""
    native = getattr(hashlib, digest, None)
    if native:
        return native
    digests = load("protocol.digests")
    return digests.MD5 if digest == "md5" else digests.SHA1


def hmac(digest: str, key: bytes, message: bytes) -> bytes:
    """Return HMAC(key, message).

    Args: digest "md5" or "sha1"; key and message bytes of any length.
    Returns: 16 or 20 bytes. Source: RFC 2104 section 2.
    """
    new = digest_class(digest)
    if len(key) > _BLOCK:
        key = new(key).digest()
    key += bytes(_BLOCK - len(key))
    for pad in (0x36, 0x5C):  # inner, then outer
        hashed = new(bytes([byte ^ pad for byte in key]))
        hashed.update(message)
        message = hashed.digest()
    return message
