"""HMAC (RFC 2104) over MD5 or SHA-1, with the chip's digest where it has one."""

import hashlib

from ..loader import load

_BLOCK = 64  # bytes, of both digests


def digest_class(digest: str):
    """Return what makes a new hash object with `update` and `digest`: native, or ours."""
    if hasattr(hashlib, digest):
        return getattr(hashlib, digest)
    # Deployed only to boards that need it.
    if digest == "md5":
        return load("protocol.md5").MD5
    if digest == "sha1":
        return load("protocol.sha1").SHA1
    raise ValueError("no digest %s" % digest)


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
